"""Builds the daemon from its config in one straight function, runs it, and takes it down in reverse.

The order of stopping is the nesting below: polling ends first; the stream it fed closes; the ledger keeps what was
observed and ends; the storage is sealed; its followers end after the last batch; then the outlets, then the store.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from socket import AF_INET, AF_INET6, create_server, socket

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from monitor import __version__
from monitor.config import Config, ConfigError, PolledSection, read_address
from monitor.core.events import Tick
from monitor.core.schedule import Pace
from monitor.drivers import open_channel, open_source, open_storage
from monitor.engine.attention import Attention
from monitor.engine.board import Board
from monitor.engine.bus import Bus
from monitor.engine.clock import SteadyClock
from monitor.engine.control import Control
from monitor.engine.courier import Courier
from monitor.engine.follower import follow
from monitor.engine.hearing import Hearing
from monitor.engine.journal import Journal
from monitor.engine.lag import watch_loop
from monitor.engine.ledger import Decisions, Ledger, Observations
from monitor.engine.orphans import let_go
from monitor.engine.poller import Poller
from monitor.engine.reports import FeedStats
from monitor.engine.upkeep import keep_compact
from monitor.metrics import Metrics
from monitor.sources.base import Source
from monitor.sources.ingest import LineIntake
from monitor.storage.base import Storage
from monitor.web.parts import Parts, Readiness, ReloadError
from monitor.web.server import build_web
from monitor.web.serving import serving

STREAM_BOUND = 64  # batches of observations: then pollers wait for the ledger
TICK_EVERY = 10.0  # seconds between judgements of what did not change
LAST_DELIVERIES = 3.0  # seconds for alerts that fired just before the stop; the rest waits in the outbox
CLOSE_WITHIN = 1.5  # seconds for requests to be answered, and as long again for readers to be told goodbye

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the daemon takes from the world: time, chance, when to stop or reload, and the config as it stands now.

    `chance` gives numbers in 0..1. Each item of `reloads` asks for a reload, as `POST /-/reload` does; who made that
    stream closes it. `reload` raises ConfigError. `started` is told the address that people open.
    """

    now: Callable[[], datetime]
    chance: Callable[[], float]
    epoch: str
    stop: anyio.Event
    reloads: MemoryObjectReceiveStream[None]
    reload: Callable[[], Config]
    started: Callable[[str], None]


class CannotListenError(Exception):
    """The address is taken or not ours."""


async def serve(config: Config, outside: Outside) -> None:  # noqa: PLR0915 - every line needs locals of earlier ones
    """Run until `outside.stop` is set. Raises CannotListenError, StorageError, or whatever crashed the line."""
    now = SteadyClock(outside.now).now
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_bind(*read_address(config.listen)))
        address = _address(listener)
        external_url = config.external_url or address
        storage = await stack.enter_async_context(open_storage(config.storage))
        tracks = let_go(
            await storage.load(),
            {(section.name, project) for section in config.sources for project in section.projects},
            now(),
        )
        seq = await storage.last_seq()
        board, bus = Board(tracks), Bus(outside.epoch, seq)
        attention, stats = Attention(), FeedStats()
        heard = [section.name for section in config.heard]
        metrics = Metrics(
            board=board,
            stats=stats,
            sources={source.name: source.projects for source in config.sources},
            heard=heard,
            depths=storage.depths,
            now=now,
            version=__version__,
            channels=[section.name for section in config.alerts.channels],
        )
        sources = [
            await stack.enter_async_context(open_source(section, now, metrics.on_request)) for section in config.polled
        ]

        send, receive = anyio.create_memory_object_stream[Observations](STREAM_BOUND)
        stack.callback(receive.close)  # whoever creates a stream closes its reading end
        control = Control(
            sources={source.name: source for source in sources}, stream=send, storage=storage, now=now, heard=heard
        )
        hearing = Hearing(
            intakes={section.name: LineIntake(section) for section in config.heard},
            asked=[source.name for source in sources],
            board=board,
            stream=send,
            now=now,
        )

        channels = {
            section.name: await stack.enter_async_context(open_channel(section, external_url, now))
            for section in config.alerts.channels
        }
        courier = Courier(
            storage=storage,
            channels=channels,
            patience=config.alerts.delivery.patience(),
            who=outside.epoch,
            now=now,
            chance=outside.chance,
            report=metrics.on_delivery,
        )
        decisions = _decisions(config, config, external_url)
        metrics.expect(decisions.rules.rules)
        ledger = Ledger(storage=storage, tracks=tracks, seq=seq, decisions=decisions, now=now, heard=heard)
        checkpoints = await storage.checkpoints()
        pollers = [
            Poller(
                source=source,
                pace=_pace(section),
                board=board,
                attention=attention,
                stream=send,
                checkpoints=checkpoints,
                now=now,
                chance=outside.chance,
            )
            for source, section in zip(sources, config.polled, strict=True)
        ]
        hooks = (Journal().on_batch, metrics.on_batch, courier.on_batch, hearing.on_batch)

        async def reload() -> None:
            try:
                new = _decisions(config, outside.reload(), external_url)
            except (ConfigError, ReloadError) as error:
                metrics.reloaded(False, now())
                log.error("reload_refused", detail=str(error), means="what was in force before stays in force")
                raise ReloadError(str(error)) from error
            ledger.decide_by(new)
            metrics.expect(new.rules.rules)
            metrics.reloaded(True, now())
            log.info("reloaded", rules=[rule.name for rule in new.rules.rules])

        parts = Parts(
            board=board,
            bus=bus,
            control=control,
            hearing=hearing,
            storage=storage,
            attention=attention,
            stats=stats,
            ready=partial(_readiness, board, sources),
            metrics=metrics.render,
            reload=reload,
            now=now,
            version=__version__,
        )

        async with anyio.create_task_group() as outlets:
            following, followed = anyio.Event(), anyio.Event()

            async def follow_to_the_end() -> None:
                await follow(storage, board, bus, hooks, following.set)
                followed.set()

            outlets.start_soon(follow_to_the_end)
            await following.wait()
            outlets.start_soon(courier.run)
            outlets.start_soon(watch_loop, metrics.loop_lag)
            outlets.start_soon(keep_compact, storage, decisions.retention, now)
            await stack.enter_async_context(serving(build_web(parts), listener, close_within=CLOSE_WITHIN))
            async with anyio.create_task_group() as writing:
                writing.start_soon(ledger.run, receive)
                async with send, anyio.create_task_group() as polling:
                    for poller in pollers:
                        polling.start_soon(poller.run)
                    polling.start_soon(hearing.run)
                    polling.start_soon(_tick, send, now)
                    polling.start_soon(_reload_when_asked, outside.reloads, reload)
                    for note in config.notes():
                        log.warning("config_note", note=note)
                    log.info("started", address=address, version=__version__, tracks=len(tracks))
                    outside.started(address)
                    await outside.stop.wait()
                    log.info("stopping")
                    polling.cancel_scope.cancel()
            storage.seal()
            await followed.wait()
            await _drain(storage)
            outlets.cancel_scope.cancel()
    log.info("stopped")


