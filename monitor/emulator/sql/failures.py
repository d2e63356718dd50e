"""Turns what sqlite says into what the service would have said, with the place in the user's own text."""

import re
import sqlite3
from collections.abc import Callable
from itertools import pairwise

from monitor.emulator.sql.dialect import BEFORE_TABLE, Translation
from monitor.emulator.sql.errors import Place, SqlError, parse_error, semantic_error, table_not_found
from monitor.emulator.sql.script import Statement

_SYNTAX = re.compile(r'near "(?P<token>.*)": syntax error|unrecognized token|incomplete input', re.DOTALL)
_COMPILE = (
    (re.compile(r"no such (?:table|view): (?:main\.)?(.+)"), "table"),
    (
        re.compile(r"(?:table|view|index) [`\"]?(.+?)[`\"]? already exists|there is already a table named (.+)"),
        "exists",
    ),
    (re.compile(r"no such column: (.+)"), "column"),
    (re.compile(r"ambiguous column name: (.+)"), "ambiguous"),
    (re.compile(r"no such function: (.+)"), "function"),
    (re.compile(r"wrong number of arguments to function (.+)\(\)"), "arguments"),
    (re.compile(r"table (.+) has (\d+) columns but (\d+) values were supplied"), "width"),
    (re.compile(r"SELECTs to the left and right of (.+) do not have the same number of result columns"), "union"),
)


def compile_failure(
    error: sqlite3.Error, statement: Statement, translation: Translation, project: str, parses: Callable[[str], str]
) -> SqlError:
    """The failure of preparing a statement.

    `parses` prepares a text and gives sqlite's complaint, empty if there is none; it serves to find the token at which
    the parser gave up.
    """
    text = str(error)
    if _SYNTAX.match(text):
        return _syntax(statement, translation, parses)
    for pattern, kind in _COMPILE:
        if match := pattern.fullmatch(text):
            name = next(group for group in match.groups() if group).split(".")[-1]
            return _named(kind, name, match, translation, project)
    return semantic_error(text, statement.tokens[0].place)


def run_failure(error: Exception) -> SqlError:
    """The failure of a statement that had been under way."""
    text = str(error)
    if "overflow" in text:
        return SqlError("ODPS-0121145", f"in function sum, {text}")
    if "disk is full" in text:
        return SqlError("ODPS-0123019", "the storage of the project is full: drop tables that are no longer needed")
    if "too big" in text or isinstance(error, MemoryError):
        return SqlError("ODPS-0123043", "a value is larger than a cell may be")
    return SqlError("ODPS-0010000", text or type(error).__name__)


def _named(kind: str, name: str, match: re.Match[str], translation: Translation, project: str) -> SqlError:
    if kind == "table":
        return table_not_found(f"{project}.{name}", _table_place(translation, name))
    if kind == "exists":
        return SqlError("ODPS-0130211", f"table {project}.{name} already exists", _place(translation, name))
    if kind == "column":
        return semantic_error(f"column {match[1]} cannot be resolved", _column_place(translation, match[1]))
    if kind == "ambiguous":
        return semantic_error(f"column {match[1]} is ambiguous", _column_place(translation, match[1]))
    if kind == "function":
        return semantic_error(f"function or view '{name}' cannot be resolved", _place(translation, name))
    if kind == "arguments":
        return SqlError("ODPS-0130221", f"in function {name}", _place(translation, name))
    first = translation.pieces[0].token.place
    if kind == "union":
        return SqlError("ODPS-0130241", f"the sides of {match[1]} have different numbers of columns", first)
    return semantic_error(f"wrong columns count {match[3]} in data source, requires {match[2]} columns", first)


def _syntax(statement: Statement, translation: Translation, parses: Callable[[str], str]) -> SqlError:
    """Finds the first token that sqlite's parser cannot take: all longer beginnings fail alike, shorter ones do not."""

    def broken(count: int) -> bool:
        return "syntax error" in (said := parses(translation.upto(count))) or "unrecognized token" in said

    low, high = 0, len(translation.pieces)
    if not broken(high):
        return parse_error(*statement.end)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if broken(middle) else (middle, high)
    token = translation.pieces[high - 1].token
    return parse_error(token.raw, token.place)


def _table_place(translation: Translation, name: str) -> Place | None:
    pieces = translation.pieces
    for before, piece in pairwise(pieces):
        if piece.token.value.lower() == name.lower() and (
            before.token.says(*BEFORE_TABLE, ",", "exists") or before.text.upper() in ("FROM", "INTO")
        ):
            return piece.token.place
    return _place(translation, name)


def _column_place(translation: Translation, name: str) -> Place | None:
    *owner, column = name.split(".")
    pieces = translation.pieces
    for at, piece in enumerate(pieces):
        if piece.token.is_name and piece.token.value.lower() == column.lower():
            qualified = at > 1 and pieces[at - 1].token.says(".")
            if not owner:
                return piece.token.place
            if qualified and pieces[at - 2].token.value.lower() == owner[-1].lower():
                return pieces[at - 2].token.place
    return _place(translation, column)


def _place(translation: Translation, name: str) -> Place | None:
    for piece in translation.pieces:
        if name.lower() in (piece.token.value.lower(), piece.text.lower()):
            return piece.token.place
    return None
