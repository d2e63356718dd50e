"""What to ask next, and when: an agenda of due polls, back-off, and whose stages deserve a request.

Rules of this file: time and chance come in as numbers; nothing here knows what a poll does.
"""

import heapq
from collections.abc import Container, Hashable, Iterable
from datetime import datetime, timedelta
from itertools import count
from typing import Generic, TypeVar

from msgspec import Struct

from monitor.core.model import InstanceKey, Phase, Track

P = TypeVar("P", bound=Hashable)


class _Entry(Generic[P]):
    """One place in the agenda; `poll` becomes None when a sooner or more urgent entry takes over."""

    __slots__ = ("due", "poll", "priority")

    def __init__(self, poll: P, due: float, priority: int) -> None:
        self.poll: P | None = poll
        self.due = due
        self.priority = priority


class Agenda(Generic[P]):
    """Polls by due time; among those that are due, the smaller priority first, then the longer waiting.

    A poll stands in it once. Pushing it again keeps the sooner time and the more urgent priority of both.
    """

    def __init__(self) -> None:
        self._future: list[tuple[float, int, _Entry[P]]] = []
        self._ready: list[tuple[int, int, _Entry[P]]] = []
        self._entries: dict[P, _Entry[P]] = {}
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
            old.poll = None
        entry = _Entry(poll, due, priority)
        self._entries[poll] = entry
        heapq.heappush(self._future, (due, next(self._order), entry))

    def pop(self, at: float) -> tuple[P, int] | None:
        """Take the most urgent poll that is due at `at`, with its priority; None if nothing is."""
        while self._future and self._future[0][0] <= at:
            _, order, entry = heapq.heappop(self._future)
            if entry.poll is not None:
                heapq.heappush(self._ready, (entry.priority, order, entry))
        while self._ready:
            entry = heapq.heappop(self._ready)[2]
            if entry.poll is not None:
                del self._entries[entry.poll]
                return entry.poll, entry.priority
        return None

    def next_due(self) -> float | None:
        """When something is due next: in the past if something waits already, None if the agenda is empty."""
        while self._ready and self._ready[0][2].poll is None:
            heapq.heappop(self._ready)
        if self._ready:
            return self._ready[0][2].due
        while self._future and self._future[0][2].poll is None:
            heapq.heappop(self._future)
        return self._future[0][0] if self._future else None

    def drop(self, priority: int) -> None:
        """Take out all polls of this priority: a newer plan replaces them."""
        for poll, entry in tuple(self._entries.items()):
            if entry.priority == priority:
                entry.poll = None
                del self._entries[poll]


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


def attend(
    tracks: Iterable[Track], *, at: datetime, coarse: timedelta, limit: int, skip: Container[InstanceKey]
) -> list[InstanceKey]:
    """Whose stages to read next, at most `limit`: first those never looked at, then those that moved since the last
    look (longest ago first), then those not looked at for `coarse`. Waiting instances have no stages to read, but one
    look says whether they really wait."""
    ranked: list[tuple[int, float, InstanceKey]] = []
    for track in tracks:
        if track.key in skip or not track.phase.is_live:
            continue
        looked = track.stages_at
        if looked is None:
            ranked.append((0, _age(track.discovered_at, at), track.key))
        elif track.phase is Phase.RUNNING and track.moved_at is not None and track.moved_at > looked:
            ranked.append((1, -(at - looked).total_seconds(), track.key))
        elif at - looked >= coarse:
            ranked.append((2, -(at - looked).total_seconds(), track.key))
    return [key for _, _, key in heapq.nsmallest(limit, ranked, key=lambda rank: rank[:2])]


def _age(since: datetime | None, at: datetime) -> float:
    return -(at - since).total_seconds() if since else 0.0


def vanished(live: Iterable[str], listed: Container[str]) -> list[str]:
    """The ids that are tracked as live and were not in a complete listing: each must be asked what became of it."""
    return [instance for instance in live if instance not in listed]
