"""`stagewatch doctor`: whether every source of a config has what watching it takes, and what to do where not."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import anyio
from msgspec import Struct

from monitor.cli.asking import print_json
from monitor.cli.exits import FAILED, INTERRUPTED, USAGE, stop_with
from monitor.config import Config, ConfigError, load
from monitor.core.text import plain
from monitor.drivers import open_source
from monitor.logs import Mask, set_up
from monitor.sources.base import Check

_MARKS = {True: "ok", False: "BAD", None: "-"}


class Examined(Struct, frozen=True, kw_only=True):
    """One check of one project, as it is printed with --json."""

    source: str
    project: str
    name: str
    ok: bool | None
    detail: str
    fix: str


def examine_sources(file: Path, source: str | None, *, as_json: bool) -> NoReturn:
    """Print each check as it comes, of all sources or of one. Exit 1 if one is not as it should be."""
    try:
        config = load(file, os.environ)
    except ConfigError as error:
        stop_with(str(error), USAGE)
    names = [section.name for section in config.sources]
    if source is not None and source not in names:
        stop_with(f"no source is named {source!r} in {file}; configured: {', '.join(names)}", USAGE)
    set_up(level="error", form="console", mask=Mask(config.secrets()))

    async def examine() -> bool:
        good = True
        async for one in _examinations(config, source):
            good = good and one.ok is not False
            print_json(one) if as_json else print(_line(one), flush=True)
        return good

    try:
        good = anyio.run(examine)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    raise SystemExit(0 if good else FAILED)


async def _examinations(config: Config, source: str | None) -> AsyncIterator[Examined]:
    for section in config.polled:
        if source in {None, section.name}:
            async with open_source(section, _now, lambda _report: None) as driver:
                for project in section.projects:
                    async for check in driver.examine(project):
                        yield _of(section.name, project, check)
    for heard in config.heard:
        if source in {None, heard.name}:
            for project in heard.projects:
                detail = "nobody asks its service: it hears what `stagewatch ingest` sends to the daemon"
                yield _of(heard.name, project, Check(name="lines", ok=None, detail=detail))


def _of(source: str, project: str, check: Check) -> Examined:
    return Examined(source=source, project=project, name=check.name, ok=check.ok, detail=check.detail, fix=check.fix)


def _line(one: Examined) -> str:
    """One line for people: the mark, where, what, and what to do."""
    fix = f"; to do: {one.fix}" if one.fix else ""
    return plain(f"{_MARKS[one.ok]:<4} {one.source}/{one.project}  {one.name}: {one.detail}{fix}")


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - here is where time comes in
