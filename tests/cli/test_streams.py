"""Standard streams that somebody has closed: cron, supervisors and `<&-` do."""

import subprocess
import sys

import pytest

from monitor.cli.streams import standard_input
from tests.e2e.processes import STAGEWATCH

NOBODY = "--url http://127.0.0.1:9"


def redirected(command: str) -> "subprocess.CompletedProcess[bytes]":
    """What a shell runs, redirections and all."""
    return subprocess.run(["sh", "-c", f"{STAGEWATCH} {command}"], capture_output=True, timeout=30, check=False)


def test_no_output() -> None:
    """What is printed to nobody is no failure."""
    done = redirected("parse >&- <<'END'\nM1_Stg1_job0:0/1/1[100%]\nEND\n")
    assert (done.returncode, done.stderr) == (0, b"")


def test_no_place_for_errors() -> None:
    """They do not go where data is expected."""
    done = redirected(f"show nobody {NOBODY} 2>&-")
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"ingest {NOBODY} --patience 0 <&-", "cannot read standard input: it is closed"),
        (f"ingest {NOBODY} --patience 0 0>/dev/null", "cannot read standard input: Bad file descriptor"),
        ("check-job - <&-", "standard input: cannot be read: it is closed"),
        ("top <&-", "top needs a terminal"),
    ],
)
def test_no_input(command: str, said: str) -> None:
    """Is told in one line, and ends what would read it."""
    done = redirected(command)
    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in line


def test_an_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comes as bytes, or not at all."""
    assert standard_input() is sys.stdin.buffer
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(OSError, match="it is closed"):
        standard_input()
