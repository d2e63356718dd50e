from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.emulator.batchcompute.description import check_description
from monitor.emulator.batchcompute.levers import lay_parts
from monitor.emulator.batchcompute.plan import Flaws, Part
from monitor.emulator.batchcompute.planned import Planned, Recipe
from monitor.emulator.batchcompute.views import NO_RESULT, InstanceView, Metrics, Result, State
from tests.emulator.batchcompute.hand import Ticks, stopped_clock

BEGAN = 1_800_000_000.0
W, R, F, X, S = State


COUNT = (Part("count", (), 4),)


def planned(parts: Any = COUNT, **wanted: Any) -> tuple[Planned, Ticks]:
    """A planned job that waits 10 seconds and runs for 40, and what moves its time."""
    clock, ticks = stopped_clock()
    recipe = Recipe(**{"name": "n", "parts": parts, "wait": 10.0, "seconds": 40.0, **wanted})
    return Planned("job-1", recipe, clock), ticks


def look(course: Planned, task: str = "count") -> list[InstanceView]:
    """The instances of a task."""
    return list(course.instances(task))


def test_what_is_seen_follows_from_the_time() -> None:
    """Job, task and instances, each with the moments at which it changed."""
    course, ticks = planned()
    view = course.view()
    assert (view.state, view.started, view.ended, view.tasks[0].state) == (W, None, None, W)
    assert {(one.state, one.started, one.progress) for one in look(course)} == {(W, None, 0)}
    ticks.at = 35.0
    view = course.view()
    assert (course.state, view.started, view.ended) == (R, BEGAN + 10, None)
    assert view.tasks[0] == ("count", R, BEGAN + 10, None, Metrics(running=2, finished=2))
    finished, running = look(course)[1:3]
    assert (finished.state, finished.started, finished.ended, finished.progress) == (F, BEGAN + 10, BEGAN + 30, 100)
    assert (running.state, running.ended, running.progress) == (R, None, 83)
    ticks.at = 1000.0
    view = course.view()
    assert (view.state, view.ended, view.tasks[0].ended, course.ends) == (F, BEGAN + 50, BEGAN + 50, 50.0)
    assert [one.ended for one in look(course)] == [BEGAN + at for at in (20, 30, 40, 50)]


def test_it_says_why_it_failed() -> None:
    """In the job and with the instance, in the words that were wanted."""
    course, ticks = planned(outcome=X, flaws=Flaws("count", 2, 3), message="exit code 7: bad input")
    assert look(course)[3].retries == 0
    ticks.at = 50.0
    assert course.view().message == "Instance 2 of task 'count' failed: ProgramFailed: exit code 7: bad input"
    well, *failed = look(course)[1:]
    assert (well.state, well.retries, well.result) == (F, 0, NO_RESULT)
    for one in failed:
        detail = f"instance {one.number}: exit code 7: bad input\n"
        assert (one.state, one.retries, one.ended) == (X, 3, BEGAN + 50)
        assert one.result == Result(1, "ProgramFailed", "exit code 7: bad input", detail)
        assert one.stdout == f"oss://emulator/logs/stdout.job-1.count.{one.number}"


def test_a_listing_can_begin_anywhere() -> None:
    """At any number."""
    course, _ = planned()
    assert [one.number for one in course.instances("count", 2)] == [2, 3]
    assert list(course.instances("count", 4)) == []


def test_a_stop_keeps_what_was_done() -> None:
    """And ends the rest at that moment."""
    course, ticks = planned()
    ticks.at = 25.0
    course.stop()
    ticks.at = 99.0
    assert (course.state, course.view().ended, course.view().message) == (S, BEGAN + 25, "")
    assert [(one.state, one.ended) for one in look(course)] == [
        (F, BEGAN + 20),
        (S, BEGAN + 25),
        (S, BEGAN + 25),
        (S, BEGAN + 25),
    ]


