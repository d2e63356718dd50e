"""What a planned job does over time, as a value: no program runs, and every state follows from the seconds gone by.

All times are emulated seconds since the run began, that is since the job was submitted or started again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from monitor.emulator.batchcompute.views import Metrics, State

PLAYS_ON = 1.5  # how much longer than it is let a job would have taken that is to be stopped


class Part(NamedTuple):
    """A task to be laid out: its name, those it waits for, its instances, its share of the work."""

    name: str
    after: tuple[str, ...] = ()
    instances: int = 1
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Flaws:
    """What goes wrong: the last `failing` instances of one task end in failure, after `retries` re-runs each (without
    failing ones its very last instance does, and succeeds in the end)."""

    task: str
    failing: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A task in time. Its instances below `done` finished in an earlier run; the others begin together and finish one
    after the other, the failing ones at the very end."""

    part: Part
    starts: float
    ends: float
    done: int = 0
    failing: int = 0
    retries: int = 0

    @property
    def to_run(self) -> int:
        """Instances that this run has to do."""
        return self.part.instances - self.done

    def finished(self, at: float) -> int:
        """How many instances have finished by then, those of earlier runs among them."""
        most = self.part.instances - self.failing
        if at >= self.ends:
            return most
        if at < self.starts:
            return self.done
        return min(most, self.done + int((at - self.starts) / (self.ends - self.starts) * self.to_run))

    def end_of(self, number: int) -> float:
        """When the instance of that number ends, if nothing cuts the run short."""
        if number >= self.part.instances - self.failing:
            return self.ends
        return self.starts + (self.ends - self.starts) * (number - self.done + 1) / self.to_run

    def tries(self, number: int, at: float) -> int:
        """Re-runs of that instance by then."""
        if number < self.part.instances - max(1, self.failing) or at < self.starts:
            return 0
        if at >= self.ends:
            return self.retries
        return int((at - self.starts) / (self.ends - self.starts) * (self.retries + 1))


@dataclass(frozen=True, slots=True)
class Plan:
    """`wait` seconds in a queue, then the tasks, then `outcome` at `ends`, whatever is still under way."""

    wait: float
    ends: float
    outcome: State
    spans: tuple[Span, ...]

    def state(self, elapsed: float) -> State:
        """Of the job."""
        if elapsed >= self.ends:
            return self.outcome
        return State.WAITING if elapsed < self.wait else State.RUNNING

    def state_of(self, span: Span, elapsed: float) -> State:
        """Of a task."""
        if not span.to_run:
            return State.FINISHED
        if min(elapsed, self.ends) >= span.ends:
            return State.FAILED if span.failing and self.outcome is State.FAILED else State.FINISHED
        if elapsed >= self.ends:
            return State.STOPPED
        return State.WAITING if elapsed < span.starts else State.RUNNING

    def metrics(self, span: Span, elapsed: float) -> Metrics:
        """Of a task's instances."""
        at = min(elapsed, self.ends)
        finished = span.finished(at)
        failed = span.failing if at >= span.ends else 0
        left = span.part.instances - finished - failed
        if elapsed >= self.ends:
            return Metrics(0, 0, finished, failed, left)
        running = left if at >= span.starts else 0
        return Metrics(left - running, running, finished, failed, 0)

    def cut(self, at: float) -> "Plan":
        """The same run, stopped at that moment."""
        return replace(self, ends=at, outcome=State.STOPPED)

    def done(self) -> Mapping[str, int]:
        """How many instances of each task finished before its end: they need no other run."""
        return {span.part.name: span.finished(self.ends) for span in self.spans}


def lay_out(  # noqa: PLR0917 - the last two are options
    parts: Sequence[Part],
    wait: float,
    seconds: float,
    outcome: State,
    flaws: Flaws | None = None,
    done: Mapping[str, int] | None = None,
) -> Plan:
    """A plan of `wait` seconds and then `seconds` until the outcome. A job that fails does so when the task with the
    flaws ends. The parts come in an order in which everything stands behind what it waits for."""
    done = done or {}
    finish: dict[str, float] = {}
    begins: dict[str, float] = {}
    for part in parts:
        begins[part.name] = max((finish[name] for name in part.after), default=0.0)
        to_run = part.instances - done.get(part.name, 0)
        finish[part.name] = begins[part.name] + (part.weight if to_run else 0.0)
    whole = max(finish.values())
    if outcome is State.FAILED and flaws:
        whole = finish[flaws.task]
    elif outcome is State.STOPPED:
        whole /= PLAYS_ON
    unit = seconds / whole if whole else 0.0
    ends = wait + seconds
    spans = []
    for part in parts:
        until = wait + finish[part.name] * unit
        if flaws and part.name == flaws.task and outcome is State.FAILED:
            until = ends  # rounding must not let it miss the end of the job
        elif outcome is State.FINISHED:
            until = min(until, ends)
        failing, retries = (flaws.failing, flaws.retries) if flaws and part.name == flaws.task else (0, 0)
        starts = wait + begins[part.name] * unit
        spans.append(Span(part, starts, until, done.get(part.name, 0), failing, retries))
    return Plan(wait, ends, outcome, tuple(spans))
