"""The language of the journeys: one observation a line, and indented beneath it what came out.

    # a remark
    policy lost_after=3 lost_within=30s stalled=30m straggling=10m queued=30m late=2h (off: never)
    rule InstanceFailed failed critical                           who is told, of what, how loudly
    @10 seen running native=Running progress=0.4 task=Copy:running M1_Stg1_job0:1/0/3[0%]
    @12 missed timeout                                            a poll failed
    @14 gone                                                      "no such instance"
    @18 silent WHY                                                nothing more is expected of one that is only heard of
    @20 tick [blind]                                              time passed
    @30 unanswered timeout [project]                              a listing failed
    @40 swept [project]                                           a listing was complete
    restored                                                      the track went to storage and came back
    look                                                          how the track stands now

`@` is when something was learned, in seconds (or 90s, 5m, 2h) after the beginning; lines stand in the order of arrival.
`seen` takes a phase, or `?` where the service does not tell, then any of native= name= owner= attempt= progress=
queue=POSITION/LENGTH failed=WORKERS[/OF] created=@T started=@T ended=@T failure="CODE: message", written=TEXT
(the end as the service writes it), then tasks:
task=NAME[:PHASE] opens one, stages follow; `no-stages` is an empty answer about stages. After the line `restarts` the
service is one that runs an instance again under its id and counts no attempts. Nothing indented means that nothing
came out.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from monitor.core.alerting import Alert, Rule, Rules, Trigger, decide
from monitor.core.codec import decode_track, encode
from monitor.core.events import (
    AnyEvent,
    Contradicted,
    Discovered,
    Failed,
    Gone,
    Lost,
    Missed,
    Observation,
    PartiallyFailed,
    PhaseChanged,
    ProgressMoved,
    Seen,
    Silent,
    SourceChanged,
    StageFinished,
    Swept,
    Tick,
    VerdictChanged,
)
from monitor.core.health import Health, step_health
from monitor.core.model import Failure, InstanceKey, Phase, Queue, Task, Track
from monitor.core.progress import format_stages, parse_line
from monitor.core.tracker import Policy, step
from monitor.core.verdicts import Limits

BEGINNING = datetime(2016, 5, 19, 10, 0, tzinfo=UTC)
KEY = InstanceKey("warehouse", "analytics", "20160519101349613gzbzufck2")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def retell(text: str) -> str:
    """The same journey with what comes out of it now."""
    return "\n".join(_lines(text)) + "\n"


def _lines(text: str) -> Iterator[str]:
    teller = _Teller()
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(" "):
            continue
        yield line
        if not line or line.startswith("#"):
            continue
        try:
            told = teller.tell(line)
        except (ValueError, KeyError) as error:
            raise ValueError(f"line {number}: {line!r}: {error}") from error
        yield from (f"    {came_out}" for came_out in told)


class _Teller:
    """One track, one source, and the operator's decisions."""

    def __init__(self) -> None:
        self.track: Track | None = None
        self.policy = Policy()
        self.rules: tuple[Rule, ...] = ()
        self.health: dict[tuple[str, str], Health] = {}
        self.alerts: set[str] = set()
        self.restarts = False

    def tell(self, line: str) -> list[str]:
        words = shlex.split(line)
        if words[0].startswith("@"):
            at = _time(words[0])
            verb: Callable[[datetime, list[str]], list[str]] = {
                "seen": self.seen,
                "missed": self.missed,
                "gone": self.gone,
                "silent": self.silent,
                "tick": self.tick,
                "unanswered": self.unanswered,
                "swept": self.swept,
            }[words[1]]
            return verb(at, words[2:])
        decision = {
            "policy": self.decide,
            "rule": self.rule,
            "restarts": self.allow_restarts,
            "restored": self.restored,
            "look": self.look,
        }[words[0]]
        return decision(words[1:])

    # --- what an instance may live through ---

    def seen(self, at: datetime, words: list[str]) -> list[str]:
        return self._step(replace(_seen(at, words), restarts=self.restarts))

    def missed(self, at: datetime, words: list[str]) -> list[str]:
        return self._step(Missed(KEY, at, words[0]))

    def gone(self, at: datetime, _words: list[str]) -> list[str]:
        return self._step(Gone(KEY, at))

    def silent(self, at: datetime, words: list[str]) -> list[str]:
        return self._step(Silent(KEY, at, words[0]))

    def tick(self, at: datetime, words: list[str]) -> list[str]:
        return self._step(Tick(at, blind=words == ["blind"]))

    def _step(self, got: Observation) -> list[str]:
        self.track, events = step(self.track, got, self.policy)
        alerts: tuple[Alert, ...] = ()
        if self.track is not None:
            alerts = decide(events, {KEY: self.track}, self._all_rules())
            self.track = replace(self.track, fired=self.track.fired | {alert.rule for alert in alerts})
        late = [f" at {_offset(event.at)}" if event.at != got.at else "" for event in events]
        return [_event(event) + when for event, when in zip(events, late, strict=True)] + self._fire(alerts)

    # --- what a source may live through ---

    def unanswered(self, at: datetime, words: list[str]) -> list[str]:
        reason, *project = words
        return self._ask(Failed(KEY.source, *(project or [KEY.project]), at=at, reason=reason))

    def swept(self, at: datetime, words: list[str]) -> list[str]:
        return self._ask(Swept(KEY.source, *(words or [KEY.project]), at=at, ids=frozenset()))

    def _ask(self, got: Failed | Swept) -> list[str]:
        health, changes = step_health(self.health, got)
        self.health[got.source, got.project] = health
        alerts = decide(changes, {}, self._all_rules())
        return [*map(_source, changes), *self._fire(alerts)]

    def _fire(self, alerts: Sequence[Alert]) -> list[str]:
        told = [f"alert {alert.rule}, the same" if alert.id in self.alerts else _alert(alert) for alert in alerts]
        self.alerts |= {alert.id for alert in alerts}
        return told

    # --- what the operator decides, and looks at ---

    def decide(self, words: list[str]) -> list[str]:
        for name, value in (word.split("=") for word in words):
            if name == "lost_after":
                self.policy = replace(self.policy, lost_after=int(value))
            elif name == "lost_within":
                self.policy = replace(self.policy, lost_within=_span(value))
            else:
                limit = None if value == "off" else _span(value)
                self.policy = replace(self.policy, limits=Limits(**_fields(self.policy.limits) | {name: limit}))
        return []

    def rule(self, words: list[str]) -> list[str]:
        name, when, severity, *projects = words
        self.rules += (Rule(name, Trigger(when), severity, ("ops",), projects=frozenset(projects)),)
        return []

    def allow_restarts(self, _words: list[str]) -> list[str]:
        self.restarts = True
        return []

    def _all_rules(self) -> Rules:
        return Rules(self.rules, "http://stagewatch.example")

    def restored(self, _words: list[str]) -> list[str]:
        self.track = decode_track(encode(self.track)) if self.track else None
        return []

    def look(self, _words: list[str]) -> list[str]:
        track = self.track
        if track is None:
            return ["unknown"]
        parts = [str(track.phase), track.native_status, f"attempt {track.attempt}", f"progress {_some(track.progress)}"]
        if track.queue:
            parts.append(f"queue {_some(track.queue.position)}/{_some(track.queue.length)}")
        parts += [f"{task.name} {_some(task.phase)} {format_stages(task.stages)}".rstrip() for task in track.tasks]
        if track.ended_at:
            parts.append(f"ended {_offset(track.ended_at)}")
        if track.failure:
            parts.append(f"failure {track.failure.code} {track.failure.message}".rstrip())
        if track.failed_workers:
            parts.append(f"failed workers {track.failed_workers}")
        parts += sorted(track.verdicts)
        return [", ".join(part.replace("\t", " ") for part in parts if part)]


