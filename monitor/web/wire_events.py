"""The public JSON of events: one shape per kind, told apart by `kind`.

Every event about an instance carries `instance`, its newest known state, or null once it is forgotten. In a history
it is left out, and the sequence number stands beside the kind instead.
"""

from datetime import datetime
from typing import assert_never

from msgspec import UNSET, Struct, UnsetType

from monitor.core import events
from monitor.core.model import Phase, Track, Verdict
from monitor.storage.base import Record
from monitor.web import wire
from monitor.web.wire import Instance, Stage

Shown = Instance | None | UnsetType


class Event(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind"):
    """What changed, when."""

    seq: int | UnsetType = UNSET
    at: datetime


class InstanceEvent(Event, frozen=True, gc=False, kw_only=True):
    """What changed about one instance."""

    key: str
    instance: Shown = UNSET


class Discovered(InstanceEvent, frozen=True, gc=False, kw_only=True, tag="discovered"):
    """It is watched from now on."""


class PhaseChanged(
    InstanceEvent, frozen=True, gc=False, kw_only=True, tag="phase", rename={"before": "from", "after": "to"}
):
    """`from` is null for the first phase that was seen; of a restart it is how the attempt before stood."""

    before: Phase | None
    after: Phase
    attempt: int


class ProgressMoved(InstanceEvent, frozen=True, gc=False, kw_only=True, tag="progress"):
    """Workers or fractions moved: the newest one replaces all earlier ones."""

    progress: float | None


class StageFinished(InstanceEvent, frozen=True, gc=False, kw_only=True, tag="stage"):
    """The last worker of a stage ended."""

    task: str
    stage: Stage


class VerdictChanged(InstanceEvent, frozen=True, gc=False, kw_only=True, tag="verdict"):
    """A judgement was raised or taken back; `evidence` says why."""

    verdict: Verdict
    raised: bool
    evidence: str


class PartiallyFailed(InstanceEvent, frozen=True, gc=False, kw_only=True, tag="partial_failure"):
    """It succeeded although some workers failed; `workers` is of how many, null where the service did not tell."""

    failed_workers: int
    workers: int | None


class AlertFired(InstanceEvent, frozen=True, gc=False, kw_only=True, tag="alert"):
    """A rule matched. `alert` is the id under `/api/v1/alerts`; `key` is null if it is about a source."""

    key: str | None  # type: ignore[assignment]  # wider than other events: an alert may be about a source
    alert: str
    rule: str
    severity: str


class Lost(InstanceEvent, frozen=True, gc=False, kw_only=True, tag="lost", rename={"before": "from", "after": "to"}):
    """Nobody said how it ended. `why` is empty where the service does not know it any more."""

    before: Phase
    after: Phase = Phase.LOST
    why: str


class Contradicted(InstanceEvent, frozen=True, gc=False, kw_only=True, tag="contradicted"):
    """The service said something else after its last word. The phase stays."""

    phase: Phase
    said: str


class Removed(InstanceEvent, frozen=True, gc=False, kw_only=True, tag="removed"):
    """Retention forgot it."""


class SourceChanged(Event, frozen=True, gc=False, kw_only=True, tag="source"):
    """A source stopped answering for a project, or answers again; `lasted` is in seconds."""

    source: str
    project: str
    up: bool
    reason: str
    detail: str
    outage: datetime | None
    lasted: float | None


AnyEvent = (
    Discovered
    | PhaseChanged
    | ProgressMoved
    | StageFinished
    | VerdictChanged
    | PartiallyFailed
    | AlertFired
    | Lost
    | Contradicted
    | Removed
    | SourceChanged
)


def event(record: Record, shown: Shown, *, track: Track | None, seq: int | UnsetType = UNSET) -> AnyEvent:
    """How an event looks from outside. `track` is what is known of its instance, however it is `shown`."""
    match record.event:
        case events.Discovered(at=at, key=key):
            return Discovered(seq=seq, at=at, key=str(key), instance=shown)
        case events.PhaseChanged(at=at, key=key) as it:
            return PhaseChanged(
                seq=seq, at=at, key=str(key), before=it.before, after=it.after, attempt=it.attempt, instance=shown
            )
        case events.ProgressMoved(at=at, key=key) as it:
            return ProgressMoved(seq=seq, at=at, key=str(key), progress=it.progress, instance=shown)
        case events.StageFinished(at=at, key=key) as it:
            stage = wire.stage(it.stage, it.task, track)
            return StageFinished(seq=seq, at=at, key=str(key), task=it.task, stage=stage, instance=shown)
        case events.VerdictChanged(at=at, key=key) as it:
            return VerdictChanged(
                seq=seq,
                at=at,
                key=str(key),
                verdict=it.verdict,
                raised=it.raised,
                evidence=it.evidence,
                instance=shown,
            )
        case events.PartiallyFailed(at=at, key=key) as it:
            return PartiallyFailed(
                seq=seq, at=at, key=str(key), failed_workers=it.failed, workers=it.workers, instance=shown
            )
        case events.Lost(at=at, key=key) as it:
            return Lost(seq=seq, at=at, key=str(key), before=it.before, why=it.why, instance=shown)
        case events.Contradicted(at=at, key=key) as it:
            return Contradicted(seq=seq, at=at, key=str(key), phase=it.phase, said=it.said, instance=shown)
        case events.Removed(at=at, key=key):
            return Removed(seq=seq, at=at, key=str(key), instance=shown)
        case events.AlertFired(at=at) as it:
            about = str(it.key) if it.key else None
            return AlertFired(
                seq=seq, at=at, key=about, alert=it.alert, rule=it.rule, severity=it.severity, instance=shown
            )
        case events.SourceChanged(at=at) as it:
            return SourceChanged(
                seq=seq,
                at=at,
                source=it.source,
                project=it.project,
                up=it.up,
                reason=it.reason,
                detail=it.detail,
                outage=it.outage,
                lasted=it.lasted,
            )
        case never:
            assert_never(never)
