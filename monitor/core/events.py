"""What comes in and what goes out of the core: observations and events, as values.

An observation is what one poll learned, or that time passed. An event is what changed.
*Lasting* events go to storage in the commit; *passing* ones are published in the same order but not stored.
"""

from datetime import datetime
from typing import ClassVar

from msgspec import Struct

from monitor.core.model import Failure, InstanceKey, Phase, Queue, Stage, Task, Verdict

# --- observations about one instance ------------------------------------------------------------------------------


class Seen(Struct, frozen=True, gc=False, kw_only=True):
    """The service answered about an instance. A None (or empty) field was not part of the answer: keep what is known.

    `phase` is None when the service used a word we do not know, or one that does not tell (a listing that says
    "running" of queued and working instances alike). `tasks` is None when tasks were not asked for.
    `ended` says that the service calls it over even where `phase` cannot say how. `failed_workers` of all `workers` of
    the instance failed. `parent` is the id of the instance in the same project that started it, as its `step`;
    `children` are (step, id) of those that it started so far, None where it is not one that starts others or nobody
    asked. `restarts` says of the service that it restarts an instance under the same id and does not
    count attempts: what follows an end may then be a new attempt. `end_text` is the end as the service writes it: the
    same text is the same end, however `ended_at` was corrected since.
    """

    key: InstanceKey
    at: datetime
    kind: str
    phase: Phase | None
    native_status: str = ""
    attempt: int = 1
    name: str = ""
    owner: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: float | None = None
    queue: Queue | None = None
    tasks: tuple[Task, ...] | None = None
    stages_read: bool = False
    failure: Failure | None = None
    ended: bool = False
    failed_workers: int | None = None
    workers: int | None = None
    restarts: bool = False
    end_text: str = ""
    parent: str = ""
    step: str = ""
    children: tuple[tuple[str, str], ...] | None = None


class Missed(Struct, frozen=True, gc=False):
    """A poll about this instance failed: unknown is a state, and nothing about the instance changes."""

    key: InstanceKey
    at: datetime
    reason: str


class Gone(Struct, frozen=True, gc=False):
    """The service answered that it knows no such instance."""

    key: InstanceKey
    at: datetime


class Silent(Struct, frozen=True, gc=False):
    """Nobody has told anything about this instance for so long that nothing more is expected; `why` says it to people.
    Only of those that are heard of and never asked about."""

    key: InstanceKey
    at: datetime
    why: str


class Tick(Struct, frozen=True, gc=False):
    """Time passed. `blind` pauses verdicts: the source has not answered, so nothing can be judged. `listed_at` is when
    the last listing was through: what it told, nobody has told since. None where nobody lists."""

    at: datetime
    blind: bool = False
    listed_at: datetime | None = None


Observation = Seen | Missed | Gone | Silent | Tick

# --- observations about a source ----------------------------------------------------------------------------------


class Swept(Struct, frozen=True, gc=False):
    """A project's live instances were listed to the last page; `ids` are all that the service named."""

    source: str
    project: str
    at: datetime
    ids: frozenset[str]


class Reconciled(Struct, frozen=True, gc=False):
    """All that ended in a project up to `upto` has been seen and judged: the next look may begin there."""

    source: str
    project: str
    upto: datetime


class Failed(Struct, frozen=True, gc=False):
    """A source did not answer a listing of this project; `reason` is a `SourceError` reason."""

    source: str
    project: str
    at: datetime
    reason: str
    detail: str = ""


SourceObservation = Swept | Reconciled | Failed

# --- events -------------------------------------------------------------------------------------------------------


class Event(Struct, frozen=True, gc=False, tag_field="kind"):
    """What changed, when. Subclasses are told apart by `kind`, which is also the word on the wire."""

    lasting: ClassVar[bool] = True

    at: datetime


class InstanceEvent(Event, frozen=True, gc=False):
    """What changed about one instance."""

    key: InstanceKey


class Discovered(InstanceEvent, frozen=True, gc=False, tag="discovered"):
    """An instance is tracked from now on."""


class PhaseChanged(InstanceEvent, frozen=True, gc=False, tag="phase"):
    """`before` is None for the first phase of all; for the first of a later attempt it is how the one before stood."""

    before: Phase | None
    after: Phase
    attempt: int = 1


class ProgressMoved(InstanceEvent, frozen=True, gc=False, tag="progress"):
    """Workers, fractions or the queue moved, or more was learned of one that ended. The newest replaces all earlier."""

    lasting: ClassVar[bool] = False

    progress: float | None


class StageFinished(InstanceEvent, frozen=True, gc=False, tag="stage"):
    """The last worker of a stage ended."""

    task: str
    stage: Stage


class VerdictChanged(InstanceEvent, frozen=True, gc=False, tag="verdict"):
    """A judgement was raised or taken back; `evidence` is the sentence that says why."""

    verdict: Verdict
    raised: bool
    evidence: str = ""


class PartiallyFailed(InstanceEvent, frozen=True, gc=False, tag="partial_failure"):
    """It succeeded although some workers failed. Once per attempt: at its end, or when the service tells it later.

    `workers` is of how many; None where the service did not tell.
    """

    failed: int
    workers: int | None


class Lost(InstanceEvent, frozen=True, gc=False, tag="lost"):
    """The service said "no such instance" too often of one that had not ended, or nothing more was heard of it: `why`
    tells the latter, and is empty for the former."""

    before: Phase
    why: str = ""


class Contradicted(InstanceEvent, frozen=True, gc=False, tag="contradicted"):
    """The service says something else after its last word. The phase stays; this is data to show and count."""

    phase: Phase
    said: str


class Removed(InstanceEvent, frozen=True, gc=False, tag="removed"):
    """Retention forgot it."""


class AlertFired(Event, frozen=True, gc=False, tag="alert"):
    """A rule matched; `alert` is the id under which every delivery attempt is found. `key` is None for a source's."""

    key: InstanceKey | None
    alert: str
    rule: str
    severity: str


class SourceChanged(Event, frozen=True, gc=False, tag="source"):
    """A source stopped answering for a project, or answers again.

    `outage` is when the first project of the source began to fail: one outage, however many projects join it. What is
    wrong with this project `alone`, such as a missing right, is an outage of its own.
    `lasted` is for how many seconds this project had not been answered for.
    """

    source: str
    project: str
    up: bool
    reason: str = ""
    detail: str = ""
    outage: datetime | None = None
    lasted: float | None = None
    alone: bool = False


AnyEvent = (
    Discovered
    | PhaseChanged
    | ProgressMoved
    | StageFinished
    | VerdictChanged
    | PartiallyFailed
    | Lost
    | Contradicted
    | Removed
    | AlertFired
    | SourceChanged
)
