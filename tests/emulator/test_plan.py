from dataclasses import replace
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from monitor.emulator.plan import Outcome, Part, Phase, Plan, Stage, at_once, lay_out


@st.composite
def _parts(draw: st.DrawFn) -> tuple[Part, ...]:
    parts: list[Part] = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        reads = draw(st.sets(st.sampled_from(range(1, number)), max_size=2)) if number > 1 else set()
        workers, weight = draw(st.integers(1, 1500)), draw(st.floats(0.1, 5))
        parts.append(Part(draw(st.sampled_from("MRJ")), number, tuple(sorted(reads)), workers, weight))
    return tuple(parts)


@st.composite
def _plans(draw: st.DrawFn) -> Plan:
    wait = draw(st.floats(0, 100))
    plan = lay_out(draw(_parts()), wait=wait, seconds=wait + draw(st.floats(0.1, 1000)), queue=9, records=1000)
    if draw(st.booleans()):
        plan = plan.paused(wait + 1, draw(st.floats(0, 50)), suspended=draw(st.booleans()))
    if draw(st.booleans()):
        first = plan.stages[0]
        at = first.starts + draw(st.floats(0, 1)) * (first.ends - first.starts)
        plan = replace(plan, stages=(replace(first, planned=draw(st.integers(1, 100)), resized=at), *plan.stages[1:]))
    return plan


_moments = st.lists(st.floats(0, 1.3), min_size=2, max_size=20).map(sorted)


@given(_plans(), _moments)
def test_workers_add_up_and_terminated_never_falls(plan: Plan, shares: list[float]) -> None:
    """At every moment running + terminated <= total; terminated, percent and the overall fraction only grow."""
    last: dict[str, tuple[int, int]] = {}
    for share in shares:
        for view in plan.views(share * plan.ends):
            assert min(view.running, view.terminated, view.backups, view.percent) >= 0
            assert view.running + view.terminated <= view.total
            assert view.percent <= 100
            assert last.get(view.name, (0, 0)) <= (view.terminated, view.percent)
            last[view.name] = (view.terminated, view.percent)


@given(_plans(), _moments)
def test_a_stage_starts_only_when_those_it_reads_have_ended(plan: Plan, shares: list[float]) -> None:
    """No worker runs before its input is there."""
    for share in shares:
        views = {view.name: view for view in plan.views(share * plan.ends)}
        for stage in plan.stages:
            if stage.name in views and (views[stage.name].running or views[stage.name].terminated):
                reads = stage.name.split("_Stg")[0].split("_")[1:]
                for other in plan.stages:
                    if other.name.split("_")[0].lstrip("MRJ") in reads:
                        assert views[other.name].terminated == views[other.name].total


@given(_plans())
def test_a_success_is_complete(plan: Plan) -> None:
    """At the end every worker of every stage has ended, and nothing runs."""
    for view in plan.views(plan.ends):
        assert (view.status, view.terminated, view.running, view.backups) == ("TERMINATED", view.total, 0, 0)
        assert view.percent == 100
    assert plan.fraction(plan.ends) == 1.0
    assert plan.phase(plan.ends) is Phase.ENDED


@given(_plans(), st.floats(0, 1))
def test_a_running_stage_shows_at_least_one_worker(plan: Plan, share: float) -> None:
    """`RUNNING` with nobody at work would be a lie, also while the plan is held up for ever."""
    for some in (plan, plan.held()):
        for view in some.views(share * plan.ends):
            assert view.status != "RUNNING" or view.running >= 1


@given(_plans(), st.floats(0, 0.99))
def test_a_broken_off_run_keeps_what_was_done(plan: Plan, share: float) -> None:
    """After the cut nobody runs, and the finished workers stay finished."""
    at = share * plan.ends
    before = plan.views(at)
    after = plan.cut(at, Outcome.FAILED).views(at + 1)
    assert [view.terminated for view in before] == [view.terminated for view in after]
    assert all(view.running == 0 and view.status != "RUNNING" for view in after)