# --- reading ------------------------------------------------------------------------------------------------------


def _seen(at: datetime, words: list[str]) -> Seen:
    phase, *rest = words
    got = Seen(key=KEY, at=at, kind="maxcompute", phase=None if phase == "?" else Phase(phase))
    tasks: list[Task] = []
    for word in rest:
        name, _, value = word.partition("=")
        if name == "task":
            task, _, stood = value.partition(":")
            tasks.append(Task(task, phase=Phase(stood) if stood else None))
        elif name == "no-stages":
            got = replace(got, stages_read=True)
        elif name == "failed":
            failed, _, workers = value.partition("/")
            got = replace(got, failed_workers=int(failed), workers=int(workers) if workers else None)
        elif read := _FIELDS.get(name):
            got = replace(got, **{_NAMES.get(name, name): read(value)})
        elif parsed := parse_line(word):
            got = replace(got, stages_read=True)
            task = tasks.pop() if tasks else Task("AnonymousSQLTask")
            tasks.append(replace(task, stages=(*task.stages, *parsed.stages)))
        else:
            raise ValueError(f"{word!r} is neither a field nor a stage")
    return replace(got, tasks=tuple(tasks)) if tasks or got.stages_read else got


def _failure(text: str) -> Failure:
    code, _, message = text.partition(":")
    return Failure("AnonymousSQLTask", code.strip(), message.strip())


