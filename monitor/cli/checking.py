"""`stagewatch check`: all that is wrong with a config file, or that it is good."""

import os
import sys
from pathlib import Path

from monitor.cli.exits import FAILED, stop_with
from monitor.config import ConfigError, load


def check_config(file: Path) -> None:
    """Print what the file defines; exit 1 with every fault."""
    try:
        config = load(file, os.environ)
    except ConfigError as error:
        stop_with(str(error), FAILED)
    counts = {
        "sources": len(config.sources),
        "projects": sum(len(source.projects) for source in config.sources),
        "channels": len(config.alerts.channels),
        "rules": len(config.alerts.rules),
    }
    print(f"{file}: good:", ", ".join(f"{what}: {count}" for what, count in counts.items()))
    for note in config.notes():
        print(f"{file}: note: {note}", file=sys.stderr)
