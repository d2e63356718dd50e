"""What to ask next, and when: an agenda of due polls, back-off, and whose stages deserve a request.

Rules of this file: time and chance come in as numbers; nothing here knows what a poll does.
"""

import heapq
from collections.abc import Container, Hashable, Iterable
from datetime import datetime, timedelta
from itertools import count
from operator import itemgetter
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from monitor.core.model import LIVE, InstanceKey, Phase, Track

P = TypeVar("P", bound=Hashable)


class _Entry(NamedTuple, Generic[P]):
    """One place in the agenda, in the order of its fields; `order` tells apart what is due at the same time."""

    due: float
    order: int
    priority: int
    poll: P


class Agenda(Generic[P]):
    """Polls by due time; among those that are due, the smaller priority first, then the longer waiting.

    A poll stands in it once. Pushing it again keeps the sooner time and the more urgent priority of both: the entry
    that it had is left in its heap, and means nothing any more.
    """

    def __init__(self) -> None:
        self._entries: dict[P, _Entry[P]] = {}
        self._future: list[_Entry[P]] = []
        self._ready: list[tuple[int, _Entry[P]]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, poll: P) -> bool:
        return poll in self._entries

    def push(self, poll: P, *, due: float, priority: int) -> None:
        """Ask for `poll` at `due` (in the clock's own seconds)."""
        old = self._entries.get(poll)
        if old is not None:
            if old.due <= due and old.priority <= priority:
                return
            due, priority = min(old.due, due), min(old.priority, priority)
        entry = self._entries[poll] = _Entry(due, next(self._order), priority, poll)
        heapq.heappush(self._future, entry)

    def pop(self, at: float) -> tuple[P, int] | None:
        """Take the most urgent poll that is due at `at`, with its priority; None if nothing is."""
        while self._future and self._future[0].due <= at:
            entry = heapq.heappop(self._future)
            if self._holds(entry):
                heapq.heappush(self._ready, (entry.priority, entry))
        while self._ready:
            _, entry = heapq.heappop(self._ready)
            if self._holds(entry):
                del self._entries[entry.poll]
                return entry.poll, entry.priority
        return None

    def next_due(self) -> float | None:
        """When something is due next: in the past if something waits already, None if the agenda is empty."""
        while self._ready and not self._holds(self._ready[0][1]):
            heapq.heappop(self._ready)
        if self._ready:
            return self._ready[0][1].due
        while self._future and not self._holds(self._future[0]):
            heapq.heappop(self._future)
        return self._future[0].due if self._future else None

    def drop(self, priority: int) -> None:
        """Take out all polls of this priority: a newer plan replaces them."""
        self._entries = {poll: entry for poll, entry in self._entries.items() if entry.priority != priority}
        # The heaps are made anew: while more urgent polls keep coming, nobody would pop what is left of older plans.
        self._future = list(self._entries.values())
        heapq.heapify(self._future)
        self._ready = []

    def _holds(self, entry: _Entry[P]) -> bool:
        return self._entries.get(entry.poll) is entry


def backoff(failures: int, *, first: float, longest: float, chance: float) -> float:
    """Seconds to wait after so many failures in a row: doubling from `first` to `longest`, of which `chance` (0..1)
    chooses between one half and the whole, so that neighbours do not come back together."""
    whole = min(longest, first * 2.0 ** min(max(0, failures - 1), 30))
    return whole * (0.5 + 0.5 * chance)


class Pace(Struct, frozen=True, gc=False):
    """How often one source is asked."""

    sweep_every: timedelta = timedelta(seconds=10)
    reconcile_every: timedelta = timedelta(seconds=30)
    watch_every: timedelta = timedelta(seconds=2)
    coarse: timedelta = timedelta(minutes=5)  # stages of what nobody watches and nothing moved in
    look_back: timedelta = timedelta(minutes=10)  # before the first start: what ended earlier is history
    overlap: timedelta = timedelta(minutes=5)  # a service may list late what ended before the checkpoint
    requests_per_second: float = 20.0
    concurrency: int = 8

    def attention_per_sweep(self) -> int:
        """How many instances may have their stages read between two sweeps: half of the requests, at two each."""
        return max(1, int(self.requests_per_second * self.sweep_every.total_seconds() * 0.5 / 2))


def attend(tracks: Iterable[Track], *, at: datetime, coarse: timedelta, limit: int) -> list[InstanceKey]:
    """Whose stages to read next, at most `limit`: first those never looked at, then those that moved since the last
    look (longest ago first), then those not looked at for `coarse`. Waiting instances have no stages to read, but one
    look says whether they really wait."""
    never: list[tuple[datetime, InstanceKey]] = []
    moved: list[tuple[datetime, InstanceKey]] = []
    old: list[tuple[datetime, InstanceKey]] = []
    too_old = at - coarse
    for track in tracks:
        looked = track.stages_at
        if track.phase not in LIVE:
            continue
        if looked is None:
            never.append((track.discovered_at or at, track.key))
        elif track.phase is Phase.RUNNING and track.moved_at is not None and track.moved_at > looked:
            moved.append((looked, track.key))
        elif looked <= too_old:
            old.append((looked, track.key))
    chosen: list[InstanceKey] = []
    for rank in (never, moved, old):
        if len(chosen) < limit:
            chosen += [key for _, key in heapq.nsmallest(limit - len(chosen), rank, key=itemgetter(0))]
    return chosen


def vanished(live: Iterable[str], listed: Container[str]) -> list[str]:
    """The ids that are tracked as live and were not in a complete listing: each must be asked what became of it."""
    return [instance for instance in live if instance not in listed]
