from math import inf

import msgspec
import pytest

from monitor.emulator.plan import Outcome, Phase
from monitor.emulator.scenario import SCENARIOS, OutcomeWord, Recipe, play


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("outcome", ["success", "failed", "cancelled"])
def test_every_scenario_plays_with_every_outcome(scenario: str, outcome: OutcomeWord) -> None:
    """It waits, then works; whoever is to fail or be cancelled does so in the middle of the run."""
    plan, result = play(Recipe(scenario=scenario, seconds=20, wait=2, outcome=outcome, message="M"))
    assert plan.phase(1) is Phase.WAITING
    assert plan.phase(3) is Phase.RUNNING
    assert plan.views(3)
    if outcome != "success":
        assert plan.ends == 14
        assert plan.outcome == outcome.capitalize()
        assert result.text == "M" if outcome == "failed" else "cancelled" in result.text


def test_a_straggler_never_ends() -> None:
    """One worker of many goes on for ever, and whoever reads from its stage never begins."""
    plan, _ = play(Recipe(scenario="straggler", seconds=20, workers=50))
    first, second = plan.views(1e6)
    assert (first.running, first.terminated, first.total, first.percent) == (1, 49, 50, 100)
    assert (second.running, second.status) == (0, "WAITING")
    assert plan.ends == inf


def test_a_stall_lasts_as_long_as_asked() -> None:
    """For ever, or for a pause; the status word does not tell."""
    forever, _ = play(Recipe(scenario="stall", seconds=20, wait=0))
    assert forever.views(9) == forever.views(1e6)
    assert forever.phase(1e6) is Phase.RUNNING
    pause, _ = play(Recipe(scenario="stall", seconds=20, wait=0, pause=30))
    assert pause.ends == 50


def test_a_suspension_shows() -> None:
    """Until it is over."""
    plan, _ = play(Recipe(scenario="suspended", seconds=20, wait=0, pause=5))
    assert [plan.phase(at) for at in (7, 9, 12.9, 13)] == [
        Phase.RUNNING,
        Phase.SUSPENDED,
        Phase.SUSPENDED,
        Phase.RUNNING,
    ]


def test_a_total_that_changes() -> None:
    """It grows while the stage runs."""
    plan, _ = play(Recipe(scenario="dynamic_total", seconds=20, wait=0, workers=40))
    totals = [plan.views(at)[0].total for at in (0, 1, 10)]
    assert totals == [10, 10, 40]


def test_a_long_queue_takes_most_of_the_time() -> None:
    """With a place far behind."""
    plan, _ = play(Recipe(scenario="long_queue", seconds=10))
    assert plan.wait == 100
    assert plan.wait_position(0) == 120


def test_many_workers_are_many() -> None:
    """As big jobs have them."""
    plan, _ = play(Recipe(scenario="many_workers"))
    assert max(view.total for view in plan.views(plan.wait)) == 1047


def test_a_cancelled_scenario_says_so() -> None:
    """Though nobody stopped it."""
    plan, result = play(Recipe(scenario="cancelled"))
    assert plan.outcome is Outcome.CANCELLED
    assert result.text.startswith("ODPS-0120031:Instance has been cancelled")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"scenario": "nope"}', "scenario must be one of steady, join"),
        ('{"seconds": 0}', "seconds must be above 0"),
        ('{"wait": -1}', "wait and pause must be 0 or more"),
        ('{"workers": 0}', "workers must be between"),
        ('{"outcome": "odd"}', "Invalid enum value 'odd'"),
        ('{"secnods": 5}', "unknown field `secnods`"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(body: str, why: str) -> None:
    """With the field and what it may be."""
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.json.decode(body, type=Recipe)
    assert why in str(raised.value)
