"""What one observation does to one track: `step` is the whole state machine.

Rules of this file: every change of phase goes through TRANSITIONS, from which the picture in the README is drawn; what
is not in the table is a contradiction of the service, kept as an event and never as a state; a step that teaches
nothing new returns the very same track and no events.
"""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from monitor.core.attempts import numbered
from monitor.core.events import (
    AnyEvent,
    Contradicted,
    Discovered,
    Gone,
    Lost,
    Missed,
    Observation,
    PartiallyFailed,
    PhaseChanged,
    ProgressMoved,
    Seen,
    Silent,
    StageFinished,
    Tick,
)
from monitor.core.model import LIVE, TERMINAL, Failure, Phase, Task, Track
from monitor.core.progress import ratio
from monitor.core.tasks import finished_stages, merge_tasks
from monitor.core.verdicts import Limits, judge, take_back

# Every live phase may follow every other: services requeue, suspend and resume. A terminal phase is the last word of
# its attempt. A lost instance may come back as anything.
TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    Phase.WAITING: frozenset({Phase.RUNNING, Phase.SUSPENDED, Phase.LOST}) | TERMINAL,
    Phase.RUNNING: frozenset({Phase.WAITING, Phase.SUSPENDED, Phase.LOST}) | TERMINAL,
    Phase.SUSPENDED: frozenset({Phase.WAITING, Phase.RUNNING, Phase.LOST}) | TERMINAL,
    Phase.SUCCEEDED: frozenset(),
    Phase.FAILED: frozenset(),
    Phase.CANCELLED: frozenset(),
    Phase.LOST: LIVE | TERMINAL,
}

# Looking a member up in its enumeration costs as much as a call; these are asked for with every observation.
_RUNNING, _SUCCEEDED, _FAILED = Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED


class Policy(Struct, frozen=True, gc=False):
    """`lost_after` times "no such instance" in a row, over at least `lost_within`, make an instance lost. For
    `lingers` after the end, a listing may still show it as live."""

    lost_after: int = 3
    lost_within: timedelta = timedelta(seconds=30)
    lingers: timedelta = timedelta(minutes=1)
    limits: Limits = Limits()


Step = tuple[Track | None, tuple[AnyEvent, ...]]


def step(track: Track | None, got: Observation, policy: Policy) -> Step:
    """The new track, and what changed. `track` is None for an instance never seen before."""
    match got:
        case Seen():
            if track is None:
                return _discover(got)
            return _adopt(track, got, policy) if got.parent and not track.parent else _see(track, got, policy)
        case Missed():
            return track, ()
        case Gone():
            return (None, ()) if track is None else _miss_it(track, got, policy)
        case Silent():
            return (None, ()) if track is None else _give_up(track, got)
        case Tick():
            return (None, ()) if track is None else _judge(track, got, policy)


def _discover(got: Seen) -> Step:
    track = _first(got)
    return track, (
        Discovered(at=got.at, key=got.key),
        PhaseChanged(at=got.at, key=got.key, before=None, after=track.phase, attempt=got.attempt),
        *_partial_failure(None, track, got.at),
    )


def _first(got: Seen) -> Track:
    """All that the first observation of an attempt tells."""
    # A service that does not say whether it runs has at least accepted it.
    phase = got.phase or Phase.WAITING
    blank = Track(
        key=got.key,
        kind=got.kind,
        phase=phase,
        attempt=got.attempt,
        discovered_at=got.at,
        phase_since=got.at,
        moved_at=got.at,
        parent=got.parent,
        step=got.step,
    )
    return _learn(blank, got, phase)


def _see(track: Track, got: Seen, policy: Policy) -> Step:
    if got.restarts:
        got = numbered(track, got, policy.lingers)
    if got.attempt != track.attempt:
        return _restart(track, got) if got.attempt > track.attempt else (track, ())
    if _is_stale(track, got.at):
        news = _news(track, got)
        if news is None:
            return track, ()
        got = news
    before, after = track.phase, got.phase
    if after is None:
        if before in TERMINAL:
            return track, ()
        after = Phase.WAITING if before is Phase.LOST else before  # it is known again, and nothing says more
    if after is not before and after not in TRANSITIONS[before]:
        return (track, ()) if _lingers(track, got, after, policy) else _contradict(track, got)

    new = _learn(track, got, after)
    events: list[AnyEvent] = []
    if new.tasks is not track.tasks and before not in TERMINAL:
        finished = finished_stages(track.tasks, new.tasks)
        events += (StageFinished(at=got.at, key=got.key, task=task, stage=stage) for task, stage in finished)
    if after is not before:
        events.append(PhaseChanged(at=got.at, key=got.key, before=before, after=after, attempt=track.attempt))
    elif _has_moved(track, new):
        events.append(ProgressMoved(at=got.at, key=got.key, progress=new.progress))
    elif got.at == track.observed_at and new == track:
        return track, ()
    events += _partial_failure(track, new, got.at) if new.failed_workers else ()  # of most it is not worth a call
    if events and new.verdicts:
        new, judged = judge(new, got.at, policy.limits)
        events += judged
    return new, tuple(events)


