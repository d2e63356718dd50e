"""`stagewatch parse`."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import one_line, stagewatch
from tests.e2e.processes import STAGEWATCH


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


@pytest.mark.parametrize(
    ("redirected", "says"),
    [
        ("<&-", "cannot read standard input: it is closed"),
        ("0>/dev/null", "cannot read standard input: Bad file descriptor"),
    ],
)
def test_parse_without_an_input(redirected: str, says: str) -> None:
    """A standard input that is closed, or cannot be read, is told on one line."""
    command = f"{shlex.quote(str(STAGEWATCH))} parse {redirected}"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert one_line(done) == f"stagewatch: {says}"


def test_parse_missing_file() -> None:
    """A file that cannot be read is named on one line."""
    done = stagewatch("parse", "/nowhere/progress.log")
    assert done.returncode == 2
    assert one_line(done) == "stagewatch: cannot read /nowhere/progress.log: No such file or directory"