def test_the_queue_moves_up_until_the_first_worker() -> None:
    """While it waits there are no stages, and the place in the queue falls to 1, then 0."""
    plan = lay_out([Part("M", 1)], wait=10, seconds=20, queue=5)
    assert [plan.wait_position(at) for at in (0, 4, 9.9, 10)] == [5, 3, 1, 0]
    assert plan.views(9.9) == ()
    assert (plan.phase(9.9), plan.phase(10)) == (Phase.WAITING, Phase.RUNNING)
    assert plan.fraction(5) == 0.0


def test_names_tell_what_a_stage_reads() -> None:
    """Kind, id, dependencies, in the service's grammar."""
    assert Part("J", 3, (1, 2)).name == "J3_1_2_Stg1_job_0"
    assert Part("M", 1).name == "M1_Stg1_job_0"


def test_a_big_stage_has_a_tail() -> None:
    """Near the end of many workers all data is read, one worker still runs, and a backup runs beside it."""
    plan = lay_out([Part("M", 1, workers=1047)], wait=0, seconds=100)
    (view,) = plan.views(95)
    assert (view.percent, view.status) == (100, "RUNNING")
    assert view.running >= 1
    assert view.backups >= 1
    assert view.terminated > 1000


def test_not_all_workers_run_at_once() -> None:
    """A cluster has so many slots."""
    (view,) = lay_out([Part("M", 1, workers=1047)], wait=0, seconds=100).views(40)
    assert view.running == 100


def test_a_held_run_stands_before_its_end() -> None:
    """It never ends and never gives back what it had, until it is let go."""
    plan = lay_out([Part("M", 1, workers=4)], wait=0, seconds=10)
    held = plan.held()
    assert held.phase(1e9) is Phase.RUNNING
    assert [(view.running, view.terminated) for view in held.views(1e9)] == [(1, 3)]
    assert plan.ending(50).ends == 50
    assert plan.ending(5).ends == 10


def test_a_standstill_delays_everything() -> None:
    """Stages stand still during a pause and the end comes later; only a suspension shows in the phase."""
    plan = lay_out([Part("M", 1, workers=10)], wait=0, seconds=10)
    stalled, suspended = plan.paused(5, 20), plan.paused(5, 20, suspended=True)
    assert stalled.views(24) == stalled.views(5)
    assert (stalled.phase(10), suspended.phase(10)) == (Phase.RUNNING, Phase.SUSPENDED)
    assert stalled.ends == 30
    assert plan.paused(5, inf).phase(1e9) is Phase.RUNNING


def test_failed_and_cancelled_stages_say_so() -> None:
    """The stage at work failed; the one behind it was never begun."""
    plan = lay_out([Part("M", 1, workers=10), Part("R", 2, (1,))], wait=0, seconds=10)
    assert [view.status for view in plan.cut(2, Outcome.FAILED).views(3)] == ["FAILED", "CANCELLED"]
    assert [view.status for view in plan.cut(2, Outcome.CANCELLED).views(3)] == ["CANCELLED", "CANCELLED"]
    assert [view.status for view in plan.cut(7, Outcome.FAILED).views(9)] == ["TERMINATED", "FAILED"]


def test_a_stage_may_turn_out_larger_than_planned() -> None:
    """Its total changes when it is resized, and never falls under what has ended."""
    stage = Stage("M1", 40, 0.0, 10.0, bulk_ends=10.0, planned=4, resized=8.0)
    before, after = stage.view(7.9), stage.view(8.0)
    assert (before.total, before.terminated, before.running) == (4, 3, 1)
    assert (after.total, after.terminated) == (40, 31)


def test_an_instance_without_workers_ends_at_once() -> None:
    """What the compiler refuses has no stages, before or after."""
    plan = at_once(0.3, Outcome.FAILED)
    assert plan.phase(0.3) is Phase.ENDED
    assert plan.views(1) == ()
    assert plan.wait_position(0.1) == 0
