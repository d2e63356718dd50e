from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.emulator.sql.errors import Place, SqlError
from monitor.emulator.sql.lexer import Kind, end_of, tokenize


def test_tokens_know_what_they_are_and_mean() -> None:
    """Words, names, texts with escapes, numbers without suffix, symbols; comments are nothing."""
    tokens = tokenize("select `a``b`, 'it''s\\n', \"x\", 10L, 1.5BD, .5e-3 /* c\n */ <> b -- end")
    assert [(token.kind, token.value) for token in tokens if token.raw != ","] == [
        (Kind.WORD, "select"),
        (Kind.NAME, "a`b"),
        (Kind.TEXT, "it's\n"),
        (Kind.TEXT, "x"),
        (Kind.NUMBER, "10"),
        (Kind.NUMBER, "1.5"),
        (Kind.NUMBER, ".5e-3"),
        (Kind.SYMBOL, "<>"),
        (Kind.WORD, "b"),
    ]


def test_places_count_from_one_across_lines() -> None:
    """Lines and columns as an editor shows them."""
    tokens = tokenize("select\n  a,\n\n 'two\nlines', b")
    assert [(token.raw, token.place.line, token.place.column) for token in tokens][1:] == [
        ("a", 2, 3),
        (",", 2, 4),
        ("'two\nlines'", 4, 2),
        (",", 5, 7),
        ("b", 5, 9),
    ]


@pytest.mark.parametrize(
    ("text", "token", "place"),
    [("select 'open", "'", Place(1, 8)), ("a\n $x", "$", Place(2, 2)), ("1a", "1", Place(1, 1)), ("/* x", "*", None)],
)
def test_what_is_no_token_fails_where_it_stands(text: str, token: str, place: Place | None) -> None:
    """An open text, a character of no meaning, a number with letters; an open comment reads as two symbols."""
    if place is None:
        assert [found.raw for found in tokenize(text)][1] == token
        return
    with pytest.raises(SqlError) as raised:
        tokenize(text)
    assert raised.value.place == place
    assert raised.value.context == f"invalid token '{token}'"


def test_the_end_is_after_the_last_token() -> None:
    """Or at the very beginning."""
    assert end_of(tokenize("select 1  ")) == Place(1, 9)
    assert end_of([]) == Place(1, 1)


@given(st.text(st.sampled_from("ab1 '\"`\\\n-/*.;,()$é"), max_size=40))
def test_any_text_becomes_tokens_or_a_failure(text: str) -> None:
    """No other error, and every token stands where it says."""
    with suppress(SqlError):
        assert all(text[token.start : token.end] == token.raw for token in tokenize(text))
