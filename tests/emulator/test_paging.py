from collections.abc import Iterable
from collections.abc import Set as AbstractSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.emulator.errors import ServiceError
from monitor.emulator.instances import Instance
from monitor.emulator.jobs import Job
from monitor.emulator.paging import MAX_ITEMS, Wanted, page
from monitor.emulator.plan import Plan


def _instances(numbers: Iterable[int]) -> list[Instance]:
    job, plan = Job("t", "SQL"), Plan(0, 1)
    return [Instance(f"i{number}", number, "demo", "me", job, 0.0, plan) for number in numbers]


def _walk(
    instances: list[Instance], size: int, *, newest_first: bool, gone: AbstractSet[int] = frozenset()
) -> list[int]:
    """Reads all pages; after the first, some have gone."""
    seen: list[int] = []
    marker = ""
    while True:
        found = page(instances, Wanted.read(str(size), marker), lambda _: True, newest_first=newest_first)
        seen += [instance.number for instance in found.instances]
        if not found.marker:
            return seen
        marker = found.marker
        instances = [instance for instance in instances if instance.number not in gone]


@given(st.integers(0, 60), st.integers(1, 20), st.booleans())
def test_pages_hold_everything_once(count: int, size: int, newest_first: bool) -> None:
    """In the order of the listing, whatever the size of a page."""
    numbers = list(range(1, count + 1))
    if newest_first:
        numbers.reverse()
    assert _walk(_instances(numbers), size, newest_first=newest_first) == numbers


@given(st.sets(st.integers(1, 40)), st.integers(1, 10))
def test_what_goes_between_two_pages_shifts_nothing(gone: set[int], size: int) -> None:
    """Nobody who stays is skipped or listed twice, even if the one that the marker names has gone."""
    numbers = list(range(1, 41))
    seen = _walk(_instances(numbers), size, newest_first=False, gone=gone)
    assert [number for number in seen if number not in gone] == [number for number in numbers if number not in gone]
    assert len(seen) == len(set(seen))


def test_hidden_and_unfit_instances_are_left_out() -> None:
    """And do not take up room on the page."""
    instances = _instances(range(1, 7))
    instances[0].hidden = True
    found = page(instances, Wanted(3, None), lambda one: one.number != 3, newest_first=False)
    assert [instance.number for instance in found.instances] == [2, 4, 5]


def test_a_page_never_holds_more_than_the_cap() -> None:
    """Whatever is asked for, and by default."""
    assert Wanted.read("5000", "").max_items == MAX_ITEMS
    assert Wanted.read("", "").max_items == MAX_ITEMS


@pytest.mark.parametrize(("max_items", "marker"), [("0", ""), ("-1", ""), ("x", ""), ("²", ""), ("", "!"), ("", "é")])
def test_nonsense_is_refused(max_items: str, marker: str) -> None:
    """With the parameter's name."""
    with pytest.raises(ServiceError, match=r"maxitems|marker"):
        Wanted.read(max_items, marker)
