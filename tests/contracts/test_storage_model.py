"""Random sequences of everything a storage is asked, over each driver, against a model of a few lines."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from monitor.core.alerting import Alert
from monitor.core.events import PhaseChanged
from monitor.core.model import InstanceKey, Phase, Track
from monitor.storage.base import (
    Acknowledgement,
    AlertQuery,
    Attempt,
    Batch,
    Delivery,
    DeliveryState,
    Outcome,
    Record,
    Storage,
)
from monitor.storage.memory import MemoryStorage
from monitor.storage.section import SqliteSection
from monitor.storage.sqlite import open_sqlite

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PENDING, REPEATING, DELIVERED = DeliveryState.PENDING, DeliveryState.REPEATING, DeliveryState.DELIVERED

names = st.sampled_from("abcd")
channels = st.sampled_from(["ops", "mail"])
SPARE = "spare"  # to which every alert falls back
few = st.integers(0, 3)
few_names = st.lists(names, max_size=3)


@dataclass
class Row:
    """One delivery as the model sees it."""

    alert: Alert
    channel: str
    due: datetime | None
    number: int
    state: DeliveryState = PENDING
    told: datetime | None = None
    lease: datetime = START
    claims: int = 0
    receipts: int = 0

    @property
    def wants(self) -> datetime:
        return max(self.due or START, self.lease)


class StorageMachine(RuleBasedStateMachine):
    """What one driver does, beside what the model says it must do."""

    opening: Callable[[Path], AbstractAsyncContextManager[Storage]]
    persistent = False

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.stack = AsyncExitStack()
        self.storage: Storage = self.run(self.open())
        self.now = START
        self.seq = 0
        self.tracks: dict[str, int] = {}
        self.history: dict[str, list[int]] = {}
        self.fired: dict[str, Alert] = {}
        self.acknowledged: dict[str, Acknowledgement] = {}
        self.rows: list[Row] = []
        self.numbers = 0
        self.held: list[tuple[Delivery, Row]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def open(self) -> Storage:
        path = Path(self.folder.name) / "store.db"
        return await self.stack.enter_async_context(type(self).opening(path))

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()

    @rule(saved=few_names, fired=few_names, on=st.sets(channels), gone=st.sets(names))
    def commit(self, saved: list[str], fired: list[str], on: set[str], gone: set[str]) -> None:
        records, tracks = [], []
        for name in saved:
            self.seq += 1
            records.append(Record(self.seq, PhaseChanged(self.now, key(name), None, Phase.RUNNING), None))
            tracks.append(Track(key(name), "maxcompute", Phase.RUNNING, absences=self.seq))
            self.tracks[name] = self.seq
            self.history.setdefault(name, []).append(self.seq)
        alerts = [alert(name, self.now, tuple(sorted(on))) for name in fired]
        for one in alerts:
            if one.id not in self.fired:
                self.fired[one.id] = one
                for channel in one.channels:
                    self.add(one, channel, self.now)
        for name in gone:
            self.tracks.pop(name, None)
            self.history.pop(name, None)
        removed = tuple(key(name) for name in sorted(gone))
        self.run(self.storage.commit(Batch(tuple(records), tuple(tracks), tuple(alerts), remove=removed)))

    @rule(channel=channels, limit=few)
    def claim(self, channel: str, limit: int) -> None:
        due = [row for row in self.rows if row.channel == channel and row.wants <= self.now]
        wanted = [row for row in due if row.state is PENDING]
        wanted += sorted((row for row in due if row.state is REPEATING), key=lambda row: (row.due, row.number))
        claimed = self.run(self.storage.claim(channel, limit, self.now, MINUTE, "courier"))
        assert [one.alert.id for one in claimed] == [row.alert.id for row in wanted[:limit]]
        for delivery, row in zip(claimed, wanted, strict=False):
            row.claims, row.lease = row.claims + 1, self.now + MINUTE
            assert delivery.claims == row.claims
            self.held.append((delivery, row))

    def add(self, one: Alert, channel: str, due: datetime) -> None:
        self.numbers += 1
        self.rows.append(Row(one, channel, due, self.numbers))

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 9), state=st.sampled_from(DeliveryState), later=few, fallback=st.sets(channels))
    def settle(self, which: int, state: DeliveryState, later: int, fallback: set[str]) -> None:
        delivery, row = self.held.pop(which % len(self.held))
        told = state in (REPEATING, DELIVERED)
        attempt = Attempt(self.now, 0.1, "" if told else "timeout")
        due = self.now + later * MINUTE if state in (PENDING, REPEATING) else None
        to = () if told else tuple(sorted(fallback))
        added = self.run(self.storage.settle(delivery, Outcome(attempt, state, due, to, self.now + MINUTE)))
        row.receipts += 1
        mine = row.claims == delivery.claims
        better = {
            PENDING: (REPEATING, DELIVERED, DeliveryState.GIVEN_UP),
            DeliveryState.GIVEN_UP: (REPEATING, DELIVERED),
            REPEATING: (DELIVERED,),
            DELIVERED: (),
        }
        if state in better[row.state] or (mine and state is row.state and state in (PENDING, REPEATING)):
            row.state, row.due, row.lease = state, due, START
        if told:
            row.told = row.told or self.now
        known = {other.channel for other in self.rows if other.alert is row.alert} if row in self.rows else set(to)
        new = [] if row.state in (REPEATING, DELIVERED) else [channel for channel in to if channel not in known]
        assert list(added) == new
        for channel in new:
            self.add(row.alert, channel, self.now + MINUTE)

    @rule(channel=channels, back=few)
    def fall_back(self, channel: str, back: int) -> None:
        until = self.now - back * MINUTE / 2
        waiting = [row for row in self.rows if row.channel == channel and row.state is PENDING]
        late = list(takewhile(lambda row: row.alert.at <= until, waiting))
        told = self.run(self.storage.fall_back(channel, until, self.now, 0, 100))
        new = [row.alert for row in late if channel in row.alert.channels and row.alert.fallback]
        new = [one for one in new if not any(row.alert is one and row.channel == SPARE for row in self.rows)]
        assert (told.alerts, told.more, bool(told.channels)) == (len(new), False, bool(new))
        for one in new:
            self.add(one, SPARE, self.now)

    @rule(name=names, by=st.sampled_from(["one", "two"]))
    def acknowledge(self, name: str, by: str) -> None:
        record = self.run(self.storage.acknowledge(name, by, self.now))
        assert (record is not None) == (name in self.fired)
        if record:
            assert record.acknowledged == self.acknowledged.setdefault(name, Acknowledgement(by, self.now))

    @rule(minutes=few)
    def pass_time(self, minutes: int) -> None:
        self.now += minutes * MINUTE / 2

    @rule(back=few)
    def compact(self, back: int) -> None:
        before = self.now - back * MINUTE / 2
        self.run(self.storage.compact(before))
        for name, one in list(self.fired.items()):
            waits = any(row.alert.id == name and row.state is PENDING for row in self.rows)
            if one.at < before and not waits and name not in self.tracks:
                del self.fired[name]
                self.acknowledged.pop(name, None)
                self.rows = [row for row in self.rows if row.alert.id != name]

    @precondition(lambda self: self.persistent)
    @rule()
    def reopen(self) -> None:
        self.run(self.stack.aclose())
        self.storage = self.run(self.open())
        for row in self.rows:
            row.lease = START

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        self.run(self.compare())

    async def compare(self) -> None:
        storage = self.storage
        assert {one.key.id: one.absences for one in await storage.load()} == self.tracks
        assert await storage.last_seq() == self.seq
        for name in "abcd":
            assert [record.seq for record in await storage.history(key(name))] == self.history.get(name, [])
        told = [
            (
                record.alert,
                record.acknowledged,
                [
                    (one.channel, one.state, one.due_at, one.claims, len(one.attempts), one.delivered_at)
                    for one in record.deliveries
                ],
            )
            for record in await storage.alerts(AlertQuery())
        ]
        assert told == [
            (
                one,
                self.acknowledged.get(one.id),
                [
                    (row.channel, row.state, row.due, row.claims, row.receipts, row.told)
                    for row in self.rows
                    if row.alert is one
                ],
            )
            for one in reversed(self.fired.values())
        ]
        waiting = [row for row in self.rows if row.state is PENDING]
        assert {one.channel: (one.pending, one.oldest) for one in await storage.depths()} == {
            channel: (len(mine), min(row.alert.at for row in mine))
            for channel in ("mail", "ops", SPARE)
            if (mine := [row for row in waiting if row.channel == channel])
        }
        in_line = [row for row in self.rows if row.state in (PENDING, REPEATING)]
        for channel in ("mail", "ops", SPARE):
            expected = min((row.wants for row in in_line if row.channel == channel), default=None)
            assert await storage.next_due(channel) == expected


class MemoryMachine(StorageMachine):
    """The memory driver."""

    opening = staticmethod(lambda _path: aclosing(MemoryStorage()))


class SqliteMachine(StorageMachine):
    """The SQLite driver, closed and opened again at any moment."""

    opening = staticmethod(lambda path: open_sqlite(SqliteSection(path=path)))
    persistent = True


def key(name: str) -> InstanceKey:
    return InstanceKey("warehouse", "analytics", name)


def alert(name: str, at: datetime, on: tuple[str, ...]) -> Alert:
    labels = {"source": "warehouse", "project": "analytics"}
    return Alert(name, "InstanceFailed", "critical", key(name), 1, at, at, labels, {}, on, (SPARE,))


_settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestMemory = MemoryMachine.TestCase
TestMemory.settings = _settings
TestSqlite = SqliteMachine.TestCase
TestSqlite.settings = _settings
