"""The public JSON: what people and programs outside may rely on. The stored form is another: see `core/codec.py`.

Rules of this file: shapes only; a field that is not known is null, never left out and never guessed; times are
RFC 3339 in UTC.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import anyio.lowlevel
import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from monitor.core import model
from monitor.core.model import Category, Phase, Track, Verdict
from monitor.core.progress import NamedStage, StageName, stage_name
from monitor.engine.board import Board

encode = msgspec.json.Encoder().encode


class Stage(NamedStage, frozen=True, gc=False):
    """A wave of workers. `kind`, `id` and `depends_on` are read from the name, where it has that structure; a stage of
    Batch Compute is a whole task, its `id` the place of that task in the instance, from 1."""

    failed: int
    retries: int


class Task(Struct, frozen=True, gc=False):
    """A named part of an instance. `stages` is empty until somebody looked; `depends_on` names other tasks."""

    name: str
    type: str
    phase: Phase | None
    started_at: datetime | None
    ended_at: datetime | None
    stages: tuple[Stage, ...]
    depends_on: tuple[str, ...]


class Queue(Struct, frozen=True, gc=False):
    """Where it stands in its quota's queue."""

    position: int | None
    length: int | None
    reason: str


class Failure(Struct, frozen=True, gc=False):
    """Why it failed, in the service's words; `category` says who has to act."""

    task: str
    code: str
    message: str
    category: Category


class Child(Struct, frozen=True, gc=False):
    """An instance that another one started: a step of it."""

    key: str
    step: str
    phase: Phase
    progress: float | None


class Instance(Struct, frozen=True, gc=False, kw_only=True):
    """One instance, whole. `observed_at` is when the service last vouched for what stands here; `partial_failure` says
    that it succeeded although some of its workers failed. `parent` is the key of the instance that started it, as its
    `step`; `children` are those that it started itself, as far as they are watched."""

    key: str
    source: str
    kind: str
    project: str
    id: str
    name: str
    owner: str
    phase: Phase
    phase_since: datetime | None
    native_status: str
    attempt: int
    progress: float | None
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    observed_at: datetime | None
    stages_at: datetime | None
    tasks: tuple[Task, ...]
    queue: Queue | None
    failure: Failure | None
    verdicts: tuple[Verdict, ...]
    contradiction: str | None
    partial_failure: bool
    failed_workers: int
    parent: str | None
    step: str
    children: tuple[Child, ...]
    history: "tuple[Raw, ...] | UnsetType" = UNSET  # only where one instance was asked for


def instance(track: Track, board: Board, history: tuple[Raw, ...] | UnsetType = UNSET) -> Instance:
    """How a track looks from outside."""
    key, queue, failure = track.key, track.queue, track.failure
    return Instance(
        key=str(key),
        source=key.source,
        kind=track.kind,
        project=key.project,
        id=key.id,
        name=track.name,
        owner=track.owner,
        phase=track.phase,
        phase_since=track.phase_since,
        native_status=track.native_status,
        attempt=track.attempt,
        progress=track.progress,
        created_at=track.created_at,
        started_at=track.started_at,
        ended_at=track.ended_at,
        observed_at=board.observed_at(track),
        stages_at=track.stages_at,
        tasks=_tasks(track),
        queue=Queue(queue.position, queue.length, queue.reason) if queue else None,
        failure=Failure(failure.task, failure.code, failure.message, failure.category)
        if failure and track.phase is Phase.FAILED
        else None,
        verdicts=tuple(sorted(track.verdicts)),
        contradiction=track.contradiction or None,
        partial_failure=track.partial_failure,
        failed_workers=track.failed_workers,
        parent=str(parent) if (parent := track.parent_key) else None,
        step=track.step,
        children=tuple(Child(str(it.key), it.step, it.phase, it.progress) for it in board.children(key)),
        history=history,
    )


def _tasks(track: Track) -> tuple[Task, ...]:
    placed = _placed(track)
    return tuple(
        Task(
            task.name,
            task.type,
            task.phase,
            task.started_at,
            task.ended_at,
            tuple(_stage(stage, placed.get(task.name) or stage_name(stage.name)) for stage in task.stages),
            task.depends_on,
        )
        for task in track.tasks
    )


