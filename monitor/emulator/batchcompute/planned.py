"""A job without programs, for load, contract and kill tests: it follows a plan on the emulator's clock.

Nothing keeps it up to date, so that thousands of them cost nothing until somebody asks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from monitor.emulator.batchcompute.orders import redirect_path
from monitor.emulator.batchcompute.plan import Flaws, Part, Plan, lay_out
from monitor.emulator.batchcompute.views import NO_RESULT, InstanceView, JobView, Result, State, TaskView
from monitor.emulator.clock import Clock

BUCKET = "emulator"
LOGS = f"oss://{BUCKET}/logs/"
ERROR_CODE = "ProgramFailed"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is wanted of a planned job. Times are emulated seconds: `wait` until it begins, `seconds` from there to its
    outcome. `again` is its outcome after it has been stopped or has failed, and was started again."""

    name: str
    parts: Sequence[Part]
    wait: float
    seconds: float
    outcome: State = State.FINISHED
    again: State = State.FINISHED
    flaws: Flaws | None = None
    fail_on_instance: bool = True
    auto_release: bool = False
    message: str = ""

    @cached_property
    def plan(self) -> Plan:
        """Of the first run, one for all jobs of this recipe."""
        return lay_out(self.parts, self.wait, self.seconds, self.outcome, self.flaws)

    def next_plan(self, done: Mapping[str, int]) -> Plan:
        """Of a later run, in which a job that succeeds has no flaws any more."""
        flaws = self.flaws if self.again is State.FAILED else None
        return lay_out(self.parts, self.wait, self.seconds, self.again, flaws, done)

    def describe(self) -> Mapping[str, Any]:
        """The description that somebody would have submitted for such a job."""
        return {
            "Name": self.name,
            "Type": "DAG",
            "Description": "planned by the emulator",
            "JobFailOnInstanceFail": self.fail_on_instance,
            "AutoRelease": self.auto_release,
            "DAG": {
                "Tasks": {part.name: self._task(part) for part in self.parts},
                "Dependencies": {
                    first.name: [part.name for part in self.parts if first.name in part.after] for first in self.parts
                },
            },
        }

    def _task(self, part: Part) -> dict[str, Any]:
        retries = self.flaws.retries if self.flaws and self.flaws.task == part.name else 0
        return {
            "InstanceCount": part.instances,
            "MaxRetryCount": retries,
            "Timeout": 86_400,
            "ClusterId": "",
            "AutoCluster": {"ResourceType": "OnDemand", "ImageId": "img-ubuntu", "InstanceType": "ecs.sn1.medium"},
            "Parameters": {
                "Command": {"CommandLine": "true", "PackagePath": "", "EnvVars": {}},
                "InputMappingConfig": {"Lock": False, "Locale": "GBK"},
                "StdoutRedirectPath": LOGS,
                "StderrRedirectPath": LOGS,
            },
            "InputMapping": {},
            "OutputMapping": {},
            "LogMapping": {},
        }


@dataclass(frozen=True, slots=True)
class _Run:
    """One attempt: since when, by which plan, and the attempt that did a part of the work before."""

    began: float  # emulated
    plan: Plan
    before: "_Run | None" = None


