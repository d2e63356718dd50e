"""A service and a channel that follow a script, on the mock clock. Both keep their Protocol to the letter."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import anyio

from monitor.core.alerting import Alert, Rule, Rules, Trigger
from monitor.core.events import Gone, Seen
from monitor.core.model import Failure, InstanceKey, Phase, Stage, Task
from monitor.notify.base import Receipt
from monitor.sources.base import Check, Detail, Page, Priority, Reason, SourceError

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
WORKERS = 10
OWNER = "somebody@example.test"  # only listings tell it


def moment(seconds: float) -> datetime:
    """This second of the mock clock as a time of day."""
    return EPOCH + timedelta(seconds=seconds)


def now() -> datetime:
    """The time of day on the running clock."""
    return moment(anyio.current_time())


def key(instance: str, project: str = "p", source: str = "s") -> InstanceKey:
    """A key in the source and project that most tests use."""
    return InstanceKey(source, project, instance)


def rules(*triggers: Trigger, channels: tuple[str, ...] = ("ops",)) -> Rules:
    """One rule for each trigger, named after it."""
    every = (Rule(name=trigger.value, when=trigger, severity="critical", channels=channels) for trigger in triggers)
    return Rules(rules=tuple(every), external_url="http://stagewatch.test")


@dataclass
class Life:
    """What happens to one instance, in seconds of the clock. It works from `begins` to `ends`; from `forgotten` on the
    service knows it no more."""

    id: str
    ends: float = inf
    outcome: Phase = Phase.SUCCEEDED
    submitted: float = 0.0
    begins: float | None = None
    project: str = "p"
    forgotten: float = inf
    starts: tuple[str, ...] | None = None  # ids of its steps, of a workflow

    def phase(self, at: float) -> Phase:
        if at >= self.ends:
            return self.outcome
        begins = self.submitted if self.begins is None else self.begins
        return Phase.RUNNING if at >= begins else Phase.WAITING

    def finished(self, at: float) -> int:
        """Workers that have ended."""
        if self.ends == inf:
            return 0
        return int(WORKERS * min(1.0, max(0.0, (at - self.submitted) / (self.ends - self.submitted))))


@dataclass(frozen=True)
class Asked:
    """One request that the service got."""

    at: float
    operation: str
    what: str  # a project, or an id
    detail: Detail | None = None
    priority: Priority | None = None


Trouble = Callable[[str, str], Awaitable[None]]


@dataclass
class ScriptedSource:
    """Answers from the lives of its instances.

    says_how   whether the listing of the ended tells how each ended
    discovery  whether it tracks what nobody registered
    restarts   whether it says that it restarts an instance under the same id
    trouble    called before each answer with the operation and what was asked about; it may raise or wait
    """

    lives: dict[str, Life] = field(default_factory=dict)
    name: str = "s"
    kind: str = "scripted"
    projects: tuple[str, ...] = ("p",)
    page_size: int = 100
    says_how: bool = False
    discovery: bool = True
    lists_progress: bool = True
    restarts: bool = False
    trouble: Trouble | None = None
    asked: list[Asked] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    submitted: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # job descriptions by token
    _reported: dict[InstanceKey, tuple[Phase, int]] = field(default_factory=dict)

    def add(self, *lives: Life) -> None:
        """From now on it knows these, too."""
        self.lives |= {life.id: life for life in lives}

    def requests(self, operation: str, what: str | None = None) -> list[Asked]:
        """What was asked so far, in order."""
        return [one for one in self.asked if one.operation == operation and what in (None, one.what)]

    async def sweep(self, project: str) -> AsyncIterator[Page]:
        await self._answer(Asked(anyio.current_time(), "sweep", project))
        at = anyio.current_time()
        live = [life for life in self._known(project, at) if life.phase(at).is_live]
        for start in range(0, max(1, len(live)), self.page_size):
            page = live[start : start + self.page_size]
            changed = [life for life in page if self._is_changed(life, at)]
            yield Page(now(), tuple(life.id for life in page), tuple(self._listed(life, at) for life in changed))

    async def ended(self, project: str, since: datetime) -> AsyncIterator[Page]:
        await self._answer(Asked(anyio.current_time(), "ended", project))
        at = anyio.current_time()
        over = [life for life in self._known(project, at) if at >= life.ends and moment(life.submitted) >= since]
        for start in range(0, max(1, len(over)), self.page_size):
            page = over[start : start + self.page_size]
            yield Page(now(), tuple(life.id for life in page), tuple(self._listed(life, at) for life in page))

    def discovers(self, seen: Seen) -> bool:
        return self.discovery and seen.key.source == self.name

    async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
        await self._answer(Asked(anyio.current_time(), "inspect", key.id, want, priority))
        at = anyio.current_time()
        life = self.lives.get(key.id)
        if life is None or life.project != key.project or not life.submitted <= at < life.forgotten:
            return Gone(key, now())
        phase = life.phase(at)
        stages = (Stage("M1", int(phase is Phase.RUNNING), life.finished(at), WORKERS),)
        task = Task("t", "SQL", phase, stages=stages if want is Detail.STAGES else ())
        failed = phase is Phase.FAILED and want is not Detail.PHASE
        return Seen(
            key=key,
            at=now(),
            kind=self.kind,
            phase=phase,
            created_at=moment(life.submitted),
            ended_at=moment(life.ends) if phase.is_terminal else None,
            tasks=(task,),
            stages_read=want is Detail.STAGES,
            failure=Failure("t", "ODPS-0130131", f"{life.id} found no table") if failed else None,
            ended=phase.is_terminal,
            restarts=self.restarts,
            children=self._steps(life, at),
        )

    async def stop(self, key: InstanceKey) -> None:
        await self._answer(Asked(anyio.current_time(), "stop", key.id))
        life = self.lives[key.id]
        if life.phase(anyio.current_time()).is_terminal:
            raise SourceError(Reason.CONFLICT, f"{key.id} has already ended")
        self.stopped.append(key.id)
        life.ends, life.outcome = anyio.current_time(), Phase.CANCELLED

    async def restart(self, key: InstanceKey) -> None:
        await self._answer(Asked(anyio.current_time(), "restart", key.id))
        life = self.lives[key.id]
        if life.phase(anyio.current_time()) not in {Phase.FAILED, Phase.CANCELLED}:
            raise SourceError(Reason.CONFLICT, f"{key.id} has neither failed nor been stopped")
        self.restarted.append(key.id)
        life.begins, life.ends = anyio.current_time() + 1, inf

    async def submit(self, project: str, job: Mapping[str, Any], token: str) -> InstanceKey:
        await self._answer(Asked(anyio.current_time(), "submit", project))
        if token not in self.submitted:
            self.submitted[token] = job
            self.add(Life(f"job-{token}", submitted=anyio.current_time(), project=project))
        return InstanceKey(self.name, project, f"job-{token}")

    async def results(self, key: InstanceKey) -> dict[str, str]:
        await self._answer(Asked(anyio.current_time(), "results", key.id))
        return {"t": f"result of {key.id}"}

    async def logview(self, key: InstanceKey, hours: int | None) -> str:
        await self._answer(Asked(anyio.current_time(), "logview", key.id))
        return f"http://logview.test/?i={key.id}&h={hours}"

    async def examine(self, project: str) -> AsyncIterator[Check]:
        await self._answer(Asked(anyio.current_time(), "examine", project))
        yield Check(name="project", ok=project in self.projects, detail=project)

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def _answer(self, asked: Asked) -> None:
        self.asked.append(asked)
        await anyio.lowlevel.checkpoint()
        if self.trouble is not None:
            await self.trouble(asked.operation, asked.what)

    def _steps(self, life: Life, at: float) -> tuple[tuple[str, str], ...] | None:
        if life.starts is None:
            return None
        return tuple((f"step {id_}", id_) for id_ in life.starts if self.lives[id_].submitted <= at)

    def _known(self, project: str, at: float) -> list[Life]:
        mine = (life for life in self.lives.values() if life.project == project)
        return [life for life in mine if life.submitted <= at < life.forgotten]

    def _is_changed(self, life: Life, at: float) -> bool:
        entry = (life.phase(at), life.finished(at) if self.lists_progress else 0)
        where = InstanceKey(self.name, life.project, life.id)
        changed = self._reported.get(where) != entry
        self._reported[where] = entry
        return changed

    def _listed(self, life: Life, at: float) -> Seen:
        phase = life.phase(at)
        over = phase.is_terminal
        return Seen(
            key=InstanceKey(self.name, life.project, life.id),
            at=now(),
            kind=self.kind,
            phase=None if over and not self.says_how else phase,
            created_at=moment(life.submitted),
            ended_at=moment(life.ends) if over else None,
            owner=OWNER,
            progress=life.finished(at) / WORKERS if self.lists_progress and not over else None,
            ended=over,
        )


@dataclass
class ScriptedNotifier:
    """Takes alerts. `script` holds what it does first: None takes one, an exception is raised, `inf` hangs. It tells
    each again `every` so many seconds, `until` so many after it was told first."""

    name: str = "ops"
    script: list[Exception | float | None] = field(default_factory=list)
    tried: list[tuple[float, str]] = field(default_factory=list)  # every try: when, and the alert's id
    taken: list[Alert] = field(default_factory=list)
    closed: bool = False
    every: float = inf
    until: float = inf

    async def send(self, alerts: Sequence[Alert], told: datetime | None = None) -> Receipt:
        self.tried += ((anyio.current_time(), alert.id) for alert in alerts)
        await anyio.lowlevel.checkpoint()
        act = self.script.pop(0) if self.script else None
        if isinstance(act, Exception):
            raise act
        if act is not None:
            await anyio.sleep(act)
        self.taken += alerts
        again = anyio.current_time() + self.every
        over = again >= ((told or now()) - EPOCH).total_seconds() + self.until
        return Receipt(200, "taken", None if over else moment(again))

    async def aclose(self) -> None:
        self.closed = True
        await anyio.lowlevel.checkpoint()
