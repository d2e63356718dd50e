"""What a storage promises.

1. `commit` is all or nothing: tracks, events, alerts with their outbox rows, and checkpoints go down together.
2. Nothing is published before it is kept: `follow` yields a batch only after its commit returned.
3. An alert id is kept once. Committing it again changes nothing and makes no new outbox row.
4. A delivery is claimed by one worker at a time, under a lease; a lease that ran out may be claimed again.
5. Per channel, deliveries are claimed in the order in which they came into the outbox; what was delivered and is to be
   told again comes after all that nobody was told yet.
6. Forgetting a track forgets its events. Alerts stay until they are old, delivered, and their track is gone.
7. A failure to deliver and the rows that it adds to the outbox of other channels are one settlement. A channel has at
   most one delivery of an alert, however often it falls back there.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from monitor.core.alerting import Alert
from monitor.core.events import AnyEvent, Swept
from monitor.core.health import Health
from monitor.core.model import InstanceKey, Track

Checkpoints = Mapping[tuple[str, str], datetime]  # (source, project) -> everything that ended before is known


class StorageError(Exception):
    """What was observed cannot be kept. The message names the file and the fix; the process must not go on."""


class Record(Struct, frozen=True, gc=False):
    """One event with its place in the order, and the track as it stood when the batch was committed (None for events
    about no instance, for removals, and for records read back from history)."""

    seq: int
    event: AnyEvent
    track: Track | None


class Batch(Struct, frozen=True, gc=False):
    """One commit.

    records   all events, in order; only lasting ones are stored, with their track: of an event about no instance, or
              about one that is not kept, only the sequence number is
    save      tracks to store: those with lasting events, and now and then those whose progress moved
    alerts    what the rules fired, with the channels that get an outbox row each
    remove    tracks that retention forgets, whatever else the batch says of them
    tracks    every track that changed, for the board; not stored unless in `save`
    swept     listings that were complete, for the board; not stored
    health    how projects stand that were asked, for the board; not stored
    """

    records: tuple[Record, ...] = ()
    save: tuple[Track, ...] = ()
    alerts: tuple[Alert, ...] = ()
    checkpoints: dict[tuple[str, str], datetime] = {}
    remove: tuple[InstanceKey, ...] = ()
    tracks: tuple[Track, ...] = ()
    swept: tuple[Swept, ...] = ()
    health: dict[tuple[str, str], Health] = {}

    @property
    def lasting(self) -> tuple[Record, ...]:
        """The records whose events are stored, in order."""
        return tuple(record for record in self.records if record.event.lasting)

    @property
    def writes(self) -> bool:
        """Whether anything of it goes to disk."""
        return bool(self.save or self.alerts or self.checkpoints or self.remove or self.lasting)


MAX_ATTEMPTS = 20


class DeliveryState(StrEnum):
    """Where an outbox row stands."""

    PENDING = "pending"
    REPEATING = "repeating"  # delivered, and told again when due: failing at that is no failure to deliver
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Attempt(Struct, frozen=True, gc=False):
    """One try at one delivery: `reason` is empty when it was taken. `seconds` is how long the receiver took."""

    at: datetime
    seconds: float
    reason: str = ""
    status: int | None = None
    detail: str = ""


class Delivery(Struct, frozen=True, gc=False):
    """One alert on its way to one channel.

    attempts  the newest tries and always the first that was taken, at most `MAX_ATTEMPTS`, oldest first
    due_at    when it wants its next try, or wants to be told again; None when the state is final
    claims    how often it was claimed: the number of tries, and what tells a settlement that came too late
    """

    id: int
    alert: Alert
    channel: str
    state: DeliveryState = DeliveryState.PENDING
    attempts: tuple[Attempt, ...] = ()
    due_at: datetime | None = None
    claims: int = 0

    @property
    def delivered_at(self) -> datetime | None:
        """When it was taken first."""
        return next((attempt.at for attempt in self.attempts if not attempt.reason), None)


class Outcome(Struct, frozen=True, gc=False):
    """What became of a claimed delivery.

    due_at       when to try it or tell it again; None for a final state
    fallback     channels that are to get the alert, too, because this one does not take it
    fallback_at  when they are to get it; None is the time of the attempt
    """

    attempt: Attempt
    state: DeliveryState
    due_at: datetime | None = None
    fallback: tuple[str, ...] = ()
    fallback_at: datetime | None = None


class FallenBack(Struct, frozen=True, gc=False):
    """How far a line of pending deliveries was looked through, and what became of it.

    upto      the id of the last delivery that was looked at; where to go on
    more      whether there may be more behind it that is late by now
    alerts    how many went into the outbox of another channel
    channels  which channels those are
    """

    upto: int
    more: bool
    alerts: int
    channels: tuple[str, ...]


class Acknowledgement(Struct, frozen=True, gc=False):
    """Who took charge of an alert, and when."""

    by: str
    at: datetime


class AlertRecord(Struct, frozen=True, gc=False):
    """An alert with everything that was tried to deliver it."""

    alert: Alert
    deliveries: tuple[Delivery, ...]
    acknowledged: Acknowledgement | None = None


class AlertQuery(Struct, frozen=True, gc=False):
    """Newest first. `before` is the id of the last alert of the previous page."""

    rule: str | None = None
    severity: str | None = None
    source: str | None = None
    project: str | None = None
    key: InstanceKey | None = None
    state: DeliveryState | None = None
    limit: int = 100
    before: str | None = None


class OutboxDepth(Struct, frozen=True, gc=False):
    """What waits for one channel."""

    channel: str
    pending: int
    oldest: datetime | None


class Following(Protocol):
    """The batches of `follow`. Reading to the end, or an error or cancellation while reading, closes it."""

    def __aiter__(self) -> AsyncIterator[Batch]: ...

    async def __anext__(self) -> Batch: ...

    async def aclose(self) -> None:
        """Stop following early, so that no commit waits for this reader."""
        ...


class Storage(Protocol):
    """One store. Every method raises StorageError and nothing else. Times that matter come in as arguments."""

    async def load(self) -> Sequence[Track]:
        """Every track that is kept."""
        ...

    async def checkpoints(self) -> Checkpoints:
        """The newest checkpoint of every project."""
        ...

    async def last_seq(self) -> int:
        """The highest sequence number that was stored; 0 for a new store. A commit must go beyond it."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Keep it, then publish it to followers. A batch that writes nothing is only published."""
        ...

    def follow(self) -> Following:
        """Every batch committed after this call, in order, without gaps; ends after `seal`. A follower that lags behind
        by more than a bound makes `commit` wait for it, before anything is written."""
        ...

    def seal(self) -> None:
        """No more commits: followers end after the last batch."""
        ...

    async def history(self, key: InstanceKey, limit: int = 200) -> Sequence[Record]:
        """The newest lasting events of one instance, oldest first, with `track` None."""
        ...

    async def claim(self, channel: str, limit: int, at: datetime, lease: timedelta, who: str) -> Sequence[Delivery]:
        """Deliveries of a channel that are due at `at` and not under somebody's lease: pending ones, oldest first, then
        those to be told again, the longest due first."""
        ...

    async def settle(self, delivery: Delivery, outcome: Outcome) -> Sequence[str]:
        """Record an attempt and end the lease. What was delivered stays delivered, and when the lease ran out and
        somebody else has claimed it since, only a better outcome counts: their lease goes on. Returns the channels of
        `outcome.fallback` that got the alert by this; an alert that was delivered does not fall back."""
        ...

    async def fall_back(self, channel: str, fired_until: datetime, at: datetime, after: int, limit: int) -> FallenBack:
        """Look at the next `limit` pending deliveries of a channel in the order of the outbox, from behind the id
        `after` to the first one that fired later than `fired_until`: each whose alert names the channel is put into the
        outbox of its fallback channels, due at `at`. The deliveries themselves stay as they are."""
        ...

    async def depths(self) -> Sequence[OutboxDepth]:
        """What waits, per channel that has anything waiting."""
        ...

    async def next_due(self, channel: str) -> datetime | None:
        """When the next delivery of a channel wants a try, or to be told again (a lease counts until it runs out)."""
        ...

    async def alerts(self, query: AlertQuery) -> Sequence[AlertRecord]:
        """Alerts with their deliveries, newest first; none after a `before` that is no longer kept."""
        ...

    async def acknowledge(self, alert: str, by: str, at: datetime) -> AlertRecord | None:
        """Note who took charge of it; the first one stays. None if there is no such alert."""
        ...

    async def size(self) -> int:
        """Bytes in use, freed space not counted: what `Retention.max_bytes` is compared with."""
        ...

    async def compact(self, before: datetime) -> None:
        """Forget old alerts, and give freed space back. An alert goes if it fired before this time, none of its
        deliveries is pending, and its instance is no longer tracked (until then its id keeps it from firing twice).
        Long work is done in slices, with a turn for commits at least every 50 ms."""
        ...

    async def aclose(self) -> None:
        """Finish what is under way and close."""
        ...