class Planned:
    """How a planned job fares."""

    clusters: frozenset[str] = frozenset()

    def __init__(self, id_: str, recipe: Recipe, clock: Clock) -> None:
        self.name = recipe.name
        self.auto_release = recipe.auto_release
        self._id = id_
        self._recipe = recipe
        self._clock = clock
        self._run = _Run(clock.emulated(), recipe.plan)

    @property
    def state(self) -> State:
        """Where the job stands now."""
        return self._run.plan.state(self._elapsed())

    @property
    def ends(self) -> float:
        """The emulated second at which it ends as things stand."""
        return self._run.began + self._run.plan.ends

    def describe(self) -> Mapping[str, Any]:
        """The description that somebody would have submitted for it."""
        return self._recipe.describe()

    def stop(self) -> None:
        """Ends a live job where it stands."""
        self._run = replace(self._run, plan=self._run.plan.cut(self._elapsed()))

    def restart(self) -> None:
        """Lets a stopped or failed job run again what did not finish."""
        done = self._run.plan.done()
        self._run = _Run(self._clock.emulated(), self._recipe.next_plan(done), self._run)

    def view(self) -> JobView:
        """The job and its tasks now."""
        run, elapsed = self._run, self._elapsed()
        plan, state = run.plan, run.plan.state(elapsed)
        tasks = [self._task(place, elapsed) for place in range(len(plan.spans))]
        message = ""
        if state is State.FAILED and self._recipe.flaws:
            span = next(span for span in plan.spans if span.part.name == self._recipe.flaws.task)
            number = span.part.instances - span.failing
            result = self._failure(number)
            message = f"Instance {number} of task '{span.part.name}' failed: {result.code}: {result.message}"
        started = self._wall(run, plan.wait) if elapsed >= plan.wait and plan.ends >= plan.wait else None
        return JobView(state, message, started, self._wall(run, plan.ends) if elapsed >= plan.ends else None, tasks)

    def instances(self, task: str, first: int = 0) -> Iterator[InstanceView]:
        """The instances of one of its tasks now, from that number on."""
        place = next(place for place, span in enumerate(self._run.plan.spans) if span.part.name == task)
        elapsed = self._elapsed()
        for number in range(first, self._run.plan.spans[place].part.instances):
            yield self._instance(place, number, elapsed)

    def _task(self, place: int, elapsed: float) -> TaskView:
        run = self._run
        while (before := run.before) and not run.plan.spans[place].to_run:
            run, elapsed = before, before.plan.ends
        plan, span = run.plan, run.plan.spans[place]
        state = plan.state_of(span, elapsed)
        started = self._wall(run, span.starts) if min(elapsed, plan.ends) >= span.starts else None
        ended = self._wall(run, min(span.ends, plan.ends)) if state.final else None
        return TaskView(span.part.name, state, started, ended, plan.metrics(span, elapsed))

    def _instance(self, place: int, number: int, elapsed: float) -> InstanceView:
        run = self._run
        while (before := run.before) and number < run.plan.spans[place].done:
            run, elapsed = before, before.plan.ends
        plan, span = run.plan, run.plan.spans[place]
        at = min(elapsed, plan.ends)
        ends, state = span.end_of(number), State.WAITING
        failing = number >= span.part.instances - span.failing
        if number < span.finished(at):
            state = State.FINISHED
        elif failing and at >= span.ends:
            state = State.FAILED
        elif elapsed >= plan.ends:
            state, ends = State.STOPPED, plan.ends
        elif at >= span.starts:
            state = State.RUNNING
        begun, share = at >= span.starts, (at - span.starts) / max(ends - span.starts, 1e-9)
        return InstanceView(
            number,
            state,
            self._wall(run, span.starts) if begun else None,
            self._wall(run, ends) if state.final else None,
            span.tries(number, at),
            100 if state is State.FINISHED else int(max(0.0, min(0.99, share)) * 100),
            redirect_path(LOGS, "stdout", self._id, span.part.name, number),
            redirect_path(LOGS, "stderr", self._id, span.part.name, number),
            self._failure(number) if state is State.FAILED else NO_RESULT,
        )

    def _failure(self, number: int) -> Result:
        message = self._recipe.message or "exit code 1"
        return Result(1, ERROR_CODE, message, f"instance {number}: {message}\n")

    def _elapsed(self) -> float:
        now, run = self._clock.emulated(), self._run
        elapsed = now - run.began
        return max(elapsed, run.plan.ends) if now >= self.ends else elapsed  # where it ends, rounding has no say

    def _wall(self, run: _Run, elapsed: float) -> float:
        return self._clock.wall_at(run.began + elapsed)
