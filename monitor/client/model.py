"""What the API says of an instance, as values. The names are those of the JSON; times are aware and UTC."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from monitor.core import model
from monitor.core.model import Failure, Phase, Queue

Json = dict[str, Any]  # Any: JSON of the public contract


class Stage(model.Stage, frozen=True, gc=False):
    """A wave of workers. `kind`, `id` and `depends_on` are read from its name, where that has the known structure."""

    kind: str | None = None
    id: int | None = None
    depends_on: tuple[int, ...] = ()

    @property
    def ratio(self) -> float | None:
        """How far it is, 0..1: by data where the service says so, else by workers; None while it has planned none."""
        if self.percent is not None:
            return self.percent / 100
        return min(1.0, self.terminated / self.total) if self.total > 0 else None


class Task(Struct, frozen=True, gc=False):
    """A named part of an instance. `stages` is empty until somebody looked."""

    name: str
    type: str
    phase: Phase | None
    started_at: datetime | None
    ended_at: datetime | None
    stages: tuple[Stage, ...]
    depends_on: tuple[str, ...] = ()


class Child(Struct, frozen=True, gc=False):
    """An instance that another one started: a step of it."""

    key: str
    step: str
    phase: Phase
    progress: float | None


class Instance(Struct, frozen=True, gc=False, kw_only=True):
    """One instance, whole. Absent knowledge is None, never a guess.

    `progress` is 0..1 over all stages. `observed_at` is when the service last vouched for what stands here.
    `partial_failure` says that it succeeded although some of its workers failed.
    `parent` is the key of the instance that started it, as its `step`; `children` are those that it started itself.
    `history` holds its events, where one instance was asked for.
    """

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
    verdicts: tuple[str, ...]
    contradiction: str | None
    partial_failure: bool = False
    failed_workers: int = 0
    parent: str | None = None
    children: tuple[Child, ...] = ()
    step: str = ""
    history: "tuple[Json, ...] | UnsetType" = UNSET

    @property
    def is_over(self) -> bool:
        """It ended, or the service has forgotten it: nothing more is expected."""
        return not self.phase.is_live

    @property
    def stages(self) -> Sequence[Stage]:
        """The stages of all tasks."""
        return [stage for task in self.tasks for stage in task.stages]

    def duration(self, now: datetime | None = None) -> float | None:
        """Seconds from its start (or else from its making) to its end, or to `now` while it has none."""
        began, until = self.started_at or self.created_at, self.ended_at or now
        return max(0.0, (until - began).total_seconds()) if began and until else None


class Outcome(Struct, frozen=True, gc=False, kw_only=True):
    """How an instance ended. `duration` is in seconds, `progress` 0..1.

    `failed_workers` may be more than none of a success, where the service was told not to mind them.
    Of `lost` nobody knows how it ended: the service forgot the instance without a last word. That is no success.
    """

    key: str
    phase: Phase
    attempt: int
    progress: float | None
    duration: float | None
    failure: Failure | None
    failed_workers: int = 0

    @property
    def succeeded(self) -> bool:
        """The service said so; False of failed, cancelled and lost."""
        return self.phase is Phase.SUCCEEDED

    @property
    def code(self) -> str:
        """The failure's code in the service's words; empty where there is none."""
        return self.failure.code if self.failure else ""

    @property
    def message(self) -> str:
        """The failure's text in the service's words; empty where there is none."""
        return self.failure.message if self.failure else ""

    @classmethod
    def of(cls, instance: Instance) -> "Outcome":
        """How this one, which is over, ended."""
        return cls(
            key=instance.key,
            phase=instance.phase,
            attempt=instance.attempt,
            progress=instance.progress,
            duration=instance.duration(),
            failure=instance.failure,
            failed_workers=instance.failed_workers,
        )


class Project(Struct, frozen=True, gc=False, kw_only=True):
    """How one project of one source stands. `age_seconds` is the age of what is shown; None before the first sweep. One
    that is not `asked` is only heard of: its age is that of the last line about anything that is live there."""

    source: str
    project: str
    up: bool
    swept_at: datetime | None
    age_seconds: float | None
    failing_since: datetime | None
    reason: str | None
    detail: str | None
    instances: dict[str, int]
    asked: bool = True


class Projects(Struct, frozen=True, gc=False):
    """Every project, by source and name. `now` is the daemon's clock."""

    now: datetime
    sources: tuple[Project, ...]
