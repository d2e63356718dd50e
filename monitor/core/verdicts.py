"""Judgements over a live track: what a person would notice who looked at it all day.

Rules of this file: a verdict needs time to have passed since something was seen; whoever calls sees to it that the
source answers, because nothing can be judged blind.
"""

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


def judge(track: Track, at: datetime, limits: Limits) -> tuple[Track, tuple[VerdictChanged, ...]]:
    """The track with the verdicts that hold at `at`, and which were raised or taken back. Live tracks only."""
    holding = _holding(track, at, limits) if track.phase.is_live else {}
    if holding.keys() == track.verdicts:
        return track, ()
    raised = [
        VerdictChanged(at=at, key=track.key, verdict=verdict, raised=True, evidence=evidence)
        for verdict, evidence in holding.items()
        if verdict not in track.verdicts
    ]
    taken_back = [
        VerdictChanged(at=at, key=track.key, verdict=verdict, raised=False)
        for verdict in sorted(track.verdicts - holding.keys())
    ]
    return replace(track, verdicts=frozenset(holding)), (*raised, *taken_back)


def _holding(track: Track, at: datetime, limits: Limits) -> dict[Verdict, str]:
    holding: dict[Verdict, str] = {}
    running = track.phase is Phase.RUNNING
    still = at - track.moved_at if track.moved_at else timedelta(0)
    if limits.queued and track.phase is Phase.WAITING and track.phase_since:
        waited = at - track.phase_since
        if waited >= limits.queued:
            holding[Verdict.QUEUED_TOO_LONG] = f"queued for {_minutes(waited)}"
    if limits.stalled and running and still >= limits.stalled:
        holding[Verdict.STALLED] = f"nothing moved for {_minutes(still)}"
    if limits.straggling and running and still >= limits.straggling:
        tail = next((stage for task in track.tasks for stage in task.stages if _is_tail(stage)), None)
        if tail:
            left = tail.total - tail.terminated
            holding[Verdict.STRAGGLING] = (
                f"{tail.name} has waited {_minutes(still)} for its last {left} of {tail.total} workers"
            )
    if limits.late and running and track.began_at:
        ran = at - track.began_at
        if ran >= limits.late:
            holding[Verdict.LATE] = f"running for {_minutes(ran)}"
    return holding


def _is_tail(stage: Stage) -> bool:
    return stage.running > 0 and stage.total > stage.terminated >= stage.total * LONG_TAIL


def _minutes(span: timedelta) -> str:
    return f"{int(span.total_seconds() // 60)} min"
