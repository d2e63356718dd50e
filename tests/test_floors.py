"""The contracts that import-linter checks name every module that they are about."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
DRIVERS = ("sources", "storage", "notify")
# What stands beside the drivers and is no driver: interfaces, and the rules that every store follows.
INTERFACES = {"monitor.sources.base", "monitor.storage.base", "monitor.storage.outbox", "monitor.notify.base"}


def test_every_driver_is_forbidden_to_engine_and_web() -> None:
    """A new file beside the drivers is forbidden by name, or it is an interface."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (forbidden,) = (set(one["forbidden_modules"]) for one in contracts if one["name"].startswith("Engine and web"))
    modules = {
        f"monitor.{folder}.{path.stem}"
        for folder in DRIVERS
        for path in (ROOT / "monitor" / folder).iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
    }
    assert forbidden == modules - INTERFACES
