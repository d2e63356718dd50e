"""What we know of one instance, as values.

Rules of this file: records only, no decisions; immutable, so that a reader never needs a lock; no native word of any
service but `native_status`, which is kept for people to read and never compared.

Records are `gc=False`: they hold no cycles, and the collector need not visit a hundred thousand of them.
"""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Phase(StrEnum):
    """Our one set of states for every service."""

    WAITING = "waiting"
    RUNNING = "running"
    SUSPENDED = "suspended"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"

    @property
    def is_live(self) -> bool:
        """The service may still change it: it is listed, swept and judged."""
        return self in LIVE

    @property
    def is_terminal(self) -> bool:
        """The service gave its last word. `lost` is neither live nor terminal: the service forgot to answer."""
        return self in TERMINAL


LIVE = frozenset({Phase.WAITING, Phase.RUNNING, Phase.SUSPENDED})
TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})


class Verdict(StrEnum):
    """A judgement over a live track."""

    STALLED = "stalled"
    STRAGGLING = "straggling"
    QUEUED_TOO_LONG = "queued_too_long"
    LATE = "late"


class Category(StrEnum):
    """Who has to act on a failure."""

    CODE = "code"  # the job's own text: fix the query or the program
    DATA = "data"  # what it read: fix the input
    PERMISSION = "permission"  # ask for a right
    RESOURCES = "resources"  # quota, memory, time
    SYSTEM = "system"  # the service itself: try again, or open a ticket
    UNKNOWN = "unknown"


class InstanceKey(Struct, frozen=True, gc=False, cache_hash=True, order=True):
    """`source/project/id`: who watches it, where it runs, what the service calls it."""

    source: str
    project: str
    id: str

    def __str__(self) -> str:
        return f"{self.source}/{self.project}/{self.id}"

    @classmethod
    def parse(cls, text: str) -> "InstanceKey":
        """Read `source/project/id`; raise ValueError that says what is missing."""
        parts = text.split("/", 2)
        if len(parts) != 3 or not all(parts):
            raise ValueError(f"{text!r} is not a key: write it as source/project/id")
        return cls(*parts)


class Stage(Struct, frozen=True, gc=False):
    """A wave of workers in a task: `name:running/terminated/total(+backups)[percent or status]`.

    `total` does not count backups. `percent` (0..100, of data, as the service says) may read 100 while a worker runs.
    `failed` of the `terminated` ended in failure; `retries` counts how often workers were run again so far.
    What the name means is read from the name: see `progress.stage_name`.
    """

    name: str
    running: int
    terminated: int
    total: int
    backups: int = 0
    percent: int | None = None
    status: str | None = None
    failed: int = 0
    retries: int = 0

    @property
    def is_finished(self) -> bool:
        """All planned workers have ended and none runs on."""
        return self.terminated >= self.total > 0 and self.running == 0


class Task(Struct, frozen=True, gc=False):
    """A named part of an instance with its own outcome. `stages` is empty until somebody looked; `depends_on` names the
    tasks that must finish before it starts."""

    name: str
    type: str = ""
    phase: Phase | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stages: tuple[Stage, ...] = ()
    depends_on: tuple[str, ...] = ()


class Queue(Struct, frozen=True, gc=False):
    """Where it stands in its quota's queue; `reason` is the service's own sentence."""

    position: int | None = None
    length: int | None = None
    reason: str = ""


class Failure(Struct, frozen=True, gc=False):
    """Why it failed, in the service's words. `code` is empty where the text has none."""

    task: str
    code: str
    message: str
    category: Category = Category.UNKNOWN


class Track(Struct, frozen=True, gc=False):
    """All we remember of one instance. Times are aware and UTC; absent knowledge is None, never a guess."""

    key: InstanceKey
    kind: str  # "maxcompute" or "batchcompute"
    phase: Phase
    native_status: str = ""
    attempt: int = 1
    name: str = ""
    owner: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: float | None = None  # 0..1 over all stages
    tasks: tuple[Task, ...] = ()
    queue: Queue | None = None
    failure: Failure | None = None
    verdicts: frozenset[Verdict] = frozenset()
    fired: frozenset[str] = frozenset()  # rules that have alerted about this attempt
    discovered_at: datetime | None = None
    phase_since: datetime | None = None
    moved_at: datetime | None = None  # when progress last changed: what a stall is measured from
    observed_at: datetime | None = None  # when the service last said anything about it
    stages_at: datetime | None = None  # when its stages were last read
    absences: int = 0  # "no such instance", so many times in a row
    absent_since: datetime | None = None  # when it was said for the first time in this row
    ended_before: datetime | None = None  # when the attempt before this one ended
    end_text: str = ""  # the last end that is known, as the service wrote it: of this attempt, or of the one before
    counted: bool = False  # progress is our own count of workers: the service gives no fraction, or none any more
    contradiction: str = ""  # what the service said against a terminal phase, said once
    failed_workers: int = 0  # over the whole instance, as far as the service told
    workers: int = 0  # planned over the whole instance; 0 where the service did not tell
    parent: str = ""  # id of the instance of the same project that started it
    step: str = ""  # what it is called there
    is_workflow: bool = False  # it starts others

    @property
    def began_at(self) -> datetime | None:
        """When work began, or failing that, when it was submitted."""
        return self.started_at or self.created_at

    @property
    def partial_failure(self) -> bool:
        """It succeeded although some of its workers failed: the service was told not to mind them."""
        return self.phase is Phase.SUCCEEDED and self.failed_workers > 0

    @property
    def parent_key(self) -> InstanceKey | None:
        """The key of the instance that started it, if one did."""
        return InstanceKey(self.key.source, self.key.project, self.parent) if self.parent else None
