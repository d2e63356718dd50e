"""Reading the query string."""

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from monitor.core.filter import Filter
from monitor.core.model import InstanceKey, Phase
from monitor.storage.base import DeliveryState
from monitor.web.errors import ApiError
from monitor.web.query import FILTERS, Query

WORDS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters=","), min_size=1)


def query(text: str, *allowed: str) -> Query:
    """A request's parameters, these being known."""
    return Query(make_mocked_request("GET", f"/?{text}"), allowed=allowed)


@given(st.lists(WORDS, max_size=4), st.sampled_from(["source", "project", "owner", "key"]), st.booleans())
def test_a_list_may_be_repeated_or_have_commas(words: list[str], name: str, joined: bool) -> None:
    """Both ways read the same words, whatever letters they are made of."""
    pairs = [(name, ",".join(words))] if joined else [(name, word) for word in words]
    got = query(URL.build(query=pairs).raw_query_string, *FILTERS).filter()
    assert got == Filter(**{name: frozenset(words)})


def test_a_filter_takes_all_of_its_parameters() -> None:
    """Each parameter lands in its own field."""
    text = "source=s&project=p&phase=failed,lost&owner=o&key=s/p/i&q=part"
    assert query(text, *FILTERS).filter() == Filter(
        source=frozenset("s"),
        project=frozenset("p"),
        phase=frozenset({Phase.FAILED, Phase.LOST}),
        owner=frozenset("o"),
        key=frozenset({"s/p/i"}),
        q="part",
    )


@given(st.integers(-5, 200))
def test_a_number_is_within_its_bounds_or_refused(number: int) -> None:
    """Both bounds are allowed, and nothing beyond them."""
    asked = query(f"n={number}", "n")
    if 1 <= number <= 99:
        assert asked.number("n", default=5, least=1, most=99) == number
    else:
        with pytest.raises(ApiError, match="give a whole number from 1 to 99"):
            asked.number("n", default=5, least=1, most=99)


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(lambda text: text.strip("0123456789")))
def test_what_is_no_number_is_refused(text: str) -> None:
    """Signs, spaces, points, exponents and other scripts' digits are none."""
    with pytest.raises(ApiError, match="give a whole number from 1 to 99"):
        query(URL.build(query={"n": text}).raw_query_string, "n").number("n", default=5, least=1, most=99)


def test_single_values_words_and_keys() -> None:
    """Absent is None, empty is absent, and what is there is read as its type."""
    asked = query("a=x&state=pending&key=s/p/i/j&empty=", "a", "state", "key", "empty")
    assert (asked.text("a"), asked.text("none"), asked.text("empty")) == ("x", None, None)
    assert asked.word("state", DeliveryState) is DeliveryState.PENDING
    assert asked.key("key") == InstanceKey("s", "p", "i/j")
    assert asked.word("none", DeliveryState) is asked.key("none") is None


def test_nothing_is_read_where_nothing_is_known() -> None:
    """A parameter where none is read is refused with these words."""
    with pytest.raises(ApiError, match="unknown parameter 'a': none is read here"):
        query("a=1")
