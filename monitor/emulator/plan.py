"""What an instance does over time, as a value.

The state at any moment is a pure function of (plan, elapsed emulated seconds): no timer, no counter, nothing to keep
up to date. A change of fate (stopped, failed, result late) is another plan. All times are seconds since submission.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil, inf, nextafter
from typing import NamedTuple

WARM_UP = 0.1  # share of a stage's time before its first worker can be done
ALMOST = 0.97  # share of a stage's time after which all data has been read, though workers still write


class Phase(StrEnum):
    """Where an instance stands. The words on the wire are made of it and the outcome."""

    WAITING = "waiting"
    RUNNING = "running"
    SUSPENDED = "suspended"
    ENDED = "ended"


class Outcome(StrEnum):
    """How a task ends, in the words of the service."""

    SUCCESS = "Success"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class StageView(NamedTuple):
    """A stage at one moment. `running` leaves backups out; `running + terminated <= total`."""

    name: str
    status: str
    running: int
    terminated: int
    total: int
    backups: int
    percent: int
    input_records: int
    output_records: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A wave of `workers`, of which at most `slots` run at once.

    `stragglers` of them end only with the stage, the others by `bulk_ends`. Until `resized` the stage is believed to
    need `planned` workers.
    """

    name: str
    workers: int
    starts: float
    ends: float
    bulk_ends: float
    stragglers: int = 0
    slots: int = 100
    planned: int = 0
    resized: float = 0.0
    records: int = 0

    def total(self, at: float) -> int:
        """Workers that the stage is believed to have at that moment."""
        return self.planned if at < self.resized else self.workers

    def terminated(self, at: float) -> int:
        """Workers that have ended. Never falls."""
        if at >= self.ends:
            return self.workers
        done = int((self.workers - self.stragglers) * max(0.0, self._share(at) - WARM_UP) / (1 - WARM_UP))
        return min(done, max(0, self.total(at) - 1))

    def percent(self, at: float) -> int:
        """Data read, in whole percent: may stand at 100 while a worker still runs. Never falls."""
        return 100 if at >= self.ends else int(100 * min(1.0, self._share(at) / ALMOST))

    def view(self, at: float) -> StageView:
        """The stage at that moment of an undisturbed run."""
        total, done, percent = self.total(at), self.terminated(at), self.percent(at)
        running, status = 0, "WAITING"
        if at >= self.ends:
            status = "TERMINATED"
        elif at >= self.starts:
            started = ceil(total * min(1.0, (self._share(at) + 0.01) / WARM_UP))
            running, status = min(max(1, started - done), total - done, self.slots), "RUNNING"
        backups = 0
        if status == "RUNNING" and 0 < total - done <= self.stragglers:
            backups = max(1, (total - done) // 2)
        return StageView(
            self.name,
            status,
            running,
            done,
            total,
            backups,
            percent,
            self.records * percent // 100,
            self.records * percent // 200,
        )

    def _share(self, at: float) -> float:
        if at < self.starts:
            return 0.0
        span = self.bulk_ends - self.starts
        return min(1.0, (at - self.starts) / span) if span > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Pause:
    """The stages stand still for a while: `suspended` by the service, or stalled, which no status word shows."""

    at: float
    seconds: float
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """`wait` seconds in a queue, then stages, then the outcome at `ends` (infinite: it never ends by itself).

    Stages do not move past `limit`, whatever the time: the point where the run is held up.
    """

    wait: float
    ends: float
    stages: tuple[Stage, ...] = ()
    outcome: Outcome = Outcome.SUCCESS
    queue: int = 1
    limit: float = inf
    pauses: tuple[Pause, ...] = ()

    def phase(self, elapsed: float) -> Phase:
        """Where the instance stands after that many seconds."""
        if elapsed >= self.ends:
            return Phase.ENDED
        if elapsed < self.wait:
            return Phase.WAITING
        for pause in self.pauses:
            if pause.suspended and pause.at <= elapsed < pause.at + pause.seconds:
                return Phase.SUSPENDED
        return Phase.RUNNING

    def views(self, elapsed: float) -> tuple[StageView, ...]:
        """All stages at that moment; none while the instance waits for its first worker."""
        if min(elapsed, self.ends) < self.wait:
            return ()
        ended = elapsed >= self.ends
        if ended and self.outcome is Outcome.SUCCESS:
            return tuple(stage.view(inf) for stage in self.stages)
        at = self._progress(elapsed)
        views = tuple(stage.view(at) for stage in self.stages)
        return tuple(_broken_off(view, self.outcome) for view in views) if ended else views

    def fraction(self, elapsed: float) -> float:
        """Overall progress from 0 to 1, weighted by workers."""
        if elapsed >= self.ends and self.outcome is Outcome.SUCCESS:
            return 1.0
        at = self._progress(elapsed)
        whole = done = 0
        for stage in self.stages:
            total = stage.total(at)
            whole += total
            if at >= stage.starts:
                done += total * stage.percent(at)
        return done / whole / 100 if whole else 0.0

    def wait_position(self, elapsed: float) -> int:
        """Place in the queue: falls to 1, and is 0 once the instance has resources."""
        if elapsed >= min(self.wait, self.ends):
            return 0
        return max(1, ceil(self.queue * (1 - elapsed / self.wait)))

    def cut(self, at: float, outcome: Outcome) -> "Plan":
        """The same run, broken off at that moment."""
        return replace(self, ends=at, outcome=outcome)

    def paused(self, at: float, seconds: float, *, suspended: bool = False) -> "Plan":
        """The same run with a standstill in it, for ever if `seconds` is infinite."""
        return replace(self, ends=self.ends + seconds, pauses=(*self.pauses, Pause(at, seconds, suspended)))

    def held(self) -> "Plan":
        """The same run, which cannot come to its end yet: the last worker of all stages goes on and on."""
        last = max((stage.ends for stage in self.stages), default=self.ends)
        return replace(self, ends=inf, limit=nextafter(last, 0.0))

    def ending(self, at: float) -> "Plan":
        """The same run, ending no sooner than at that moment."""
        return replace(self, ends=max(self.ends, at))

    def _progress(self, elapsed: float) -> float:
        at = min(elapsed, self.ends)
        lost = 0.0
        for pause in self.pauses:
            lost += min(pause.seconds, max(0.0, at - pause.at))
        return min(at - lost, self.limit)


class Part(NamedTuple):
    """A stage to be laid out: kind letter(s), id, the ids it reads from, its workers, its share of the work."""

    kind: str
    id: int
    depends_on: tuple[int, ...] = ()
    workers: int = 1
    weight: float = 1.0

    @property
    def name(self) -> str:
        """As the service names the stages of an SQL task, such as `J3_1_2_Stg1_job_0`."""
        return f"{self.kind}{'_'.join(map(str, (self.id, *self.depends_on)))}_Stg1_job_0"


def lay_out(parts: Sequence[Part], *, wait: float, seconds: float, queue: int = 1, records: int = 0) -> Plan:
    """A plan of `seconds` in all, of which `wait` in the queue, where each stage starts when those it reads have ended.

    The parts come in an order in which every dependency stands before its reader.
    """
    finish: dict[int, float] = {}
    for part in parts:
        finish[part.id] = _begin(part, finish) + part.weight
    unit = (seconds - wait) / max(finish.values(), default=1.0)
    stages = []
    for part in parts:
        starts = wait + _begin(part, finish) * unit
        ends = min(seconds, wait + finish[part.id] * unit)  # rounding must not outlive the plan
        stragglers = max(1, part.workers // 100) if part.workers >= 8 else 0  # few workers have no tail
        stages.append(
            Stage(
                part.name,
                part.workers,
                starts,
                ends,
                bulk_ends=starts + (ends - starts) * (0.85 if stragglers else 1.0),
                stragglers=stragglers,
                records=records,
            )
        )
    return Plan(wait=wait, ends=seconds, stages=tuple(stages), queue=queue)


def at_once(elapsed: float, outcome: Outcome) -> Plan:
    """It ended after that time without a worker: refused by the compiler, or nothing to distribute."""
    return Plan(wait=0.0, ends=elapsed, outcome=outcome)


def _begin(part: Part, finish: Mapping[int, float]) -> float:
    return max((finish[id_] for id_ in part.depends_on), default=0.0)


def _broken_off(view: StageView, outcome: Outcome) -> StageView:
    if view.status == "TERMINATED":
        return view
    status = "FAILED" if outcome is Outcome.FAILED and view.status == "RUNNING" else "CANCELLED"
    return view._replace(status=status, running=0, backups=0)
