"""Which ended instances are forgotten, and when.

Rules of this file: a live track is never forgotten; failures are kept longer than successes; how old and how much are
arguments.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import ceil

from msgspec import Struct

from monitor.core.model import InstanceKey, Phase, Track


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


def forget(tracks: Iterable[Track], at: datetime, policy: Retention, *, size: int = 0) -> tuple[InstanceKey, ...]:
    """The keys to forget at `at`, oldest end first.

    `size` is what the store takes now, in bytes. Above `max_bytes` those go too that have used up the largest part of
    their span, as many as the average track says are needed: a success of six days goes before a failure of six.
    """
    known = 0
    ended: list[tuple[float, datetime, InstanceKey]] = []
    for track in tracks:
        known += 1
        phase = track.phase
        # Compared by identity, and running first: nearly all of a hundred thousand tracks leave here.
        if phase is Phase.RUNNING or phase is Phase.WAITING or phase is Phase.SUSPENDED:
            continue
        since = _ended(track) or at
        span = policy.successes if phase is Phase.SUCCEEDED else policy.failures
        ended.append(((at - since) / span, since, track.key))

    surplus = ceil(known * (size - policy.max_bytes) / size) if size > policy.max_bytes else 0
    ended.sort(key=lambda one: one[0], reverse=True)
    chosen = [one for rank, one in enumerate(ended) if one[0] >= 1 or rank < surplus]
    chosen.sort(key=lambda one: one[1])
    return tuple(key for _, _, key in chosen)


def _ended(track: Track) -> datetime | None:
    # When we learned of the end, not when the service says it was: an instance that was found long after its end has
    # been on the page for no time at all.
    return track.phase_since or track.discovered_at or track.ended_at
