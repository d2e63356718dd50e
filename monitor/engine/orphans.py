"""Tracks of projects that are no longer configured: nobody asks about them, so they must not look alive."""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime

import structlog
from msgspec.structs import replace

from monitor.core.model import Phase, Track

log = structlog.get_logger()


def let_go(tracks: Iterable[Track], places: Collection[tuple[str, str]], at: datetime) -> list[Track]:
    """The tracks, of which the live ones outside `places` (source, project) are lost since they were last observed.

    Nobody is alerted: an operator did this, and the log says so. A project that is configured again is swept again,
    and its instances come back; until then they are forgotten like failures.
    """
    kept: list[Track] = []
    orphans: Counter[tuple[str, str]] = Counter()
    for track in tracks:
        place = (track.key.source, track.key.project)
        if place in places or not track.phase.is_live:
            kept.append(track)
            continue
        orphans[place] += 1
        since = track.observed_at or at
        kept.append(replace(track, phase=Phase.LOST, phase_since=since, queue=None, verdicts=frozenset()))
    for (source, project), count in orphans.items():
        log.warning(
            "no_longer_configured",
            source=source,
            project=project,
            instances=count,
            means="they are shown as lost until the project is configured again",
        )
    return kept
