from typing import Any

import pytest

from monitor.emulator.batchcompute.dependencies import predecessors
from monitor.emulator.errors import ServiceError

TASKS = ("split", "count1", "count2", "merge")


def test_a_graph_is_turned_around() -> None:
    """From predecessor to successors into task to predecessors, in the order of the tasks."""
    given = {"count2": ["merge"], "split": ["count1", "count2", "count1"], "count1": ["merge"], "merge": []}
    assert predecessors(TASKS, given) == {
        "split": (),
        "count1": ("split",),
        "count2": ("split",),
        "merge": ("count1", "count2"),
    }


def test_without_a_graph_nothing_waits() -> None:
    """Every task can begin at once."""
    assert set(predecessors(TASKS, {}).values()) == {()}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"nope": ["merge"]}, "There is no task 'nope'"),
        ({"split": ["nope"]}, "There is no task 'nope', which 'split' leads to"),
        ({"split": [7]}, "There is no task '7'"),
        ({"split": [["merge"]]}, "There is no task"),
        ({"split": "merge"}, "What follows 'split' must be a list"),
        ({"split": None}, "What follows 'split' must be a list"),
        ({"split": ["split"]}, "wait for each other: split -> split"),
        ({"split": ["count1"], "count1": ["merge"], "merge": ["split"]}, "wait for each other"),
    ],
)
def test_what_is_no_order_is_refused(given: dict[str, Any], why: str) -> None:
    """Unknown names, other shapes, circles."""
    with pytest.raises(ServiceError, match=why) as caught:
        predecessors(TASKS, given)
    assert (caught.value.status, caught.value.code) == (400, "InvalidDependencies")
