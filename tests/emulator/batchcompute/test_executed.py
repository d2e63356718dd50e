from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.emulator.batchcompute.description import check_description
from monitor.emulator.batchcompute.executed import Executed
from monitor.emulator.batchcompute.orders import Ending
from monitor.emulator.batchcompute.views import NO_RESULT, InstanceView, Metrics, Result, State
from tests.emulator.batchcompute.client import job

WELL = Ending(0, "", "", "")
BADLY = Ending(3, "ProgramFailed", "exit code 3", "bad input\n")
W, R, F, X, S = State


class Story:
    """A job, and a time that goes on by a second with everything that happens to it."""

    def __init__(self, **fields: Any) -> None:
        self.course = Executed("job-1", check_description(job(**fields)))
        self.now = 0.0

    def tick(self) -> float:
        self.now += 1.0
        return self.now

    def begin(self, at_most: int = 100) -> list[tuple[str, int]]:
        """All that is ready begins, up to a number; gives which."""
        ready = self.course.ready(at_most)
        for task, instance in ready:
            self.course.begin(task, instance, self.tick())
        return [(task.spec.name, instance.number) for task, instance in ready]

    def end(self, number: int, ending: Ending, task: str = "count") -> None:
        """A run of that instance ends."""
        of = self.course._tasks[task]
        self.course.end(of, of.instances[number], ending, self.tick())

    def states(self, task: str = "count") -> list[State]:
        return [one.state for one in self.course.instances(task)]

    def one(self, number: int, task: str = "count") -> InstanceView:
        return next(self.course.instances(task, number))

    @property
    def tasks(self) -> list[State]:
        return [task.state for task in self.course.view().tasks]


def test_a_job_that_goes_well() -> None:
    """Waiting, running from the first instance's begin, finished with the last one's end."""
    story = Story()
    view = story.course.view()
    assert (view.state, view.message, view.started, view.ended) == (W, "", None, None)
    assert story.states() == [W, W, W]
    assert story.begin(2) == [("count", 0), ("count", 1)]
    assert (story.course.state, story.states()) == (R, [R, R, W])
    assert story.begin() == [("count", 2)]
    for number in (1, 0):
        story.end(number, WELL)
    assert (story.course.state, story.tasks, story.states()) == (R, [R], [F, F, R])
    story.end(2, WELL)
    view = story.course.view()
    assert (view.state, view.started, view.ended, story.tasks) == (F, 1.0, 6.0, [F])
    assert view.tasks[0].instances == Metrics(finished=3)
    one = story.one(1)
    assert (one.started, one.ended, one.progress, one.retries, one.result) == (2.0, 4.0, 100, 0, NO_RESULT)
    assert one.stdout == "oss://emulator/logs/stdout.job-1.count.1"
    assert one.stderr == "oss://emulator/logs/stderr.job-1.count.1"


def test_an_order_holds_all_that_a_run_needs() -> None:
    """As it was described; it is numbered through all runs of the instance."""
    course = Executed("job-1", check_description(job("sh Main.sh", MaxRetryCount=1, Timeout=60)))
    task, instance = course.ready(1)[0]
    first = course.begin(task, instance, 1.0)
    assert (first.job_id, first.task, first.instance, first.attempt) == ("job-1", "count", 0, 0)
    assert (first.command_line, first.timeout, first.stdout_dir) == ("sh Main.sh", 60.0, "oss://emulator/logs/")
    course.end(task, instance, BADLY, 2.0)
    course.stop(3.0)
    course.restart()
    assert course.begin(*course.ready(1)[0], 4.0) == replace(first, attempt=1)


def test_a_failed_instance_is_run_again_behind_those_that_wait() -> None:
    """As often as it may; each time it waits, counted before it runs."""
    story = Story(MaxRetryCount=2)
    story.begin(1)
    story.end(0, BADLY)
    one = story.one(0)
    assert (one.state, one.retries, one.started, one.ended, one.result) == (W, 1, None, None, NO_RESULT)
    assert story.course.state is R
    assert story.begin() == [("count", 1), ("count", 2), ("count", 0)]
    story.end(0, BADLY)
    assert story.begin() == [("count", 0)]
    assert (story.one(0).state, story.one(0).retries) == (R, 2)
    story.end(0, BADLY)
    assert (story.one(0).state, story.one(0).retries) == (X, 2)
    assert story.course.state is X


def test_a_retry_that_goes_well_leaves_its_count() -> None:
    """Retries hide failures, and clients want to see that."""
    story = Story(InstanceCount=1, MaxRetryCount=3)
    story.begin()
    story.end(0, BADLY)
    story.begin()
    story.end(0, WELL)
    assert (story.course.state, story.one(0).state, story.one(0).retries) == (F, F, 1)


def test_one_failure_ends_the_job() -> None:
    """Its task has failed, all else that had not ended is stopped, and the job says why."""
    story = Story(tasks=("split", "count", "merge"))
    story.begin()
    for number in range(3):
        story.end(number, WELL, "split")
    story.begin(2)
    story.end(0, WELL)
    story.end(1, BADLY)
    view = story.course.view()
    assert (view.state, story.tasks, story.states(), story.states("merge")) == (X, [F, X, S], [F, X, S], [S, S, S])
    assert view.message == "Instance 1 of task 'count' failed: ProgramFailed: exit code 3"
    assert story.one(1).result == Result(3, "ProgramFailed", "exit code 3", "bad input\n")
    assert (story.one(2).started, story.one(2).ended, view.ended) == (None, story.now, story.now)
    assert story.course.ready(9) == []


