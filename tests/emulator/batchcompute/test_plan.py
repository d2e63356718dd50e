import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.emulator.batchcompute.plan import Flaws, Part, Plan, lay_out
from monitor.emulator.batchcompute.views import Metrics, State

CHAIN = (Part("split", (), 2, 1.0), Part("count", ("split",), 4, 2.0), Part("merge", ("count",), 1, 1.0))
W, R, F, X, S = State


def states(plan: Plan, elapsed: float) -> list[State]:
    """Of the job and of its tasks."""
    return [plan.state(elapsed), *(plan.state_of(span, elapsed) for span in plan.spans)]


def test_a_run_in_time() -> None:
    """It waits, its tasks follow one another by their share of the work, and it ends when it was to end."""
    plan = lay_out(CHAIN, 10, 100, F)
    assert [(span.starts, span.ends) for span in plan.spans] == [(10, 35), (35, 85), (85, 110)]
    assert states(plan, 9.9) == [W, W, W, W]
    assert states(plan, 10) == [R, R, W, W]
    assert states(plan, 84.9) == [R, F, R, W]
    assert states(plan, 110) == [F, F, F, F]


def test_instances_begin_together_and_finish_one_after_the_other() -> None:
    """The counts say so at every moment."""
    plan = lay_out((Part("count", (), 4),), 0, 40, F)
    (span,) = plan.spans
    assert [plan.metrics(span, at).finished for at in (0, 9, 10, 25, 39, 40)] == [0, 0, 1, 2, 3, 4]
    assert plan.metrics(span, 25) == Metrics(running=2, finished=2)
    assert [span.end_of(number) for number in range(4)] == [10, 20, 30, 40]


def test_a_failure_comes_when_the_job_is_to_end() -> None:
    """The task with the flaws fails, what is beside and behind it is stopped."""
    parts = (Part("a", (), 3, 1.0), Part("b", (), 2, 2.0), Part("c", ("a",), 1))
    plan = lay_out(parts, 0, 30, X, Flaws("a", 2, 3))
    assert states(plan, 29) == [R, R, R, W]
    assert states(plan, 30) == [X, X, S, S]
    a, b, c = plan.spans
    assert plan.metrics(a, 30) == Metrics(finished=1, failed=2)
    assert plan.metrics(b, 30) == Metrics(finished=1, stopped=1)
    assert plan.metrics(c, 30) == Metrics(stopped=1)


def test_failures_that_may_be() -> None:
    """The task counts as finished, and the job goes on."""
    plan = lay_out(CHAIN, 0, 40, F, Flaws("count", 3))
    count = plan.spans[1]
    assert plan.metrics(count, 29) == Metrics(running=3, finished=1)
    assert plan.metrics(count, 30) == Metrics(finished=1, failed=3)
    assert states(plan, 30) == [R, F, F, R]


def test_a_stop_finds_work_left() -> None:
    """A job that is to be stopped would have taken longer."""
    plan = lay_out(CHAIN, 0, 40, S)
    assert states(plan, 40) == [S, F, S, S]
    assert plan.metrics(plan.spans[2], 40) == Metrics(stopped=1)


def test_any_run_can_be_cut() -> None:
    """Also in the queue."""
    plan = lay_out(CHAIN, 10, 40, F)
    assert states(plan.cut(5), 5) == [S, S, S, S]
    assert states(plan.cut(25), 60) == [S, F, S, S]
    assert plan.cut(25).metrics(plan.spans[1], 60) == Metrics(finished=1, stopped=3)


def test_retries_grow_while_the_task_runs() -> None:
    """Of the failing instances, or of the last one if none fails."""
    failing = lay_out((Part("a", (), 4),), 0, 40, X, Flaws("a", 2, 3)).spans[0]
    assert [[failing.tries(number, at) for number in range(4)] for at in (0, 15, 40)] == [
        [0, 0, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 3, 3],
    ]
    well = lay_out((Part("a", (), 2),), 0, 40, F, Flaws("a", 0, 1)).spans[0]
    assert [well.tries(number, 40) for number in range(2)] == [0, 1]


def test_a_second_run_does_only_what_is_left() -> None:
    """Tasks that finished take no time, and instances that finished none of their task's."""
    first = lay_out(CHAIN, 0, 40, X, Flaws("count", 1))
    assert first.done() == {"split": 2, "count": 3, "merge": 0}
    second = lay_out(CHAIN, 5, 30, F, None, first.done())
    assert [(span.starts, span.ends, span.to_run) for span in second.spans] == [(5, 5, 0), (5, 25, 1), (25, 35, 1)]
    assert states(second, 0) == [W, F, W, W]
    assert second.metrics(second.spans[1], 0) == Metrics(waiting=1, finished=3)
    assert second.metrics(second.spans[1], 24) == Metrics(running=1, finished=3)
    assert second.spans[1].end_of(3) == 25


@given(
    st.lists(st.tuples(st.integers(1, 5), st.floats(0.1, 9)), min_size=1, max_size=4),
    st.floats(0, 100),
    st.floats(0.001, 1e6),
    st.sampled_from((F, X, S)),
    st.data(),
)
def test_every_plan_keeps_its_promises(
    shape: list[tuple[int, float]], wait: float, seconds: float, outcome: State, data: st.DataObject
) -> None:
    """At any time no instance is missing, nothing runs in the queue, and at the end there is only what has ended."""
    parts = [Part(f"t{n}", (f"t{n - 1}",) if n else (), count, weight) for n, (count, weight) in enumerate(shape)]
    flawed = data.draw(st.sampled_from(parts))
    flaws = Flaws(flawed.name, data.draw(st.integers(1, flawed.instances))) if outcome is X else None
    plan = lay_out(parts, wait, seconds, outcome, flaws)
    times = [*data.draw(st.lists(st.floats(0, 2 * plan.ends), max_size=8)), plan.ends]
    for at in times:
        counts = [plan.metrics(span, at) for span in plan.spans]
        assert [sum(each) for each in counts] == [part.instances for part in parts]
        assert min(min(each) for each in counts) >= 0
        if at < wait:
            assert {plan.state_of(span, at) for span in plan.spans} == {W}
        if at >= plan.ends:
            assert plan.state(at) is outcome
            assert not any(each.waiting or each.running for each in counts)
            told = {plan.state_of(span, at) for span in plan.spans}
            assert (X in told, told == {F}) == (outcome is X, outcome is F)
    assert sum(plan.metrics(span, plan.ends).failed for span in plan.spans) == (flaws.failing if flaws else 0)


@pytest.mark.parametrize("outcome", [F, X, S])
def test_a_single_task_ends_with_the_job(outcome: State) -> None:
    """Whatever comes of it."""
    plan = lay_out((Part("count", (), 3),), 1, 60, outcome, Flaws("count", 1) if outcome is X else None)
    assert [plan.state(at) for at in (0, 1, 60.9, 61)] == [W, R, R, outcome]
