"""What can be said on the command line."""

import subprocess
import sys

from monitor import __version__
from tests.cli.command import stagewatch

NAMES = (
    *("serve", "demo", "emulate", "check", "check-job", "parse", "ls", "show", "watch", "wait", "stop", "results"),
    *("logview", "run-job", "restart", "ingest", "doctor", "top"),
)


def test_version() -> None:
    """`--version` prints the version and nothing else."""
    assert stagewatch("--version").stdout.decode().strip() == __version__


def test_help_names_every_command() -> None:
    """`--help` is complete."""
    text = stagewatch("--help").stdout.decode()
    for command in NAMES:
        assert command in text


def test_module_and_script_are_one() -> None:
    """The console script is what the package says it is."""
    done = subprocess.run(
        [sys.executable, "-c", "from monitor.cli import main; main()", "--version"], capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == __version__
