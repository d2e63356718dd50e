"""Characters that were cut in two."""

import json

import msgspec
import pytest

from monitor.sources.surrogates import replace_halves


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r'"plain"', "plain"),
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"cut \ud83d"', "cut \ufffd"),
        (r'"\ude00 cut"', "\ufffd cut"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (r'"C:\\\\ud83d"', "C:\\\\ud83d"),
        (r'"\\\ud83d"', "\\\ufffd"),
    ],
)
def test_halves_become_replacement_characters(written: str, read: str) -> None:
    """Whole pairs stay, and so does a text that only looks like half of one."""
    assert msgspec.json.decode(replace_halves(written)) == read
    assert json.loads(replace_halves(written)) == read