def test_a_restart_keeps_what_was_done_and_succeeds() -> None:
    """The failed instance waits and runs again, as if for the first time."""
    course, ticks = planned(lay_parts(3, 2), outcome=X, flaws=Flaws("count-1", 1, 2))
    ticks.at = 60.0
    assert [task.state for task in course.view().tasks] == [F, X, S]
    before = {name: look(course, name)[0] for name in ("split", "count-1")}
    split = course.view().tasks[0]
    ticks.at = 100.0
    course.restart()
    view = course.view()
    assert (view.state, view.message, view.started, view.ended) == (W, "", None, None)
    assert view.tasks[0] == split
    assert {name: look(course, name)[0] for name in ("split", "count-1")} == before
    again = look(course, "count-1")[1]
    assert (again.state, again.retries, again.started, again.result) == (W, 0, None, NO_RESULT)
    ticks.at = 150.0
    view = course.view()
    assert (view.state, view.started, view.ended) == (F, BEGAN + 110, BEGAN + 150)
    assert [task.state for task in view.tasks] == [F, F, F]
    assert {name: look(course, name)[0] for name in ("split", "count-1")} == before
    assert look(course, "count-1")[1].state is F


def test_a_restart_may_fail_once_more() -> None:
    """If that was wanted; and again after that."""
    course, ticks = planned(outcome=X, again=X, flaws=Flaws("count", 1))
    for end in (50.0, 100.0, 150.0):
        ticks.at = end
        assert (course.state, course.view().ended) == (X, BEGAN + end)
        assert [one.state for one in look(course)] == [F, F, F, X]
        course.restart()
        assert course.state is W


def test_the_end_is_no_matter_of_rounding() -> None:
    """At the second at which a job ends, it has ended."""
    clock, ticks = stopped_clock()
    for began, wait, seconds in ((0.1, 0.2, 0.7), (1e6 / 3, 1 / 7, 1 / 11), (0.3, 0.1, 1e-9)):
        ticks.at = began
        course = Planned("job-1", Recipe(name="n", parts=(Part("a"),), wait=wait, seconds=seconds), clock)
        ticks.at = course.ends
        assert (course.state, course.view().tasks[0].state) == (F, F)


@pytest.mark.parametrize("tasks", [1, 2, 5])
def test_its_description_is_one_that_could_have_been_submitted(tasks: int) -> None:
    """With the graph, the instances and the re-runs of its plan."""
    flaws = Flaws("count-1" if tasks > 2 else "count", 1, 2)
    course, _ = planned(lay_parts(tasks, 3), outcome=X, flaws=flaws, auto_release=True)
    read = check_description({**course.describe(), "Priority": 0})
    assert (read.name, read.fail_on_instance, read.auto_release, len(read.tasks)) == ("n", True, True, tasks)
    assert {task.name: task.max_retries for task in read.tasks if task.max_retries} == {flaws.task: 2}
    assert [task.after for task in read.tasks] == [part.after for part in lay_parts(tasks, 3)]


@given(st.data())
def test_instances_and_counts_agree_at_any_time(data: st.DataObject) -> None:
    """Also after stops and restarts."""
    parts = lay_parts(data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4)))
    outcome, again = (data.draw(st.sampled_from((F, X, S))) for _ in range(2))
    flaws = Flaws(parts[-1].name, 1, data.draw(st.integers(0, 2))) if X in (outcome, again) else None
    course, ticks = planned(parts, outcome=outcome, again=again, flaws=flaws, fail_on_instance=True)
    for _ in range(data.draw(st.integers(1, 8))):
        ticks.at += data.draw(st.floats(0, 40))
        if course.state in (S, X) and data.draw(st.booleans()):
            course.restart()
        elif not course.state.final and data.draw(st.integers(0, 5)) == 0:
            course.stop()
        view = course.view()
        for task in view.tasks:
            found = look(course, task.name)
            assert Metrics.of(one.state for one in found) == task.instances
            assert all((one.ended is not None) == one.state.final for one in found)
            assert (task.ended is not None) == task.state.final
        assert (view.ended is not None) == view.state.final == course.state.final
