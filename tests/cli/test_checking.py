"""`stagewatch check`."""

from pathlib import Path

import pytest

from tests.cli.command import GOOD, one_line, stagewatch


def test_check_good(tmp_path: Path) -> None:
    """A good config is called good, and a missing channel is worth a word."""
    file = tmp_path / "stagewatch.yaml"
    file.write_text(GOOD)
    done = stagewatch("check", file)
    assert done.returncode == 0
    assert done.stdout.decode() == f"{file}: good: sources: 1, projects: 1, channels: 0, rules: 2\n"
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