def stage(stage: model.Stage, task: str, track: Track | None) -> Stage:
    """How a stage of this task looks from outside; `track` is its instance, as far as it is remembered."""
    placed = _placed(track) if track is not None else {}
    return _stage(stage, placed.get(task) or stage_name(stage.name))


def _placed(track: Track) -> dict[str, StageName]:
    """What the names of stages would tell, by task, where stages are tasks and say nothing by their names."""
    if track.kind != "batchcompute":
        return {}
    places = {task.name: place for place, task in enumerate(track.tasks, start=1)}
    return {
        task.name: StageName(None, places[task.name], tuple(places[on] for on in task.depends_on if on in places), None)
        for task in track.tasks
    }


def _stage(stage: model.Stage, name: StageName) -> Stage:
    return Stage(
        stage.name,
        name.kind,
        name.id,
        name.depends_on,
        stage.running,
        stage.terminated,
        stage.total,
        stage.backups,
        stage.percent,
        stage.status,
        stage.failed,
        stage.retries,
    )


INSTANCES_A_SLICE = 100  # about a millisecond of encoding, then the loop may breathe


async def instances(tracks: Sequence[Track], board: Board) -> tuple[Raw, ...]:
    """Many instances, each encoded already, without holding up the loop."""
    encoded: list[Raw] = []
    for done, track in enumerate(tracks, start=1):
        encoded.append(Raw(encode(instance(track, board))))
        if done % INSTANCES_A_SLICE == 0:
            await anyio.lowlevel.checkpoint()
    return tuple(encoded)


class InstancePage(Struct, frozen=True, gc=False):
    """`next` is the cursor of the page behind this one; `total` counts all pages."""

    instances: tuple[Raw, ...]
    next: str | None
    total: int


class Results(Struct, frozen=True, gc=False):
    """The result text of each task, by task name."""

    results: dict[str, str]


class LogView(Struct, frozen=True, gc=False):
    """A fresh address of the service's own page. It may hold a token: use it and forget it."""

    url: str


class Project(Struct, frozen=True, gc=False, kw_only=True):
    """How one project of one source stands. `age_seconds` is the age of what is shown; null before the first sweep.

    One that is not `asked` is only heard of: its age is that of the last line about anything that is live there, null
    where nothing is.
    """

    source: str
    project: str
    asked: bool
    up: bool
    swept_at: datetime | None
    age_seconds: float | None
    failing_since: datetime | None
    reason: str | None
    detail: str | None
    instances: dict[Phase, int]


class Projects(Struct, frozen=True, gc=False):
    """Every project, by source and name. `now` is the daemon's clock."""

    now: datetime
    sources: tuple[Project, ...]


def projects(board: Board, now: datetime, heard: Collection[tuple[str, str]] = ()) -> Projects:
    """The health of every project, and how many instances it has in each phase. `heard` are those that nobody asks."""
    counts: dict[tuple[str, str], dict[Phase, int]] = {
        place: dict.fromkeys(Phase, 0) for place in (*board.health, *heard)
    }
    for (source, project, phase), count in board.counts().items():
        if count:
            counts.setdefault((source, project), dict.fromkeys(Phase, 0))[phase] = count
    asked = counts.keys() - set(heard)
    return Projects(
        now, tuple(_project(place, counts[place], board, now, asked=place in asked) for place in sorted(counts))
    )


def _project(place: tuple[str, str], counts: dict[Phase, int], board: Board, now: datetime, *, asked: bool) -> Project:
    health = board.health.get(place)
    swept_at = health.swept_at if health else None
    shown_at = swept_at if asked else _last_heard(place, board)
    return Project(
        source=place[0],
        project=place[1],
        asked=asked,
        up=not (health and health.down),
        swept_at=swept_at,
        age_seconds=max(0.0, (now - shown_at).total_seconds()) if shown_at else None,
        failing_since=health.failing_since if health else None,
        reason=(health.reason or None) if health else None,
        detail=(health.detail or None) if health else None,
        instances=counts,
    )


def _last_heard(place: tuple[str, str], board: Board) -> datetime | None:
    return max((track.observed_at for track in board.live(*place).values() if track.observed_at), default=None)
