"""A job that runs programs: its records, and the transitions between their states.

Nothing happens here by itself. The scheduler asks which instances are ready, and tells when one begins and how it ends;
clients stop and restart. The time of each comes in with it.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from monitor.emulator.batchcompute.description import Description, TaskSpec
from monitor.emulator.batchcompute.orders import Ending, Order, redirect_path
from monitor.emulator.batchcompute.views import (
    LIVE,
    NO_RESULT,
    InstanceView,
    JobView,
    Metrics,
    Result,
    State,
    TaskView,
)


@dataclass(slots=True, eq=False)
class Instance:
    """`retries` counts re-runs of the present attempt of the job; `runs` all runs there ever were."""

    number: int
    state: State = State.WAITING
    started: float | None = None
    ended: float | None = None
    retries: int = 0
    runs: int = 0
    result: Result = NO_RESULT


@dataclass(slots=True, eq=False)
class Task:
    """`waiting` holds the numbers of the instances that have not begun, or that begin again, in the order of turns."""

    spec: TaskSpec
    state: State = State.WAITING
    started: float | None = None
    ended: float | None = None
    instances: list[Instance] = field(default_factory=list)
    waiting: deque[int] = field(default_factory=deque)
    counts: dict[State, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.instances = [Instance(number) for number in range(self.spec.instances)]
        self.waiting.extend(range(self.spec.instances))
        self.counts = dict.fromkeys(State, 0) | {State.WAITING: self.spec.instances}

    def put(self, instance: Instance, state: State) -> None:
        """Moves an instance to another state."""
        self.counts[instance.state] -= 1
        self.counts[state] += 1
        instance.state = state


class Executed:
    """How a job that runs programs fares."""

    def __init__(self, id_: str, description: Description) -> None:
        self.id = id_
        self.name = description.name
        self.auto_release = description.auto_release
        self.clusters = frozenset(spec.cluster_id for spec in description.tasks if spec.cluster_id)
        self.state = State.WAITING
        self._description = description
        self._message = ""
        self._started: float | None = None
        self._ended: float | None = None
        self._tasks = {spec.name: Task(spec) for spec in description.tasks}

    def ready(self, at_most: int) -> list[tuple[Task, Instance]]:
        """The first instances that may begin now: all that their tasks depend on is finished."""
        return list(islice(self._ready(), at_most))

    def begin(self, task: Task, instance: Instance, at: float) -> Order:
        """A ready instance begins a run."""
        task.waiting.remove(instance.number)
        task.put(instance, State.RUNNING)
        instance.started = at
        instance.runs += 1
        task.state = self.state = State.RUNNING
        task.started = at if task.started is None else task.started
        self._started = at if self._started is None else self._started
        spec = task.spec
        return Order(
            job_id=self.id,
            task=spec.name,
            instance=instance.number,
            attempt=instance.runs - 1,
            command_line=spec.command_line,
            package_path=spec.package_path,
            env=spec.env,
            input_mapping=spec.input_mapping,
            output_mapping=spec.output_mapping,
            log_mapping=spec.log_mapping,
            stdout_dir=spec.stdout_dir,
            stderr_dir=spec.stderr_dir,
            timeout=float(spec.timeout),
            cluster_id=spec.cluster_id,
        )

    def end(self, task: Task, instance: Instance, ending: Ending, at: float) -> None:
        """A run has ended. What was stopped meanwhile stays stopped, whatever its program still achieved."""
        if instance.state is not State.RUNNING:
            return
        if ending.failed and instance.retries < task.spec.max_retries:
            instance.retries += 1
            instance.started = None
            task.put(instance, State.WAITING)
            task.waiting.append(instance.number)
            return
        instance.ended = at
        instance.result = Result(ending.exit_code, ending.error_code, ending.error_message, ending.detail)
        task.put(instance, State.FAILED if ending.failed else State.FINISHED)
        if ending.failed and self._description.fail_on_instance:
            task.state, task.ended = State.FAILED, at
            why = f"{ending.error_code}: {ending.error_message}"
            self._message = f"Instance {instance.number} of task '{task.spec.name}' failed: {why}"
            self._break_off(State.FAILED, at)
        elif not any(task.counts[state] for state in LIVE):
            task.state, task.ended = State.FINISHED, at
            if all(one.state is State.FINISHED for one in self._tasks.values()):
                self.state, self._ended = State.FINISHED, at

    def stop(self, at: float) -> None:
        """Ends a live job where it stands."""
        self._break_off(State.STOPPED, at)

    def restart(self) -> None:
        """Lets a stopped or failed job run again what did not finish."""
        self.state, self._message = State.WAITING, ""
        self._started = self._ended = None
        for task in self._tasks.values():
            if task.counts[State.FINISHED] == task.spec.instances:
                continue
            task.state, task.started, task.ended = State.WAITING, None, None
            for instance in task.instances:
                if instance.state is not State.FINISHED:
                    task.put(instance, State.WAITING)
                    task.waiting.append(instance.number)
                    instance.started = instance.ended = None
                    instance.retries, instance.result = 0, NO_RESULT

    def describe(self) -> Mapping[str, Any]:
        """The description as it was submitted."""
        return self._description.source

    def view(self) -> JobView:
        """The job and its tasks now."""
        tasks = [
            TaskView(name, task.state, task.started, task.ended, Metrics(*(task.counts[state] for state in State)))
            for name, task in self._tasks.items()
        ]
        return JobView(self.state, self._message, self._started, self._ended, tasks)

    def instances(self, task: str, first: int = 0) -> Iterator[InstanceView]:
        """The instances of one of its tasks now, from that number on."""
        spec = self._tasks[task].spec
        for number in range(first, spec.instances):
            one = self._tasks[task].instances[number]
            yield InstanceView(
                number,
                one.state,
                one.started,
                one.ended,
                one.retries,
                100 if one.state is State.FINISHED else 0,
                redirect_path(spec.stdout_dir, "stdout", self.id, task, number),
                redirect_path(spec.stderr_dir, "stderr", self.id, task, number),
                one.result,
            )

    def _ready(self) -> Iterator[tuple[Task, Instance]]:
        for task in self._tasks.values():
            if task.waiting and all(self._tasks[name].state is State.FINISHED for name in task.spec.after):
                for number in task.waiting:
                    yield task, task.instances[number]

    def _break_off(self, state: State, at: float) -> None:
        self.state, self._ended = state, at
        for task in self._tasks.values():
            task.waiting.clear()
            for instance in task.instances:
                if not instance.state.final:
                    task.put(instance, State.STOPPED)
                    instance.ended = at
            if not task.state.final:
                task.state, task.ended = State.STOPPED, at