async def _tick(stream: MemoryObjectSendStream[Observations], now: Callable[[], datetime]) -> None:
    while True:
        await anyio.sleep(TICK_EVERY)
        await stream.send((Tick(at=now()),))


async def _reload_when_asked(asked: MemoryObjectReceiveStream[None], reload: Callable[[], Awaitable[None]]) -> None:
    async for _ in asked:
        with suppress(ReloadError):  # it is in the log, and nobody else waits for an answer
            await reload()


async def _drain(storage: Storage) -> None:
    """Give the courier a moment for the last alerts."""
    with anyio.move_on_after(LAST_DELIVERIES):
        while await storage.depths():  # noqa: ASYNC110 - the store does not announce that its outbox is empty
            await anyio.sleep(0.05)


def _decisions(running: Config, config: Config, external_url: str) -> Decisions:
    """What the ledger decides by; raise ReloadError if `config` differs from `running` in what needs a restart."""
    fixed = [
        name
        for name in ("listen", "external_url", "log", "storage", "sources")
        if getattr(running, name) != getattr(config, name)
    ]
    if running.alerts.channels != config.alerts.channels or running.alerts.delivery != config.alerts.delivery:
        fixed.append("alerts.channels or alerts.delivery")
    if fixed:
        raise ReloadError(f"restart to change {', '.join(fixed)}: a reload takes over alerts.rules and tracking")
    return Decisions(
        policy=config.tracking.policy(),
        rules=config.rules(external_url),
        retention=config.storage.retention.policy(),
    )


def _readiness(board: Board, sources: Sequence[Source]) -> Readiness:
    return Readiness(
        tuple(
            f"{source.name}/{project} has not been swept yet"
            for source in sources
            for project in source.projects
            if (health := board.health.get((source.name, project))) is None or not health.is_known
        )
    )


def _pace(section: PolledSection) -> Pace:
    return Pace(
        sweep_every=section.sweep_every,
        reconcile_every=section.reconcile_every,
        look_back=section.look_back,
        requests_per_second=section.requests_per_second,
        concurrency=section.concurrency,
    )


@contextmanager
def _bind(host: str, port: int) -> Iterator[socket]:
    """Take the address before anything else is touched: the commonest reason not to start."""
    try:
        family = AF_INET6 if ":" in host else AF_INET
        with create_server((host, port), family=family, backlog=128) as listener:
            yield listener
    except OSError as error:
        raise CannotListenError(f"cannot listen on {host}:{port}: {error.strerror}; set `listen`") from error


def _address(listener: socket) -> str:
    """What people open, with the port that was really taken."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
