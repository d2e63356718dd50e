import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.emulator.batchcompute.paging import DEFAULT_ITEMS, MAX_ITEMS, Page, cut, max_items_of, number_of
from monitor.emulator.errors import ServiceError


@given(st.lists(st.integers()), st.integers(1, 7))
def test_pages_hold_everything_once(items: list[int], size: int) -> None:
    """Each begins with what the one before named."""
    seen: list[int] = []
    while True:
        page = cut(items[len(seen) :], size)
        seen += page.items
        if page.beyond is None:
            break
        assert page.beyond == items[len(seen)]
    assert seen == items


def test_a_page_of_nothing_leads_nowhere() -> None:
    """It could lead only to itself."""
    assert cut([1, 2], 0) == Page((), None)


def test_the_size_of_a_page() -> None:
    """Up to a hundred, fifty if nothing is said."""
    assert (max_items_of(""), max_items_of("0"), max_items_of("100")) == (DEFAULT_ITEMS, 0, MAX_ITEMS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ten", "Its type must be integer"),
        ("1.5", "integer"),
        ("٣", "integer"),
        ("101", r"in \[0, 100\]"),
        ("-1", r"in \[0, 100\]"),
        ("9" * 50, r"in \[0, 100\]"),
    ],
)
def test_a_size_that_cannot_be(text: str, why: str) -> None:
    """Is refused in the published words."""
    with pytest.raises(ServiceError, match=why) as caught:
        max_items_of(text)
    assert (caught.value.status, caught.value.code) == (400, "InvalidMaxItemCount")


def test_an_id_holds_the_number_of_its_job() -> None:
    """In its last half."""
    assert number_of("job-0000000058184218000008150000000D") == 0x000008150000000D


@pytest.mark.parametrize("marker", ["0", "job-1", "job-" + "g" * 32, "job-0000000058184218000008150000000D\n"])
def test_a_marker_is_the_id_of_a_job(marker: str) -> None:
    """Anything else was not given out by the service."""
    with pytest.raises(ServiceError, match="must be the id of a job") as caught:
        number_of(marker)
    assert (caught.value.status, caught.value.code) == (400, "InvalidMarker")
