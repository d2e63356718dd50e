"""JSON as people write it."""

import json

import pytest
from hypothesis import given

from monitor.sources.base import BadJobError
from monitor.sources.batchcompute.description.jsontext import oddities, parse
from tests.sources.batchcompute.description.jobs import any_json


def told(text: str) -> list[str]:
    """All that is said of this text."""
    try:
        _, faults = parse(text)
    except BadJobError as error:
        faults = list(error.faults)
    return [str(fault) for fault in faults]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ["line 1, column 1: is empty: a job description is a JSON object {...}"]),
        (" \n ", ["line 2, column 2: is empty: a job description is a JSON object {...}"]),
        ('{"a": 1,\n}', ["line 2, column 1: a comma stands before this }: take it out"]),
        ('{"a": [1, ]}', ["line 1, column 11: a comma stands before this ]: take it out"]),
        ("{'a': 1}", ["line 1, column 2: JSON has no single quotes: use double quotes"]),
        ('{"a": True}', ["line 1, column 7: JSON has no True: write true"]),
        ('{"a": None}', ["line 1, column 7: JSON has no None: write null"]),
        ('{"a": 1\n "b": 2}', ["line 2, column 2: not valid JSON: expecting ',' delimiter"]),
        (
            '{"a": {',
            ["line 1, column 8: the text ends here, before the JSON does: is a bracket or a quote not closed?"],
        ),
        ('{"a": 1} // one', ["line 1, column 10: JSON has no comments: take `// one` out"]),
        ('{/* one\n two */"a": 1}', ["line 1, column 2: JSON has no comments: take `/* one` out"]),
        (
            '{"a": 1 /* one',
            ["line 1, column 9: JSON has no comments: take `/* one` out", "line 1, column 15: the text"],
        ),
        ('{"a": NaN}', ["JSON has no NaN: write a number"]),
        ('{"a": -Infinity}', ["JSON has no -Infinity: write a number"]),
        (f'{{"a": {"1" * 5000}}}', ["Exceeds the limit"]),
        ("[" * 100_000, ["is nested too deeply"]),
        ('{"a": ' * 100 + "1" + "}" * 100, ["a.a.a: is nested too deeply"]),
        ('{"a": {"b": 1, "b": 1, "c": 2, "b": 3}}', ["a.b: stands here twice: keep one"]),
        ('{"a": 1e999}', ["a: is too large a number"]),
        ('{"a": [-9223372036854775807, -9223372036854775808]}', ["a[1]: is too large a number"]),
        ('{"a": ["\\ud800"]}', ["a[0]: holds half of a surrogate pair, which is no text"]),
        ('{"\\udfff": 1}', ['["\\udfff"]: holds half of a surrogate pair, which is no text']),
    ],
)
def test_what_is_said(text: str, says: list[str]) -> None:
    """Each slip is named where it stands, with what to do."""
    said = told(text)
    assert len(said) == len(says)
    assert all(line.startswith(start) for line, start in zip(said, says, strict=True)), said


def test_the_rest_is_read_all_the_same() -> None:
    """Comments and omissions are told one by one, and what stands beside them is read as if they were not there."""
    text = '{\n    ...\n    "a": 3,  //指定\n    "url": "oss://b//c...", /* x */ "b": "\\"// no"\n}'
    value, faults = parse(text)
    assert value == {"a": 3, "url": "oss://b//c...", "b": '"// no'}
    assert [fault.path for fault in faults] == ["line 2, column 5", "line 3, column 14", "line 4, column 29"]
    assert "`...`" in faults[0].what


@given(any_json)
def test_good_json_is_left_alone(value: object) -> None:
    """What is JSON comes out as it is, and of a value as much is said as of its text."""
    found, faults = parse(json.dumps(value))
    assert found == value
    assert faults == list(oddities(value))