def test_what_a_stopped_program_still_achieves_does_not_count() -> None:
    """Its end comes after the decision."""
    story = Story()
    story.begin()
    story.end(0, BADLY)
    for ending in (WELL, BADLY):
        story.end(1, ending)
    assert (story.course.state, story.states()) == (X, [X, S, S])


def test_a_failure_that_may_be_does_not_fail_the_job() -> None:
    """The task counts as finished when all its instances have ended, and what waits for it begins."""
    story = Story(tasks=("count", "merge"), JobFailOnInstanceFail=False)
    story.begin()
    for number, ending in enumerate((BADLY, WELL, BADLY)):
        assert story.begin() == []
        story.end(number, ending)
    assert (story.tasks, story.states()) == ([F, W], [X, F, X])
    assert len(story.begin()) == 3
    for number in range(3):
        story.end(number, WELL, "merge")
    view = story.course.view()
    assert (view.state, view.message, view.tasks[0].instances.failed) == (F, "", 2)


def test_a_task_waits_for_all_that_it_depends_on() -> None:
    """Two may begin together, the one behind them when both are finished."""
    description = job(tasks=("split", "left", "right", "merge"), InstanceCount=1)
    description["DAG"]["Dependencies"] = {"split": ["left", "right"], "left": ["merge"], "right": ["merge"]}
    story = Story()
    story.course = Executed("job-1", check_description(description))
    assert story.begin() == [("split", 0)]
    assert story.begin() == []
    story.end(0, WELL, "split")
    assert story.begin() == [("left", 0), ("right", 0)]
    story.end(0, WELL, "left")
    assert story.begin() == []
    story.end(0, WELL, "right")
    assert story.begin() == [("merge", 0)]


def test_a_stop_ends_everything_at_once() -> None:
    """Also what had not begun."""
    story = Story(tasks=("count", "merge"))
    story.begin(1)
    story.course.stop(9.0)
    view = story.course.view()
    assert (view.state, view.ended, view.message, story.tasks) == (S, 9.0, "", [S, S])
    assert {*story.states(), *story.states("merge")} == {S}
    assert story.begin() == []


@pytest.mark.parametrize("failed", [True, False])
def test_a_restart_runs_only_what_did_not_finish(failed: bool) -> None:
    """After a failure and after a stop, as if it were new: no retries, no times, no reason."""
    story = Story(tasks=("count", "merge"), MaxRetryCount=1)
    story.begin()
    story.end(0, WELL)
    story.end(1, BADLY)
    story.begin()
    if failed:
        story.end(1, BADLY)
    else:
        story.course.stop(story.tick())
    before = story.one(0)
    story.course.restart()
    view = story.course.view()
    assert (view.state, view.message, view.started, view.ended, story.tasks) == (W, "", None, None, [W, W])
    assert story.states() == [F, W, W]
    again = story.one(1)
    assert (again.retries, again.started, again.ended, again.result) == (0, None, None, NO_RESULT)
    assert story.one(0) == before
    assert story.begin() == [("count", 1), ("count", 2)]
    for number in (1, 2):
        story.end(number, WELL)
    assert story.tasks == [F, W]


def test_a_restart_leaves_finished_tasks_alone() -> None:
    """What waits for them can begin at once."""
    story = Story(tasks=("count", "merge"), InstanceCount=1)
    story.begin()
    story.end(0, WELL)
    story.begin()
    story.end(0, BADLY, "merge")
    story.course.restart()
    assert (story.tasks, story.begin()) == ([F, W], [("merge", 0)])


@given(st.data())
def test_whatever_happens_the_counts_and_the_states_agree(data: st.DataObject) -> None:
    """No instance is lost, a live job can go on, and a job that has ended holds nothing live."""
    tasks = ("a", "b", "c")[: data.draw(st.integers(1, 3))]
    story = Story(
        tasks=tasks,
        InstanceCount=data.draw(st.integers(1, 3)),
        MaxRetryCount=data.draw(st.integers(0, 1)),
        JobFailOnInstanceFail=data.draw(st.booleans()),
    )
    course = story.course
    for _ in range(data.draw(st.integers(0, 25))):
        running = [(name, one.number) for name in tasks for one in course.instances(name) if one.state is R]
        action = data.draw(st.sampled_from(("begin", "end", "end", "end", "stop", "restart")))
        if action == "begin":
            story.begin(data.draw(st.integers(1, 3)))
        elif action == "end" and running:
            name, number = data.draw(st.sampled_from(running))
            story.end(number, data.draw(st.sampled_from((WELL, WELL, BADLY))), name)
        elif action == "stop" and not course.state.final:
            course.stop(story.tick())
        elif action == "restart" and course.state in (X, S):
            course.restart()
        view = course.view()
        for task in view.tasks:
            assert Metrics.of(one.state for one in course.instances(task.name)) == task.instances
            assert (task.ended is not None) == task.state.final
        states = {one.state for name in tasks for one in course.instances(name)}
        if course.state.final:
            assert not states & {W, R}
            assert all(task.state.final for task in view.tasks)
        else:
            assert course.ready(1) or R in states
        assert (view.ended is not None) == course.state.final
        assert (view.message != "") == (course.state is X)