def _queue(text: str) -> Queue:
    position, length = text.split("/")
    return Queue(int(position), int(length))


def _span(text: str) -> timedelta:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None:
        raise ValueError(f"{text!r} is no span: write 90, 90s, 5m or 2h")
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


def _time(text: str) -> datetime:
    return BEGINNING + _span(text.removeprefix("@"))


_FIELDS: dict[str, Callable[[str], object]] = {
    "native": str,
    "name": str,
    "owner": str,
    "attempt": int,
    "progress": float,
    "queue": _queue,
    "created": _time,
    "started": _time,
    "ended": _time,
    "written": str,
    "failure": _failure,
}
_NAMES = {
    "native": "native_status",
    "created": "created_at",
    "started": "started_at",
    "ended": "ended_at",
    "written": "end_text",
}


def _fields(limits: Limits) -> dict[str, timedelta | None]:
    return {name: getattr(limits, name) for name in limits.__struct_fields__}


# --- writing ------------------------------------------------------------------------------------------------------


def _event(event: AnyEvent) -> str:
    match event:
        case Discovered():
            return "discovered"
        case PhaseChanged(before=before, after=after, attempt=attempt):
            return f"phase {_some(before)} -> {after}" + (f" (attempt {attempt})" if attempt > 1 else "")
        case ProgressMoved(progress=progress):
            return f"progress {_some(progress)}"
        case StageFinished(task=task, stage=stage):
            return f"stage {task} {format_stages((stage,))}".rstrip()
        case VerdictChanged(verdict=verdict, raised=True, evidence=evidence):
            return f"verdict {verdict} raised: {evidence}"
        case VerdictChanged(verdict=verdict):
            return f"verdict {verdict} taken back"
        case PartiallyFailed(failed=failed, workers=workers):
            return f"partial failure: {failed} of {_some(workers)} workers"
        case Lost(before=before, why=why):
            return f"lost, was {before}" + (f": {why}" if why else "")
        case Contradicted(phase=phase, said=said):
            return f"contradicted: it is {phase}, and the service says {said}"
        case _:
            raise TypeError(f"a step does not make {event!r}")


def _source(change: SourceChanged) -> str:
    if change.up:
        return f"source {change.source}/{change.project} up, after {_some(change.lasted)} s"
    since = f", since {_offset(change.outage)}" if change.outage else ""
    return f"source {change.source}/{change.project} down: {change.reason}{since}"


def _alert(alert: Alert) -> str:
    said = alert.annotations
    parts = [f"alert {alert.rule} {alert.severity}", alert.labels["code"], said["message"], said["progress"]]
    parts.append(f"after {said['duration']}" if said["duration"] else "")
    return " | ".join(part.replace("\t", " ").strip() for part in parts if part)


def _some(value: float | str | None) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _offset(at: datetime) -> str:
    return f"@{(at - BEGINNING).total_seconds():g}"
