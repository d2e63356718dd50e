"""Which run an answer tells of, where a service runs an instance again under its id and does not count.

Rules of this file: only times that the service gave tell two runs apart; an answer that arrives again never makes one
more attempt. Times are corrected by what a source knows of its service's clock, and may be corrected anew: whether two
answers tell of the same end is told by how the service writes it.
"""

from datetime import timedelta

from msgspec.structs import replace

from monitor.core.events import Seen
from monitor.core.model import LIVE, TERMINAL, Phase, Track


def numbered(track: Track, got: Seen, lingers: timedelta) -> Seen:
    """`got` with the number of the attempt that it tells of, and without a start that belongs to the one before.

    For `lingers` after an end, a listing may still show the run that is over.
    """
    if _is_of_an_earlier_run(track, got):
        return replace(got, attempt=track.attempt - 1)
    attempt, before, at = track.attempt, track.ended_before, got.at
    if _begins_anew(track, got, lingers):
        attempt, before = attempt + 1, track.ended_at
        at = max(at, track.observed_at or at)  # an end that is told late makes nothing older news
    started = got.started_at
    if started is not None and before is not None and started < before:
        started = None
    if attempt == got.attempt and started is got.started_at:
        return got
    return replace(got, attempt=attempt, at=at, started_at=started)


def has_ended_again(track: Track, got: Seen) -> bool:
    """Whether `got` tells of a later end than the one that `track` knows: between the two it was started again, and
    nobody saw it. False of a service that counts attempts itself."""
    if not got.restarts or track.phase not in TERMINAL or got.phase not in TERMINAL:
        return False
    if track.ended_at is None or got.ended_at is None or (got.end_text and got.end_text == track.end_text):
        return False
    if got.end_text and not track.end_text and got.phase is track.phase:  # the end that was noted when it was seen
        return track.started_at is not None and got.started_at is not None and got.started_at > track.started_at
    return got.ended_at > track.ended_at


def _begins_anew(track: Track, got: Seen, lingers: timedelta) -> bool:
    if track.phase not in TERMINAL or got.phase not in LIVE:
        return has_ended_again(track, got)
    if track.observed_at is not None and got.at < track.observed_at:
        return False
    if got.phase is Phase.WAITING or track.phase_since is None or got.at - track.phase_since >= lingers:
        return True
    return got.started_at is not None and (track.started_at is None or got.started_at > track.started_at)


def _is_of_an_earlier_run(track: Track, got: Seen) -> bool:
    """The last word about the run before is known; whoever repeats it has not noticed that it runs again."""
    if track.ended_before is None or got.ended_at is None or got.phase not in TERMINAL:
        return False
    if track.phase not in TERMINAL and track.end_text and got.end_text:
        return got.end_text == track.end_text
    return got.ended_at <= track.ended_before
