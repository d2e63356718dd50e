"""Cuts a query into tokens that know where they stand."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from monitor.emulator.sql.errors import Place, parse_error


class Kind(Enum):
    """What a token is."""

    WORD = auto()  # a keyword or a bare name
    NAME = auto()  # a name in backticks
    TEXT = auto()  # a string literal
    NUMBER = auto()
    SYMBOL = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """`raw` is as written; `value` is what it means: unquoted, numbers without their type suffix."""

    kind: Kind
    raw: str
    value: str
    place: Place
    start: int
    end: int

    def says(self, *words: str) -> bool:
        """Whether it is one of these keywords or symbols, given in lower case."""
        return self.kind in (Kind.WORD, Kind.SYMBOL) and self.raw.lower() in words

    @property
    def is_name(self) -> bool:
        """Whether a table or column can be meant."""
        return self.kind in (Kind.WORD, Kind.NAME)


_TOKEN = re.compile(
    r"""
      (?P<skip>\s+ | --[^\n]* | /\*.*?\*/)
    | (?P<TEXT>'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*")
    | (?P<NAME>`(?:[^`]|``)*`)
    | (?P<NUMBER>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:BD|[LSYlsy])?(?!\w))
    | (?P<WORD>[^\W\d]\w*)
    | (?P<SYMBOL><=>|<>|!=|<=|>=|==|\|\||[-+*/%=<>(),.;\[\]&|^~!])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "0": "\0", "Z": "\x1a"}


def tokenize(text: str) -> list[Token]:
    """All tokens; white space and comments are left out. Raises SqlError where no token begins."""
    breaks = [match.end() for match in re.finditer("\n", text)]
    tokens = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or not match.lastgroup:
            raise parse_error(text[at], _place(breaks, at))
        if match.lastgroup != "skip":
            kind, raw = Kind[match.lastgroup], match.group()
            tokens.append(Token(kind, raw, _meaning(kind, raw), _place(breaks, at), at, match.end()))
        at = match.end()
    return tokens


def end_of(tokens: Sequence[Token]) -> Place:
    """The place after the last token."""
    if not tokens:
        return Place(1, 1)
    last = tokens[-1]
    return Place(last.place.line, last.place.column + len(last.raw))


def _place(breaks: list[int], at: int) -> Place:
    line = bisect_right(breaks, at)
    return Place(line + 1, at - (breaks[line - 1] if line else 0) + 1)


def _meaning(kind: Kind, raw: str) -> str:
    if kind is Kind.TEXT:
        body = raw[1:-1].replace(raw[0] * 2, raw[0])
        return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), body, flags=re.DOTALL)
    if kind is Kind.NAME:
        return raw[1:-1].replace("``", "`")
    return raw.rstrip("BDLSYlsy") if kind is Kind.NUMBER else raw
