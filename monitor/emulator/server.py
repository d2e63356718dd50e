"""Builds the emulator from its options, serves it, and takes it down again."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from random import Random
from time import monotonic

from aiohttp import web
from aiohttp.typedefs import Middleware

from monitor.emulator import control, logview, maxcompute
from monitor.emulator.background import task_group
from monitor.emulator.clock import Clock
from monitor.emulator.instances import Book
from monitor.emulator.lively import keep_busy
from monitor.emulator.requestlog import RequestLog
from monitor.emulator.service import MaxCompute, owner_of
from monitor.emulator.sql.engine import Engine
from monitor.emulator.sqljobs import SqlJobs
from monitor.emulator.switchboard import Switchboard
from monitor.emulator.wire import PREFIX

MAX_BODY_BYTES = 16 * 1024 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorOptions:
    """How to run the emulator.

    `port` 0 takes any free one. `speed` is emulated seconds per real second. `lively` keeps the first project busy.
    `sql_limit` is the number of real seconds that one query may take. `keep` is how many ended instances are
    remembered. Interceptors see every request to the services before its sender is known; see `maxcompute.build_app`.
    """

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    speed: float = 1.0
    projects: Sequence[str] = ("demo",)
    lively: bool = False
    allow_remote: bool = False
    sql_limit: float = 60.0
    keep: int = 10_000
    interceptors: Sequence[Middleware] = field(default=())


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator. MaxCompute answers at `endpoint`."""

    host: str
    port: int
    maxcompute: MaxCompute
    faults: Switchboard

    @property
    def url(self) -> str:
        """Such as `http://127.0.0.1:41234`, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """What clients of MaxCompute take as their endpoint."""
        return f"{self.url}{PREFIX}"


@asynccontextmanager
async def serve(options: EmulatorOptions) -> AsyncIterator[Emulator]:
    """Serves until the block ends.

    Raises ValueError for options that make no sense, among them a host that others can reach without `allow_remote`;
    OSError if the port is taken.
    """
    _check(options)
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="stagewatch-emulator-"))
        clock, chance = Clock(options.speed), Random(options.seed)  # noqa: S311 - plays, does not protect
        book = Book(clock, chance, keep=options.keep)
        owner = owner_of("emulator")
        engine = await asyncio.to_thread(Engine, Path(directory), tuple(options.projects), owner, clock.wall)
        tasks = await stack.enter_async_context(task_group())
        sql = SqlJobs(book, engine, tasks, limit=options.sql_limit)
        stack.push_async_callback(sql.close)
        service = MaxCompute(tuple(options.projects), clock, chance, book, sql, RequestLog(monotonic), tasks)
        faults = Switchboard(clock, monotonic)

        runner = web.AppRunner(_compose(service, faults, options), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(book.close)  # first of all, so that nobody who waits for an end holds up the others
        await web.TCPSite(runner, _address(options.host), options.port).start()
        port: int = runner.addresses[0][1]
        if options.lively:
            busy = tasks.create_task(keep_busy(service, Random(options.seed + 1)))  # noqa: S311 - plays, does not protect
            stack.callback(busy.cancel)
        _log.info("emulator listens on port %d", port)
        yield Emulator(options.host, port, service, faults)


def _compose(service: MaxCompute, faults: Switchboard, options: EmulatorOptions) -> web.Application:
    """Every service of the emulator at its place on the one port."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)  # that of an inner application would not count
    app.add_subapp(control.PREFIX, control.build_app(service, faults))
    app.add_subapp(logview.PREFIX, logview.build_app(service))
    api = maxcompute.build_app(service, (faults.middleware(), *options.interceptors))
    api.on_response_prepare.append(faults.date)
    app.add_subapp(PREFIX, api)
    return app


def _check(options: EmulatorOptions) -> None:
    if not options.projects:
        raise ValueError("projects: name at least one")
    if not (options.allow_remote or _is_loopback(options.host)):
        raise ValueError(
            f"host: '{options.host}' is not a loopback address, and the emulator gives its secret to everybody; "
            "listen on 127.0.0.1, or allow remote access on purpose (--allow-remote)"
        )


def _address(host: str) -> str:
    """One address to listen at: the name localhost may stand for two, which would get a free port each."""
    return "127.0.0.1" if host == "localhost" else host


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(_address(host)).is_loopback
    except ValueError:
        return False
