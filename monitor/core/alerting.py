"""Which events become alerts: rules applied to what changed.

Rules of this file: a rule sees events and tracks and nothing else; the same failure always gets the same alert id, so
that whoever stores alerts can keep each once; no delivery here.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from urllib.parse import quote

from msgspec import Struct

from monitor.core.events import (
    AnyEvent,
    Lost,
    PartiallyFailed,
    PhaseChanged,
    SourceChanged,
    VerdictChanged,
)
from monitor.core.model import InstanceKey, Phase, Track
from monitor.core.progress import format_stages


class Trigger(StrEnum):
    """What a rule waits for."""

    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    STALLED = "stalled"
    STRAGGLING = "straggling"
    QUEUED_TOO_LONG = "queued_too_long"
    LATE = "late"
    PARTIAL_FAILURE = "partial_failure"
    SOURCE_DOWN = "source_down"


class Rule(Struct, frozen=True, gc=False):
    """One line of the operator's rules. Empty `sources` or `projects` mean all of them; `fallback` are the channels
    that are told when one of `channels` does not take it."""

    name: str
    when: Trigger
    severity: str
    channels: tuple[str, ...]
    sources: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    fallback: tuple[str, ...] = ()

    def covers(self, source: str, project: str) -> bool:
        """Whether the rule speaks about this project at all."""
        return (not self.sources or source in self.sources) and (not self.projects or project in self.projects)


class Rules(Struct, frozen=True, gc=False):
    """All rules, and the address under which people reach this daemon (no trailing slash)."""

    rules: tuple[Rule, ...]
    external_url: str


class Alert(Struct, frozen=True, gc=False):
    """Something to tell people, complete: whoever delivers it looks nothing up.

    `id` is its fingerprint, the same for the same rule, instance and attempt for ever. `key` is None for alerts about
    a source. Every label and annotation is always there; what is unknown is the empty string.
    """

    id: str
    rule: str
    severity: str
    key: InstanceKey | None
    attempt: int
    at: datetime
    started_at: datetime
    labels: dict[str, str]
    annotations: dict[str, str]
    channels: tuple[str, ...]
    fallback: tuple[str, ...] = ()


def decide(events: Sequence[AnyEvent], tracks: Mapping[InstanceKey, Track], rules: Rules) -> tuple[Alert, ...]:
    """The alerts that these events call for, in the order of events, then rules; each id once.

    `tracks` holds every instance that `events` speak of, as it stands after them. A rule that the track remembers as
    fired does not fire again in the same attempt.
    """
    alerts = (alert for event in events for alert in _alerts(event, tracks, rules))
    return tuple({alert.id: alert for alert in alerts}.values())


_OfInstances = PhaseChanged | Lost | VerdictChanged | PartiallyFailed


def _alerts(event: AnyEvent, tracks: Mapping[InstanceKey, Track], rules: Rules) -> Iterator[Alert]:
    trigger = _trigger(event)
    if trigger is None:
        return
    for rule in rules.rules:
        if rule.when != trigger:
            continue
        if isinstance(event, SourceChanged):
            if rule.covers(event.source, event.project):
                yield _about_source(rule, event, rules.external_url)
        elif isinstance(event, _OfInstances):
            track = tracks[event.key]
            if rule.name not in track.fired and rule.covers(event.key.source, event.key.project):
                yield _about_instance(rule, track, event, rules.external_url)


_OF_PHASE = {Phase.FAILED: Trigger.FAILED, Phase.CANCELLED: Trigger.CANCELLED}


def _trigger(event: AnyEvent) -> Trigger | None:
    match event:
        case PhaseChanged(after=after):
            return _OF_PHASE.get(after)
        case Lost():
            return Trigger.LOST
        case VerdictChanged(verdict=verdict, raised=True):
            return Trigger(verdict.value)
        case PartiallyFailed():
            return Trigger.PARTIAL_FAILURE
        case SourceChanged(up=False):
            return Trigger.SOURCE_DOWN
        case _:
            return None


def _evidence(event: AnyEvent) -> str:
    match event:
        case VerdictChanged(evidence=evidence):
            return evidence
        case Lost(why=why):
            return why
        case PartiallyFailed(failed=failed, workers=None):
            return f"{failed} {'worker' if failed == 1 else 'workers'} failed"
        case PartiallyFailed(failed=failed, workers=workers):
            return f"{failed} of {workers} workers failed"
        case _:
            return ""


def _about_instance(rule: Rule, track: Track, event: _OfInstances, external_url: str) -> Alert:
    key, failure, at = track.key, track.failure, event.at
    says = "is silent" if isinstance(event, Lost) and event.why else _SAYS[rule.when]
    labels = {
        "alertname": rule.name,
        "severity": rule.severity,
        "source": key.source,
        "project": key.project,
        "instance": key.id,
        "task": failure.task if failure else "",
        "owner": track.owner,
        "code": failure.code if failure else "",
    }
    annotations = {
        "summary": f"{track.name or key.id}{_as_a_step(track)} in {key.project} {says}",
        "message": failure.message if failure else _evidence(event),
        "progress": "\t".join(format_stages(task.stages) for task in track.tasks if task.stages),
        "duration": _duration(track, at),
        "logview": f"{external_url}/api/v1/instances/{quote(str(key))}/logview?redirect",
    }
    return Alert(
        id=fingerprint(rule.name, str(key), str(track.attempt)),
        rule=rule.name,
        severity=rule.severity,
        key=key,
        attempt=track.attempt,
        at=at,
        started_at=track.ended_at or at,
        labels=labels,
        annotations=annotations,
        channels=rule.channels,
        fallback=rule.fallback,
    )


def _as_a_step(track: Track) -> str:
    """What a step of a workflow is part of.

    A step that fails alerts as the instance it is, and so does its workflow, with the text of that step. When the step
    ends, nobody knows whether the workflow will fail by it, or be seen to end at all: a failure that is told twice is
    better than one that is not told. The name of the workflow is what lets the two be read as one.
    """
    return f", step {track.step!r} of {track.parent}," if track.parent else ""


def _about_source(rule: Rule, event: SourceChanged, external_url: str) -> Alert:
    outage = event.outage or event.at
    what = f"{event.source}/{event.project}" if event.alone else event.source
    return Alert(
        id=fingerprint(rule.name, what, outage.isoformat()),
        rule=rule.name,
        severity=rule.severity,
        key=None,
        attempt=1,
        at=event.at,
        started_at=outage,
        labels={
            "alertname": rule.name,
            "severity": rule.severity,
            "source": event.source,
            "project": event.project,
            "instance": "",
            "task": "",
            "owner": "",
            "code": event.reason,
        },
        annotations={
            "summary": f"{what} does not answer: its instances are not watched until it does",
            "message": event.detail or event.reason,
            "progress": "",
            "duration": _text(event.at - outage),
            "logview": external_url,
        },
        channels=rule.channels,
        fallback=rule.fallback,
    )


_SAYS = {
    Trigger.FAILED: "failed",
    Trigger.CANCELLED: "was cancelled",
    Trigger.LOST: "is no longer known to the service",
    Trigger.STALLED: "does not move",
    Trigger.STRAGGLING: "waits for its last workers",
    Trigger.QUEUED_TOO_LONG: "has been queued too long",
    Trigger.LATE: "is late",
    Trigger.PARTIAL_FAILURE: "succeeded, though some of its workers failed",
}


def fingerprint(*parts: str) -> str:
    """Sixteen hexadecimal digits that stand for these parts, in Alertmanager's shape."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _duration(track: Track, at: datetime) -> str:
    began, ended = track.began_at, track.ended_at
    if began is None or (ended is None and track.phase.is_terminal):
        return ""  # it had ended when it was found, and the service does not say when
    return _text((ended or at) - began)


def _text(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}h{minutes:02}m{seconds:02}s" if hours else f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"
