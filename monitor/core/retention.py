"""Which ended instances are forgotten, and when.

Rules of this file: a live track is never forgotten; failures are kept longer than successes; how old and how much are
arguments. A hundred thousand tracks are looked at a slice at a time, and never sorted as a whole.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from heapq import merge
from math import ceil

from msgspec import Struct

from monitor.core.model import InstanceKey, Phase, Track

Spent = tuple[float, InstanceKey]  # which part of its span an ended track has used up: from 1 on it is over


class Retention(Struct, frozen=True, gc=False):
    """How long ended instances are kept, and how many bytes all of them may take. All that ended without success
    (failed, cancelled, lost) is kept as a failure."""

    successes: timedelta = timedelta(days=7)
    failures: timedelta = timedelta(days=30)
    max_bytes: int = 2 * 1024**3

    @property
    def alerts(self) -> timedelta:
        """How long an alert is kept: as long as any instance it may speak about."""
        return max(self.successes, self.failures)

    def surplus(self, known: int, size: int) -> int:
        """How many of the `known` tracks must go, as the average track says, where the store takes `size` bytes."""
        return ceil(known * (size - self.max_bytes) / size) if size > self.max_bytes else 0


def spent(tracks: Iterable[Track], at: datetime, policy: Retention, *, surplus: int = 0) -> list[Spent]:
    """Those of one slice of all tracks that may have to go at `at`, what has used up the largest part of its span
    first. Without a surplus, only what is over is among them."""
    least = 0.0 if surplus else 1.0
    found: list[Spent] = []
    for track in tracks:
        phase = track.phase
        # Compared by identity, and running first: nearly all of a hundred thousand tracks leave here.
        if phase is Phase.RUNNING or phase is Phase.WAITING or phase is Phase.SUSPENDED:
            continue
        span = policy.successes if phase is Phase.SUCCEEDED else policy.failures
        used = max(0.0, (at - (_ended(track) or at)) / span)
        if used >= least:
            found.append((used, track.key))
    found.sort(key=_used, reverse=True)
    return found


def forget(slices: Iterable[Sequence[Spent]], surplus: int = 0) -> Iterator[InstanceKey]:
    """The keys to forget, of what `spent` found in each slice: all that is over, and so many more that there is no
    surplus. A success of six days goes before a failure of six."""
    for rank, (used, key) in enumerate(merge(*slices, key=_used, reverse=True)):
        if used < 1 and rank >= surplus:
            return
        yield key


def _used(one: Spent) -> float:
    return one[0]


def _ended(track: Track) -> datetime | None:
    # When we learned of the end, not when the service says it was: an instance that was found long after its end has
    # been on the page for no time at all.
    return track.phase_since or track.discovered_at or track.ended_at
