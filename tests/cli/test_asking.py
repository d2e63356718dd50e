"""`stagewatch ls` and `show` against a daemon that is not there."""

import pytest

from tests.cli.command import one_line, stagewatch


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
