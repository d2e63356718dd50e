"""The memory driver: the same promises as any other, for as long as the process lives. No threads, so that it runs on
a mock clock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice, takewhile

from anyio.lowlevel import checkpoint
from msgspec import MsgspecError
from msgspec.structs import replace

from monitor.core.alerting import Alert
from monitor.core.codec import encode
from monitor.core.events import InstanceEvent
from monitor.core.model import InstanceKey, Track
from monitor.storage.base import (
    Acknowledgement,
    AlertQuery,
    AlertRecord,
    Batch,
    Checkpoints,
    Delivery,
    DeliveryState,
    FallenBack,
    Following,
    OutboxDepth,
    Outcome,
    Record,
    StorageError,
)
from monitor.storage.outbox import falls_back, settle
from monitor.storage.tail import Tail


@dataclass(slots=True)
class _Kept:
    """One track with its history, and what each would take on a disk."""

    track: Track
    track_size: int = 0
    records: list[Record] = field(default_factory=list)
    records_size: int = 0


@dataclass(slots=True)
class _Shelf:
    """One alert with its outbox rows, in the order of its channels."""

    alert: Alert
    size: int
    deliveries: list[int] = field(default_factory=list)
    acknowledged: Acknowledgement | None = None


class MemoryStorage:
    """Everything in dictionaries. Bounded by what retention forgets, as the file of another driver is."""

    def __init__(self) -> None:
        self._tail = Tail()
        self._tracks: dict[InstanceKey, _Kept] = {}
        self._alerts: dict[str, _Shelf] = {}  # in the order of firing
        self._outbox: dict[int, Delivery] = {}  # every delivery, in the order of its alert
        self._waiting: dict[int, None] = {}  # the ids of those that are pending, in the same order
        self._repeating: set[int] = set()
        self._leases: dict[int, datetime] = {}
        self._checkpoints: dict[tuple[str, str], datetime] = {}
        self._last_seq = 0
        self._deliveries = 0
        self._closed = False

    async def load(self) -> Sequence[Track]:
        """Every track that is kept."""
        await self._turn()
        return [kept.track for kept in self._tracks.values()]

    async def checkpoints(self) -> Checkpoints:
        """The newest checkpoint of every project."""
        await self._turn()
        return dict(self._checkpoints)

    async def last_seq(self) -> int:
        """The highest sequence number that was stored."""
        await self._turn()
        return self._last_seq

    async def commit(self, batch: Batch) -> None:
        """Keep it, then publish it."""
        await self._turn()
        await self._tail.room()
        if self._tail.is_sealed:
            raise StorageError("the memory storage is sealed: nothing is kept while the daemon stops")
        if batch.writes:
            self._keep(batch)
        self._tail.publish(batch)

    def follow(self) -> Following:
        """Every batch committed after this call."""
        return self._tail.follow()

    def seal(self) -> None:
        """No more commits."""
        self._tail.seal()

    async def history(self, key: InstanceKey, limit: int = 200) -> Sequence[Record]:
        """The newest lasting events of one instance, oldest first."""
        await self._turn()
        kept = self._tracks.get(key)
        return kept.records[-limit:] if kept and limit > 0 else []

    async def claim(self, channel: str, limit: int, at: datetime, lease: timedelta, who: str) -> Sequence[Delivery]:  # noqa: ARG002 - a name is of use only to whoever reads a shared store
        """Deliveries of a channel that are due and free: pending ones first."""
        await self._turn()
        again = sorted(self._repeats(channel), key=lambda one: (one.due_at or one.alert.at, one.id))
        in_line = chain(self._pending(channel), again)
        due = (delivery for delivery in in_line if self._wants_try_at(delivery) <= at)
        claimed = [replace(delivery, claims=delivery.claims + 1) for delivery in islice(due, max(limit, 0))]
        for delivery in claimed:
            self._outbox[delivery.id] = delivery
            self._leases[delivery.id] = at + lease
        return claimed

    async def settle(self, delivery: Delivery, outcome: Outcome) -> Sequence[str]:
        """Record an attempt and end the lease."""
        await self._turn()
        row = self._outbox.get(delivery.id)
        if row is None:
            return []
        settled = settle(row, delivery.claims, outcome)
        self._outbox[row.id] = settled.row
        if settled.ends_lease:
            self._leases.pop(row.id, None)
        if settled.row.state is not DeliveryState.PENDING:
            self._waiting.pop(row.id, None)
        if settled.row.state is DeliveryState.REPEATING:
            self._repeating.add(row.id)
        else:
            self._repeating.discard(row.id)
        shelf, due_at = self._alerts[row.alert.id], outcome.fallback_at or outcome.attempt.at
        return [channel for channel in settled.fallback if self._put(shelf, channel, due_at)]

    async def fall_back(self, channel: str, fired_until: datetime, at: datetime, after: int, limit: int) -> FallenBack:
        """Put what has waited for too long into the outbox of the channels that it falls back to."""
        await self._turn()
        rows = islice((row for row in self._pending(channel) if row.id > after), limit)
        late = list(takewhile(lambda row: row.alert.at <= fired_until, rows))
        alerts, channels = 0, dict[str, None]()
        for row in late:
            shelf = self._alerts[row.alert.id]
            new = [to for to in falls_back(row.alert, channel) if self._put(shelf, to, at)]
            alerts += bool(new)
            channels.update(dict.fromkeys(new))
        return FallenBack(late[-1].id if late else after, len(late) == limit, alerts, tuple(channels))

    async def depths(self) -> Sequence[OutboxDepth]:
        """What waits, per channel."""
        await self._turn()
        waiting: dict[str, list[datetime]] = {}
        for delivery in self._pending():
            waiting.setdefault(delivery.channel, []).append(delivery.alert.at)
        return [OutboxDepth(channel, len(times), min(times)) for channel, times in sorted(waiting.items())]

    async def next_due(self, channel: str) -> datetime | None:
        """When the next delivery of a channel wants a try, or to be told again."""
        await self._turn()
        in_line = chain(self._pending(channel), self._repeats(channel))
        return min(map(self._wants_try_at, in_line), default=None)

    async def alerts(self, query: AlertQuery) -> Sequence[AlertRecord]:
        """Alerts with their deliveries, newest first."""
        await self._turn()
        found: list[AlertRecord] = []
        newest_first = iter(reversed(self._alerts.values()))
        if query.before is not None:
            for shelf in newest_first:
                if shelf.alert.id == query.before:
                    break
        for shelf in newest_first:
            if len(found) >= query.limit:
                break
            record = self._record(shelf)
            if _matches(record, query):
                found.append(record)
        return found

    async def acknowledge(self, alert: str, by: str, at: datetime) -> AlertRecord | None:
        """Note who took charge of it; the first one stays."""
        await self._turn()
        shelf = self._alerts.get(alert)
        if shelf is None:
            return None
        shelf.acknowledged = shelf.acknowledged or Acknowledgement(by, at)
        return self._record(shelf)

    async def size(self) -> int:
        """What everything would take on a disk, about."""
        await self._turn()
        tracks = sum(kept.track_size + kept.records_size for kept in self._tracks.values())
        return tracks + sum(shelf.size for shelf in self._alerts.values())

    async def compact(self, before: datetime) -> None:
        """Forget old alerts."""
        await self._turn()
        for shelf in list(self._alerts.values()):
            pending = any(number in self._waiting for number in shelf.deliveries)
            if shelf.alert.at < before and not pending and shelf.alert.key not in self._tracks:
                del self._alerts[shelf.alert.id]
                for number in shelf.deliveries:
                    del self._outbox[number]
                    self._repeating.discard(number)

    async def aclose(self) -> None:
        """Nothing is under way; later calls fail as on a closed file."""
        self._closed = True
        self._tail.seal()

    async def _turn(self) -> None:
        await checkpoint()
        if self._closed:
            raise StorageError("the memory storage is closed: open another one")

    def _keep(self, batch: Batch) -> None:
        # All that can fail comes first, so that nothing is half kept.
        lasting = batch.lasting
        if lasting and lasting[0].seq <= self._last_seq:
            raise StorageError(f"event {lasting[0].seq} is already stored: the ledger must go on from last_seq")
        try:
            events = [len(encode(record.event)) for record in lasting]
            tracks = [len(encode(track)) for track in batch.save]
            alerts = [len(encode(alert)) for alert in batch.alerts]
        except (ValueError, MsgspecError) as error:
            raise StorageError(f"a record cannot be written down: {error}") from error

        for track, size in zip(batch.save, tracks, strict=True):
            kept = self._tracks.setdefault(track.key, _Kept(track))
            kept.track, kept.track_size = track, size
        for record, size in zip(lasting, events, strict=True):
            self._last_seq = record.seq
            event = record.event
            if isinstance(event, InstanceEvent) and (mine := self._tracks.get(event.key)):
                mine.records.append(replace(record, track=None))
                mine.records_size += size
        for alert, size in zip(batch.alerts, alerts, strict=True):
            self._shelve(alert, size)
        for project, upto in batch.checkpoints.items():
            self._checkpoints[project] = max(upto, self._checkpoints.get(project, upto))
        for key in batch.remove:
            self._tracks.pop(key, None)

    def _shelve(self, alert: Alert, size: int) -> None:
        if alert.id in self._alerts:
            return
        shelf = self._alerts[alert.id] = _Shelf(alert, size)
        for channel in dict.fromkeys(alert.channels):
            self._put(shelf, channel, alert.at)

    def _put(self, shelf: _Shelf, channel: str, due_at: datetime) -> bool:
        if any(self._outbox[number].channel == channel for number in shelf.deliveries):
            return False
        self._deliveries += 1
        self._outbox[self._deliveries] = Delivery(self._deliveries, shelf.alert, channel, due_at=due_at)
        self._waiting[self._deliveries] = None
        shelf.deliveries.append(self._deliveries)
        return True

    def _repeats(self, channel: str) -> Iterator[Delivery]:
        repeating = (self._outbox[number] for number in self._repeating)
        return (delivery for delivery in repeating if delivery.channel == channel)

    def _pending(self, channel: str | None = None) -> Iterator[Delivery]:
        waiting = (self._outbox[number] for number in self._waiting)
        return (delivery for delivery in waiting if channel in (None, delivery.channel))

    def _wants_try_at(self, delivery: Delivery) -> datetime:
        due = delivery.due_at or delivery.alert.at
        return max(due, self._leases.get(delivery.id, due))

    def _record(self, shelf: _Shelf) -> AlertRecord:
        return AlertRecord(shelf.alert, tuple(self._outbox[number] for number in shelf.deliveries), shelf.acknowledged)


def _matches(record: AlertRecord, query: AlertQuery) -> bool:
    alert = record.alert
    return (
        query.rule in (None, alert.rule)
        and query.severity in (None, alert.severity)
        and query.source in (None, alert.labels["source"])
        and query.project in (None, alert.labels["project"])
        and query.key in (None, alert.key)
        and (query.state is None or any(delivery.state is query.state for delivery in record.deliveries))
    )
