"""What one observation does to one track: `step` is the whole state machine.

Rules of this file: every change of phase goes through TRANSITIONS, from which the picture in the README is drawn; what
is not in the table is a contradiction of the service, kept as an event and never as a state; a step that teaches
nothing new returns the very same track and no events.
"""

from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from monitor.core.events import (
    AnyEvent,
    Contradicted,
    Discovered,
    Gone,
    Lost,
    Missed,
    Observation,
    PhaseChanged,
    ProgressMoved,
    Seen,
    StageFinished,
    Tick,
)
from monitor.core.model import LIVE, TERMINAL, Phase, Stage, Task, Track
from monitor.core.progress import ratio
from monitor.core.verdicts import Limits, judge

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


class Policy(Struct, frozen=True, gc=False):
    """`lost_after` times "no such instance" in a row, over at least `lost_within`, make an instance lost."""

    lost_after: int = 3
    lost_within: timedelta = timedelta(seconds=30)
    limits: Limits = Limits()


Step = tuple[Track | None, tuple[AnyEvent, ...]]


def step(track: Track | None, got: Observation, policy: Policy) -> Step:
    """The new track, and what changed. `track` is None for an instance never seen before."""
    match got:
        case Seen():
            return _discover(got) if track is None else _see(track, got, policy)
        case Missed():
            return track, ()
        case Gone():
            return (None, ()) if track is None else _miss_it(track, got, policy)
        case Tick():
            return (None, ()) if track is None else _judge(track, got, policy)


def _discover(got: Seen) -> Step:
    # A service that does not say whether it runs has at least accepted it.
    phase = got.phase or Phase.WAITING
    tasks = got.tasks or ()
    track = Track(
        key=got.key,
        kind=got.kind,
        phase=phase,
        native_status=got.native_status,
        attempt=got.attempt,
        name=got.name,
        owner=got.owner,
        created_at=got.created_at,
        started_at=got.started_at,
        ended_at=got.ended_at,
        progress=_progress(None, got, phase, tasks),
        tasks=tasks,
        queue=got.queue,
        failure=got.failure,
        discovered_at=got.at,
        phase_since=got.at,
        moved_at=got.at,
        observed_at=got.at,
        stages_at=got.at if got.stages_read else None,
    )
    return track, (
        Discovered(at=got.at, key=got.key),
        PhaseChanged(at=got.at, key=got.key, before=None, after=phase, attempt=got.attempt),
    )


def _see(track: Track, got: Seen, policy: Policy) -> Step:
    if got.attempt != track.attempt:
        return _restart(track, got) if got.attempt > track.attempt else (track, ())
    if track.phase in TERMINAL:
        return _after_the_end(track, got)

    before = track.phase
    late = track.observed_at is not None and got.at < track.observed_at
    after = before if late or got.phase is None else got.phase
    if before is Phase.LOST and got.phase is None:
        after = Phase.WAITING  # it is known again, and nothing says more
    if after is not before and after not in TRANSITIONS[before]:
        return _contradict(track, got)

    tasks = _tasks(track.tasks, got)
    progress = _progress(track.progress, got, after, tasks)
    moved = progress != track.progress or tasks != track.tasks
    queue = None if after in TERMINAL or after is Phase.RUNNING else (got.queue or track.queue)
    new = replace(
        track,
        phase=after,
        native_status=track.native_status if late else got.native_status or track.native_status,
        name=got.name or track.name,
        owner=got.owner or track.owner,
        created_at=track.created_at or got.created_at,
        started_at=track.started_at or got.started_at,
        ended_at=(got.ended_at or got.at) if after in TERMINAL else None,
        progress=progress,
        tasks=tasks,
        queue=queue,
        failure=got.failure if after is Phase.FAILED else None,
        phase_since=track.phase_since if after is before else got.at,
        moved_at=got.at if moved or after is not before else track.moved_at,
        observed_at=track.observed_at if late else got.at,
        stages_at=got.at if got.stages_read else track.stages_at,
        absences=0,
    )

    events: list[AnyEvent] = []
    if tasks is not track.tasks:
        events += _finished_stages(track.tasks, tasks, got)
    if after is not before:
        events.append(PhaseChanged(at=got.at, key=got.key, before=before, after=after, attempt=track.attempt))
    elif moved or queue != track.queue:
        events.append(ProgressMoved(at=got.at, key=got.key, progress=progress))
    if track.verdicts:
        new, taken_back = judge(new, got.at, policy.limits)
        events += taken_back
    return new, tuple(events)


