"""The command line: what it prints, where, and with which exit code."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from monitor import __version__
from tests.e2e.processes import STAGEWATCH

GOOD = """
storage: {type: memory}
sources:
  - {type: maxcompute, name: warehouse, endpoint: "https://service.maxcompute.example/api", projects: [analytics],
     access_id: me, access_key: a-made-up-key}
"""


def stagewatch(*arguments: str | Path, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Run the real command to its end."""
    return subprocess.run([STAGEWATCH, *arguments], input=stdin, capture_output=True, timeout=30, check=False)


def one_line(done: "subprocess.CompletedProcess[bytes]") -> str:
    """What it said on stderr: one line, no traceback."""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_version() -> None:
    """`--version` prints the version and nothing else."""
    assert stagewatch("--version").stdout.decode().strip() == __version__


def test_parse_stdin() -> None:
    """Progress on stdin becomes one JSON object a line; the rest is counted on stderr."""
    done = stagewatch(
        "parse",
        stdin=b"Job Queueing...\n20160519101349613gzbzufck2 2016-05-19 18:14:03 "
        b"M1_Stg1_job0:0/1/1[100%]\nM1:1/2[50%]\n",
    )
    assert done.returncode == 0
    (line,) = done.stdout.decode().splitlines()
    assert json.loads(line) == {
        "line": 2,
        "instance": "20160519101349613gzbzufck2",
        "time": "2016-05-19 18:14:03",
        "stages": [
            {
                "name": "M1_Stg1_job0",
                "kind": "M",
                "id": 1,
                "depends_on": [],
                "running": 0,
                "terminated": 1,
                "total": 1,
                "backups": 0,
                "percent": 100,
                "status": None,
            }
        ],
    }
    assert one_line(done) == "skipped: 2 lines without progress, 1 malformed tokens"


def test_parse_files(tmp_path: Path) -> None:
    """Lines are numbered from one in each file; a broken byte harms nobody."""
    (tmp_path / "a.log").write_bytes(b"\xff\xfe\nM1:1/0/1[0%]\n")
    (tmp_path / "b.log").write_text("R2_1:0/3/3[TERMINATED]\n")
    done = stagewatch("parse", tmp_path / "a.log", tmp_path / "b.log")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["line"], one["stages"][0]["name"], one["stages"][0]["status"]) for one in found] == [
        (2, "M1", None),
        (1, "R2_1", "TERMINATED"),
    ]


def test_parse_missing_file() -> None:
    """A file that cannot be read is named on one line."""
    done = stagewatch("parse", "/nowhere/progress.log")
    assert done.returncode == 2
    assert one_line(done) == "stagewatch: cannot read /nowhere/progress.log: No such file or directory"


def test_check_good(tmp_path: Path) -> None:
    """A good config is called good, and a missing channel is worth a word."""
    file = tmp_path / "stagewatch.yaml"
    file.write_text(GOOD)
    done = stagewatch("check", file)
    assert done.returncode == 0
    assert done.stdout.decode() == f"{file}: good: 1 sources, 1 projects, 0 channels, 2 rules\n"
    assert "no alert will reach anybody" in one_line(done)
    assert b"a-made-up-key" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", [("check",), ("serve", "--config")])
def test_bad_config(tmp_path: Path, command: tuple[str, ...]) -> None:
    """A bad config is refused with file, line, key and reason, before anything is touched."""
    file = tmp_path / "stagewatch.yaml"
    file.write_text(GOOD + "lissen: 127.0.0.1:9690\nstorage2: {}\n")
    done = stagewatch(*command, file)
    assert done.returncode == 1
    said = done.stderr.decode()
    assert f"{file}:6: lissen: no such key" in said
    assert f"{file}:7: storage2: no such key" in said
    assert "Traceback" not in said


def test_serve_on_taken_address(tmp_path: Path) -> None:
    """An address that is taken is one clear line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = tmp_path / "stagewatch.yaml"
        file.write_text(GOOD)
        done = stagewatch("serve", "--config", file, "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr.decode().splitlines()[-1]
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("ls",), ("show", "a/b/c")])
def test_no_daemon(command: tuple[str, ...]) -> None:
    """A daemon that cannot be reached is one line and exit code 2."""
    done = stagewatch(*command, "--url", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert "cannot reach a daemon at http://127.0.0.1:9" in one_line(done)


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/", "http://"])
def test_wrong_url(url: str) -> None:
    """So is an address that is none."""
    done = stagewatch("ls", "--url", url)
    assert done.returncode == 2
    assert one_line(done).startswith("stagewatch: ")


def test_emulate_refuses_other_hosts() -> None:
    """The emulator runs commands for whoever asks, so it stays on this machine unless told otherwise."""
    done = stagewatch("emulate", "--listen", "0.0.0.0:0")
    assert done.returncode == 1
    assert "--allow-remote" in one_line(done)


def test_help_names_every_command() -> None:
    """`--help` is complete."""
    text = stagewatch("--help").stdout.decode()
    for command in ("serve", "demo", "emulate", "check", "parse", "ls", "show"):
        assert command in text


def test_module_and_script_are_one() -> None:
    """The console script is what the package says it is."""
    done = subprocess.run(
        [sys.executable, "-c", "from monitor.cli import main; main()", "--version"], capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == __version__
