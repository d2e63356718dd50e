"""JSON text as people write it: all that keeps it from being JSON is told at once, with line and column.

The vendor's page prints `//` comments and `...` in its example. They are told and then skipped, so that the rest of a
description that was copied from there is checked as well.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from monitor.sources.base import BadJobError, Remark
from monitor.sources.batchcompute.description.places import Place, place

LARGEST = 2**63 - 1  # what every reader of JSON can hold
DEEPEST = 64  # a description is about ten levels deep; far more is a mistake, and would exhaust the stack

_NOT_JSON = re.compile(r'"(?:[^"\\\n]|\\.)*"|(?P<alien>//[^\n]*|/\*.*?(?:\*/|\Z)|\.\.\.)', re.DOTALL)
_COMMENT = "JSON has no comments: take `{}` out"
_TORN = "holds half of a surrogate pair, which is no text"
_OMISSION = "JSON has no `...`: it stands where a page leaves something out: write what belongs here, or take it out"


def parse(text: str) -> tuple[Any, list[Remark]]:  # Any: JSON
    """The value, and all that is wrong with how it is written. BadJobError where no value can be made of it."""
    faults: list[Remark] = []

    def skip(match: re.Match[str]) -> str:
        alien = match["alien"]
        if alien is None:
            return match[0]
        shown = alien.split("\n")[0].rstrip()
        what = _OMISSION if alien == "..." else _COMMENT.format(shown if len(shown) <= 40 else f"{shown[:37]}...")
        faults.append(Remark(_position(text, match.start()), what))
        return re.sub(r"[^\n]", " ", alien)  # as long as it was: later positions are those of the file

    bare = _NOT_JSON.sub(skip, text)
    try:
        value = json.loads(bare, object_pairs_hook=_Pairs, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise BadJobError([*faults, Remark(_position(text, error.pos), _why(error, bare))]) from None
    except RecursionError:
        raise BadJobError([*faults, Remark("", "is nested too deeply")]) from None
    except ValueError as error:  # NaN, and numbers with thousands of digits
        raise BadJobError([*faults, Remark("", str(error).split(";")[0])]) from None
    faults += oddities(value)
    return value, faults


def oddities(value: Any) -> Iterator[Remark]:  # Any: JSON
    """What JSON lets pass though nobody can mean it. Nothing below DEEPEST levels is looked at."""
    return _odd(value, ())


class _Pairs(dict[str, Any]):
    """An object that remembers which keys stood in it more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        times = Counter(name for name, _ in pairs) if len(self) < len(pairs) else {}
        self.twice = [name for name, count in times.items() if count > 1]


def _odd(value: Any, path: Place) -> Iterator[Remark]:
    if len(path) > DEEPEST:
        yield Remark(place(path[:3]), "is nested too deeply")
    elif isinstance(value, dict):
        if isinstance(value, _Pairs):
            for name in value.twice:
                yield Remark(place((*path, name)), "stands here twice: keep one")
        for name, inner in value.items():
            if _is_torn(name):
                yield Remark(place((*path, name)), _TORN)
            yield from _odd(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _odd(inner, (*path, number))
    elif isinstance(value, str):
        if _is_torn(value):
            yield Remark(place(path), _TORN)
    elif isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
        yield Remark(place(path), "is too large a number")


def _is_torn(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}: write a number")


def _position(text: str, at: int) -> str:
    begin = text.rfind("\n", 0, at) + 1
    line = text.count("\n", 0, at) + 1
    return f"line {line}, column {at - begin + 1}"


def _why(error: json.JSONDecodeError, text: str) -> str:
    rest = text[error.pos :].lstrip()
    before = text[: error.pos].rstrip()
    if not text.strip():
        return "is empty: a job description is a JSON object {...}"
    if not rest:
        return "the text ends here, before the JSON does: is a bracket or a quote not closed?"
    if before.endswith(",") and rest[0] in "}]":
        return f"a comma stands before this {rest[0]}: take it out"
    if rest[0] == "'":
        return "JSON has no single quotes: use double quotes"
    word = re.match(r"\w+", rest)
    if word and word[0] in {"True", "False", "None"}:
        return f"JSON has no {word[0]}: write {'null' if word[0] == 'None' else word[0].lower()}"
    return f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}"
