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

from monitor.emulator import control, logview, maxcompute, wire
from monitor.emulator import faults as maxcompute_faults
from monitor.emulator.background import task_group
from monitor.emulator.batchcompute import api as batchcompute
from monitor.emulator.batchcompute import faults as batchcompute_faults
from monitor.emulator.batchcompute import wire as batchcompute_wire
from monitor.emulator.batchcompute.lively import keep_busy as keep_jobs_busy
from monitor.emulator.batchcompute.oss_face import add_fallback, by_host
from monitor.emulator.batchcompute.service import BatchCompute
from monitor.emulator.batchcompute.serving import Site, running
from monitor.emulator.clock import Clock
from monitor.emulator.instances import Book
from monitor.emulator.lively import keep_busy
from monitor.emulator.requestlog import RequestLog
from monitor.emulator.service import MaxCompute, owner_of
from monitor.emulator.sql.engine import Engine
from monitor.emulator.sqljobs import SqlJobs
from monitor.emulator.switchboard import Service, Switchboard
from monitor.emulator.wire import PREFIX

MAX_BODY_BYTES = 16 * 1024 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorOptions:
    """How to run the emulator.

    `port` 0 takes any free one. `speed` is emulated seconds per real second; programs run in real ones. `lively` keeps
    the first project and Batch Compute busy. `sql_limit` is the number of real seconds that one query may take. `keep`
    is how many ended instances are remembered, and as many jobs. `programs_at_once` is how many programs of jobs run at
    most at the same time. `oss` is the folder of the buckets; without one, objects go with the emulator. Interceptors
    see every request to the services before its sender is known; see `maxcompute.build_app`.
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
    programs_at_once: int = 64
    oss: Path | None = None
    interceptors: Sequence[Middleware] = field(default=())


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator. MaxCompute answers at `endpoint`, Batch Compute and OSS at `url`."""

    host: str
    port: int
    maxcompute: MaxCompute
    batchcompute: BatchCompute
    faults: Switchboard

    @property
    def url(self) -> str:
        """Such as `http://127.0.0.1:41234`, without a slash at the end."""
        return f"http://{_netloc(self.host, self.port)}"

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
        folder = Path(directory)
        clock, chance = Clock(options.speed), _chance(options, 0)
        book = Book(clock, chance, keep=options.keep)
        owner = owner_of("emulator")
        engine = await asyncio.to_thread(Engine, folder, tuple(options.projects), owner, clock.wall)
        tasks = await stack.enter_async_context(task_group())
        sql = SqlJobs(book, engine, tasks, limit=options.sql_limit)
        stack.push_async_callback(sql.close)
        log = RequestLog(monotonic)
        service = MaxCompute(tuple(options.projects), clock, chance, book, sql, log, tasks)
        batch = await stack.enter_async_context(
            running(
                Clock(options.speed),  # of its own, because each service's clock may be made to go wrong alone
                _chance(options, 2),
                log,
                tasks,
                folder=folder / "batchcompute",
                oss=options.oss or folder / "oss",
                oss_host=lambda: _netloc(_address(options.host), runner.addresses[0][1]),
                keep=options.keep,
                at_once=options.programs_at_once,
            )
        )
        faults = _switchboard(clock, batch.service.clock)

        runner = web.AppRunner(_compose(service, batch, faults, options), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(book.close)  # first of all, so that nobody who waits for an end holds up the others
        await web.TCPSite(runner, _address(options.host), options.port).start()
        port: int = runner.addresses[0][1]
        if options.lively:
            for busy in (keep_busy(service, _chance(options, 1)), keep_jobs_busy(batch.service, _chance(options, 3))):
                stack.callback(tasks.create_task(busy).cancel)
        _log.info("emulator listens on port %d", port)
        yield Emulator(options.host, port, service, batch.service, faults)


def _compose(service: MaxCompute, batch: Site, faults: Switchboard, options: EmulatorOptions) -> web.Application:
    """Every service of the emulator at its place on the one port: OSS has the hosts of its own, and what is left."""
    # The size of an inner application's bodies would not count.
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[by_host(batch.oss)])
    app.add_subapp(control.PREFIX, control.build_app(service, batch.service, faults))
    app.add_subapp(logview.PREFIX, logview.build_app(service))
    api = maxcompute.build_app(service, (faults.middleware("maxcompute"), *options.interceptors))
    api.on_response_prepare.append(faults.dates("maxcompute"))
    app.add_subapp(PREFIX, api)
    interceptors = (faults.middleware("batchcompute"), *options.interceptors)
    for prefix, part in batchcompute.build_apps(batch.service, interceptors).items():
        part.on_response_prepare.append(faults.dates("batchcompute"))
        app.add_subapp(prefix, part)
    add_fallback(app, batch.oss)
    return app


def _switchboard(maxcompute_clock: Clock, batchcompute_clock: Clock) -> Switchboard:
    """What can go wrong with each of the services."""
    one = Service(maxcompute_clock, maxcompute_faults.FAULTS, wire.operation_of)
    other = Service(batchcompute_clock, batchcompute_faults.FAULTS, batchcompute_wire.operation_of)
    return Switchboard(monotonic, {"maxcompute": one, "batchcompute": other})


def _chance(options: EmulatorOptions, number: int) -> Random:
    """A sequence of its own for everybody who rolls dice, so that none disturbs another's."""
    return Random(options.seed + number)  # noqa: S311 - plays, does not protect


def _check(options: EmulatorOptions) -> None:
    if not options.projects:
        raise ValueError("projects: name at least one")
    if not (options.allow_remote or _is_loopback(options.host)):
        raise ValueError(
            f"host: '{options.host}' is not a loopback address, and the emulator gives its secret to everybody, and "
            "runs the programs of whoever knows it; listen on 127.0.0.1, or allow remote access on purpose "
            "(--allow-remote)"
        )


def _address(host: str) -> str:
    """One address to listen at: the name localhost may stand for two, which would get a free port each."""
    return "127.0.0.1" if host == "localhost" else host


def _netloc(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(_address(host)).is_loopback
    except ValueError:
        return False
