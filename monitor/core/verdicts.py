"""Judgements over a live track: what a person would notice who looked at it all day.

Rules of this file: a verdict needs time to have passed since something was seen; whoever calls sees to it that the
source answers, because nothing can be judged blind.
"""

from collections.abc import Container
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from monitor.core.events import VerdictChanged
from monitor.core.model import Phase, Stage, Track, Verdict

LONG_TAIL = 0.9  # this share of workers has ended and some still run


class Limits(Struct, frozen=True, gc=False):
    """How long is too long. None switches a verdict off."""

    stalled: timedelta | None = timedelta(minutes=30)
    straggling: timedelta | None = timedelta(minutes=10)
    queued: timedelta | None = timedelta(minutes=30)
    late: timedelta | None = None


def judge(
    track: Track, at: datetime, limits: Limits, *, listed_at: datetime | None = None
) -> tuple[Track, tuple[VerdictChanged, ...]]:
    """The track with the verdicts that hold at `at`, and which were raised or taken back. Where its last listing was
    through at `listed_at`, the time since then is nobody's knowledge: the next one may be long under way."""
    holding = _holding(track, at, limits, listed_at or at)
    if holding.keys() == track.verdicts:
        return track, ()
    raised = [
        VerdictChanged(at=at, key=track.key, verdict=verdict, raised=True, evidence=evidence)
        for verdict, evidence in holding.items()
        if verdict not in track.verdicts
    ]
    return replace(track, verdicts=frozenset(holding)), (*raised, *take_back(track, at, but=holding))


def take_back(track: Track, at: datetime, *, but: Container[Verdict] = ()) -> tuple[VerdictChanged, ...]:
    """That all verdicts of this track `but` these are over."""
    return tuple(
        VerdictChanged(at=at, key=track.key, verdict=verdict, raised=False)
        for verdict in sorted(track.verdicts)
        if verdict not in but
    )


def _holding(track: Track, at: datetime, limits: Limits, listed_at: datetime) -> dict[Verdict, str]:
    known = min(at, max(listed_at, track.observed_at or listed_at))
    if track.phase is Phase.WAITING:
        waited = known - track.phase_since if track.phase_since else timedelta(0)
        if limits.queued and waited >= limits.queued:
            return {Verdict.QUEUED_TOO_LONG: f"queued for {_minutes(waited)}"}
        return {}
    if track.phase is not Phase.RUNNING:
        return {}

    holding: dict[Verdict, str] = {}
    still = _still(track, listed_at)
    if limits.stalled and still >= limits.stalled:
        holding[Verdict.STALLED] = f"nothing moved for {_minutes(still)}"
    if limits.straggling and still >= limits.straggling:
        tail = next((stage for task in track.tasks for stage in task.stages if _is_tail(stage)), None)
        if tail:
            left = tail.total - tail.terminated
            holding[Verdict.STRAGGLING] = (
                f"{tail.name} has waited {_minutes(still)} for its last {left} of {tail.total} workers"
            )
    if limits.late and track.began_at:
        ran = known - track.began_at
        if ran >= limits.late:
            holding[Verdict.LATE] = f"running for {_minutes(ran)}"
    return holding


def _still(track: Track, listed_at: datetime) -> timedelta:
    """For how long it was seen not to move. Listings tell the service's own fraction every time; where there is none
    only a look at the stages tells, and between two looks nobody knows."""
    told = track.progress is not None and not track.counted
    until = max(listed_at, track.stages_at or listed_at) if told else track.stages_at
    return until - track.moved_at if until and track.moved_at else timedelta(0)


def _is_tail(stage: Stage) -> bool:
    return stage.running > 0 and stage.total > stage.terminated >= stage.total * LONG_TAIL


def _minutes(span: timedelta) -> str:
    return f"{int(span.total_seconds() // 60)} min"
