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
    projects = sum(len(source.projects) for source in config.sources)
    channels, rules = len(config.alerts.channels), len(config.alerts.rules)
    print(f"{file}: good: {len(config.sources)} sources, {projects} projects, {channels} channels, {rules} rules")
    if rules and not channels:
        print(f"{file}: note: no channel is defined, so no alert will reach anybody", file=sys.stderr)
