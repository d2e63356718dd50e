"""The line as the daemon builds it, between a scripted source and scripted channels."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio

from monitor.core.alerting import Rules
from monitor.core.events import Tick
from monitor.core.retention import Retention
from monitor.core.schedule import Pace
from monitor.core.tracker import Policy
from monitor.core.verdicts import Limits
from monitor.engine.attention import Attention
from monitor.engine.board import Board
from monitor.engine.bus import Bus
from monitor.engine.control import Control
from monitor.engine.courier import Courier
from monitor.engine.follower import follow
from monitor.engine.hearing import Hearing
from monitor.engine.ledger import Decisions, Ledger
from monitor.engine.patience import Patience
from monitor.engine.poller import Poller
from monitor.engine.reports import DeliveryReport
from monitor.sources.base import Intake
from monitor.storage.base import Batch, Record
from monitor.storage.memory import MemoryStorage
from tests.engine.scripted import ScriptedNotifier, ScriptedSource, now

T = TypeVar("T")

TICK_EVERY = 10.0
NO_VERDICTS = Policy(limits=Limits(stalled=None, straggling=None, queued=None, late=None))
NO_RULES = Rules(rules=(), external_url="http://stagewatch.test")


@dataclass
class Line:
    """A running line, and what it has done so far."""

    storage: MemoryStorage
    board: Board
    attention: Attention
    control: Control
    hearing: Hearing
    ledger: Ledger
    pollers: list[Poller] = field(default_factory=list)
    observed: list[tuple[float, Any]] = field(default_factory=list)  # when, and what a poll learned
    batches: list[Batch] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    reports: list[DeliveryReport] = field(default_factory=list)

    def saw(self, kind: type[T]) -> list[tuple[float, T]]:
        """The observations of one kind, with the second in which each was made."""
        return [(at, got) for at, got in self.observed if isinstance(got, kind)]

    def events(self, kind: type[T]) -> list[T]:
        """The published events of one kind."""
        return [record.event for record in self.records if isinstance(record.event, kind)]

    def on_batch(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.records += batch.records


@asynccontextmanager
async def running_line(
    *sources: ScriptedSource,
    intakes: Sequence[Intake] = (),
    channels: Sequence[ScriptedNotifier] = (),
    storage: MemoryStorage | None = None,
    pace: Pace = Pace(),  # noqa: B008 - it cannot change
    rules: Rules = NO_RULES,
    policy: Policy = NO_VERDICTS,
    patience: Patience = Patience(),  # noqa: B008 - it cannot change
    retention: Retention = Retention(),  # noqa: B008 - it cannot change
    chance: Callable[[], float] = lambda: 0.5,
) -> AsyncIterator[Line]:
    """Start it; stop it in the daemon's order, so that what was observed is kept and published."""
    storage = storage or MemoryStorage()
    tracks, seq = await storage.load(), await storage.last_seq()
    board, bus, attention = Board(tracks), Bus("epoch", seq), Attention()
    polled, relayed = anyio.create_memory_object_stream[Any](64)
    send, receive = anyio.create_memory_object_stream[Any](64)
    by_name = {source.name: source for source in sources}
    heard = {intake.name: intake for intake in intakes}
    control = Control(sources=by_name, stream=polled, storage=storage, now=now, heard=heard)
    hearing = Hearing(intakes=heard, asked=tuple(by_name), board=board, stream=polled, now=now)
    decisions = Decisions(policy=policy, rules=rules, retention=retention)
    ledger = Ledger(storage=storage, tracks=tracks, seq=seq, decisions=decisions, now=now, heard=heard)
    line = Line(storage, board, attention, control, hearing, ledger)
    courier = Courier(
        storage=storage,
        channels={channel.name: channel for channel in channels},
        patience=patience,
        who="test",
        now=now,
        chance=chance,
        report=line.reports.append,
    )
    checkpoints = await storage.checkpoints()

    async def relay() -> None:
        async with send:
            async for observations in relayed:
                line.observed += ((anyio.current_time(), got) for got in observations)
                await send.send(observations)

    async def tick() -> None:
        while True:
            await anyio.sleep(TICK_EVERY)
            await send.send((Tick(at=now()),))

    with relayed, receive:
        async with anyio.create_task_group() as outlets:
            followed, ended = anyio.Event(), anyio.Event()

            async def follow_to_the_end() -> None:
                await follow(storage, board, bus, (line.on_batch, courier.on_batch, hearing.on_batch), followed.set)
                ended.set()

            outlets.start_soon(follow_to_the_end)
            await followed.wait()
            outlets.start_soon(courier.run)
            async with anyio.create_task_group() as writing:
                writing.start_soon(ledger.run, receive)
                writing.start_soon(relay)
                async with polled, anyio.create_task_group() as polling:
                    polling.start_soon(tick)
                    polling.start_soon(hearing.run)
                    for source in sources:
                        poller = Poller(
                            source=source,
                            pace=pace,
                            board=board,
                            attention=attention,
                            stream=polled,
                            checkpoints=checkpoints,
                            now=now,
                            chance=chance,
                        )
                        line.pollers.append(poller)
                        polling.start_soon(poller.run)
                    yield line
                    polling.cancel_scope.cancel()
            storage.seal()
            await ended.wait()
            outlets.cancel_scope.cancel()
