"""Cutting text that others wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.text import MARK, clip


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [("", 5, ""), ("abcde", 5, "abcde"), ("abcdef", 5, "abcd" + MARK), ("中文名字", 3, "中文" + MARK), ("ab", 1, MARK)],
)
def test_what_is_cut_carries_a_mark(text: str, limit: int, expected: str) -> None:
    """Text up to the limit stays as it is; longer text ends in the mark, within the limit."""
    assert clip(text, limit) == expected


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_the_limit_holds_for_any_text(text: str, limit: int) -> None:
    """Nothing longer than the limit comes out, and the beginning is kept."""
    cut = clip(text, limit)
    assert len(cut) <= limit
    assert text.startswith(cut.removesuffix(MARK) if cut != text else text)