def _adopt(track: Track, got: Seen, policy: Policy) -> Step:
    """Who started it is true whenever it is told, also of one that ended long ago."""
    new, events = _see(replace(track, parent=got.parent, step=got.step), got, policy)
    progress = track.progress if new is None else new.progress
    return new, events or (ProgressMoved(at=got.at, key=got.key, progress=progress),)


def _learn(track: Track, got: Seen, phase: Phase) -> Track:
    """The track with all that `got` adds to it."""
    at, ended, entered = got.at, phase in TERMINAL, phase is not track.phase
    tasks = track.tasks if got.tasks is None else merge_tasks(track.tasks, got.tasks)
    progress, counted = _progress(track, got, phase, tasks)
    moved = entered or tasks is not track.tasks or progress != track.progress
    # Not in one call with what follows: more than fourteen keywords travel in a dictionary, which triples the price.
    new = replace(
        track,
        native_status=got.native_status or track.native_status,
        name=got.name or track.name,
        owner=got.owner or track.owner,
        created_at=track.created_at or got.created_at,
        started_at=track.started_at or got.started_at,
        progress=progress,
        tasks=tasks,
        queue=None if ended or phase is _RUNNING else got.queue or track.queue,
        moved_at=at if moved else track.moved_at,
        observed_at=at,
        stages_at=at if got.stages_read else track.stages_at,
        absences=0,
        absent_since=None,
        counted=counted,
    )
    if got.failed_workers is not None or got.workers is not None:  # not of every service: most pay nothing for it
        new = _count_workers(new, got, ended=ended and not entered)
    if got.children is not None and not new.is_workflow:
        new = replace(new, is_workflow=True)
    if not entered and not ended:
        return new
    return replace(
        new,
        phase=phase,
        # Nobody saw the end of what had ended when it was found: its time is what the service says, or unknown.
        ended_at=(track.ended_at or got.ended_at or (at if entered else None)) if ended else None,
        end_text=(got.end_text if entered else track.end_text or got.end_text) if ended else track.end_text,
        failure=_failure(track, got) if phase is _FAILED else None,
        phase_since=at if entered else track.phase_since,
    )


def _count_workers(track: Track, got: Seen, *, ended: bool) -> Track:
    """How many failed, of how many. After the end no worker can recover: a smaller number is an older answer."""
    failed = track.failed_workers if got.failed_workers is None else max(0, got.failed_workers)
    return replace(
        track,
        failed_workers=max(failed, track.failed_workers) if ended else failed,
        workers=track.workers if got.workers is None else max(0, got.workers),
    )


def _partial_failure(old: Track | None, new: Track, at: datetime) -> tuple[AnyEvent, ...]:
    """That it is known from now on; `old` is the same attempt before."""
    if not new.partial_failure or (old is not None and old.partial_failure):
        return ()
    planned = new.workers or sum(stage.total for task in new.tasks for stage in task.stages)
    workers = planned if planned >= new.failed_workers else None
    return (PartiallyFailed(at=at, key=new.key, failed=new.failed_workers, workers=workers),)


def _has_moved(old: Track, new: Track) -> bool:
    return (
        new.tasks is not old.tasks
        or new.progress != old.progress
        or new.queue != old.queue
        or new.failure != old.failure
        or new.failed_workers != old.failed_workers
    )


def _is_stale(track: Track, at: datetime) -> bool:
    """What was learned at `at` arrives after something newer: pollers overtake each other."""
    newest = _newest(track)
    return newest is not None and at < newest