def _restart(track: Track, got: Seen) -> Step:
    """A new attempt under the same key: all that the old one taught is history."""
    fresh, events = _discover(got)
    assert fresh is not None  # noqa: S101 - _discover always makes one
    new = replace(
        fresh,
        name=got.name or track.name,
        owner=got.owner or track.owner,
        created_at=got.created_at or track.created_at,
        discovered_at=track.discovered_at,
    )
    return new, tuple(replace(event, before=track.phase) for event in events if isinstance(event, PhaseChanged))


def _after_the_end(track: Track, got: Seen) -> Step:
    if got.phase is None or got.phase is track.phase:
        failure = got.failure
        if track.phase is Phase.FAILED and failure is not None and not (track.failure and track.failure.message):
            return replace(track, failure=failure, observed_at=got.at), ()
        return track, ()
    return _contradict(track, got)


def _contradict(track: Track, got: Seen) -> Step:
    said = got.native_status or str(got.phase)
    if track.contradiction == said:
        return track, ()
    return replace(track, contradiction=said), (Contradicted(at=got.at, key=got.key, phase=track.phase, said=said),)


def _miss_it(track: Track, got: Gone, policy: Policy) -> Step:
    if not track.phase.is_live:
        return track, ()
    absences = track.absences + 1
    since = track.observed_at or track.discovered_at or got.at
    if absences < policy.lost_after or got.at - since < policy.lost_within:
        return replace(track, absences=absences), ()
    new = replace(track, phase=Phase.LOST, phase_since=got.at, absences=absences, verdicts=frozenset(), queue=None)
    return new, (Lost(at=got.at, key=track.key, before=track.phase),)


def _judge(track: Track, got: Tick, policy: Policy) -> Step:
    if got.blind or not track.phase.is_live:
        return track, ()
    return judge(track, got.at, policy.limits)


def _tasks(known: tuple[Task, ...], got: Seen) -> tuple[Task, ...]:
    """Merge what an inspection said of tasks. A service forgets stages after the end: the last ones read stay."""
    if got.tasks is None or (not got.tasks and known):
        return known
    if got.tasks == known:
        return known
    stages: dict[str, tuple[Stage, ...]] = {task.name: task.stages for task in known}
    merged = tuple(
        task if task.stages or not stages.get(task.name) else replace(task, stages=stages[task.name])
        for task in got.tasks
    )
    return known if merged == known else merged


def _progress(known: float | None, got: Seen, phase: Phase, tasks: tuple[Task, ...]) -> float | None:
    """Overall progress never falls within an attempt; the service's own fraction goes before ours."""
    if phase is Phase.SUCCEEDED:
        return 1.0
    said = got.progress
    if said is None and got.stages_read and known is None:
        said = ratio([stage for task in tasks for stage in task.stages])
    if said is None:
        return known
    said = min(1.0, max(0.0, said))
    return said if known is None else max(known, said)


def _finished_stages(old: tuple[Task, ...], new: tuple[Task, ...], got: Seen) -> list[AnyEvent]:
    finished = {(task.name, stage.name) for task in old for stage in task.stages if stage.is_finished}
    return [
        StageFinished(at=got.at, key=got.key, task=task.name, stage=stage)
        for task in new
        for stage in task.stages
        if stage.is_finished and (task.name, stage.name) not in finished
    ]