def _newest(track: Track) -> datetime | None:
    """When the newest of what is known was learned. That nothing more was heard is no observation, but has its time."""
    if track.phase is Phase.LOST and track.observed_at is not None and track.phase_since is not None:
        return max(track.observed_at, track.phase_since)
    return track.observed_at


def _news(track: Track, got: Seen) -> Seen | None:
    """What a stale answer still teaches: the last word is true whenever it comes, and what overtakes a look at the
    stages is a listing, which does not tell of stages."""
    if got.phase in TERMINAL:
        return replace(got, at=_newest(track))
    newest = track.stages_at is None or got.at >= track.stages_at
    if got.stages_read and newest and track.phase.is_live:
        got = replace(got, phase=None, native_status="", progress=None, queue=None, failed_workers=None)
        return replace(got, at=track.observed_at)
    return None


def _restart(track: Track, got: Seen) -> Step:
    """A new attempt under the same key: all that the old one taught is history."""
    fresh = _first(got)
    new = replace(
        fresh,
        name=fresh.name or track.name,
        owner=fresh.owner or track.owner,
        created_at=fresh.created_at or track.created_at,
        discovered_at=track.discovered_at,
        ended_before=track.ended_at,
        end_text=fresh.end_text or track.end_text,
        parent=fresh.parent or track.parent,
        step=fresh.step or track.step,
    )
    restarted = PhaseChanged(at=got.at, key=got.key, before=track.phase, after=new.phase, attempt=new.attempt)
    return new, (*take_back(track, got.at), restarted, *_partial_failure(None, new, got.at))


def _lingers(track: Track, got: Seen, said: Phase, policy: Policy) -> bool:
    """A listing may show as live for a while what the service has just said is over."""
    return said in LIVE and track.phase_since is not None and got.at - track.phase_since < policy.lingers


def _contradict(track: Track, got: Seen) -> Step:
    said = got.native_status or str(got.phase)
    if track.contradiction == said:
        return track, ()
    return replace(track, contradiction=said), (Contradicted(at=got.at, key=got.key, phase=track.phase, said=said),)


def _miss_it(track: Track, got: Gone, policy: Policy) -> Step:
    if Phase.LOST not in TRANSITIONS[track.phase] or _is_stale(track, got.at):
        return track, ()
    absences, since = track.absences + 1, track.absent_since or got.at
    if absences < policy.lost_after or got.at - since < policy.lost_within:
        return replace(track, absences=absences, absent_since=since), ()
    new = replace(_lost(track, got.at), observed_at=got.at, absences=absences, absent_since=since)
    return new, (Lost(at=got.at, key=track.key, before=track.phase), *take_back(track, got.at))


def _give_up(track: Track, got: Silent) -> Step:
    """Its last word stays the time when it was observed: nobody has said anything since."""
    if Phase.LOST not in TRANSITIONS[track.phase] or _is_stale(track, got.at):
        return track, ()
    lost = Lost(at=got.at, key=track.key, before=track.phase, why=got.why)
    return _lost(track, got.at), (lost, *take_back(track, got.at))


def _lost(track: Track, at: datetime) -> Track:
    return replace(track, phase=Phase.LOST, queue=None, verdicts=frozenset(), phase_since=at)


def _judge(track: Track, got: Tick, policy: Policy) -> Step:
    if got.blind or not track.phase.is_live or _is_stale(track, got.at):
        return track, ()
    return judge(track, got.at, policy.limits, listed_at=got.listed_at)


def _progress(track: Track, got: Seen, phase: Phase, tasks: tuple[Task, ...]) -> tuple[float | None, bool]:
    """Overall progress, which never falls within an attempt, and whether we have to count workers for it: where the
    service has a fraction of its own, ours is not mixed in. A listing that does not even tell the phase has none."""
    known, said, counted = track.progress, got.progress, track.counted
    if phase is _SUCCEEDED:
        return 1.0, counted
    if said is not None:
        counted = False
    elif got.stages_read and (known is None or counted):
        said = ratio([stage for task in tasks for stage in task.stages])
        counted = counted or said is not None
    elif got.phase is None:
        counted = True
    if said is None or (known is not None and not said > known):
        return known, counted
    return said if 0 <= said <= 1 else min(1.0, max(0.0, said)), counted


def _failure(track: Track, got: Seen) -> Failure | None:
    """The first text stays; a failure without one is better than none."""
    if track.failure is not None and track.failure.message:
        return track.failure
    return got.failure or track.failure
