"""Tables: what `create table` asks for, what `desc` and `show tables` print.

A column's type is kept in the type that sqlite is given, spelled so that sqlite stores the values in the right way:
`string` becomes `STRING TEXT`, since sqlite looks for words within the type and would take STRING for a number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.emulator.clock import queue_date
from monitor.emulator.sql.errors import SqlError, parse_error
from monitor.emulator.sql.lexer import Token
from monitor.emulator.sql.script import Statement

_STORED = {
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), ""),
    **dict.fromkeys(("double", "decimal"), ""),
    "float": "",
    "boolean": " INT",
    **dict.fromkeys(("string", "varchar", "char", "datetime", "timestamp", "date", "json", "array", "map"), " TEXT"),
    "binary": " BLOB",
}
_DERIVED = {"INT": "bigint", "REAL": "double", "TEXT": "string", "NUM": "decimal", "": "string"}  # of `create .. as`


@dataclass(frozen=True, slots=True)
class Column:
    """A column as declared; `type` in lower case, such as `decimal(10,2)`."""

    name: str
    type: str
    comment: str = ""

    @property
    def stored_type(self) -> str:
        """The type for sqlite."""
        base = re.sub(r"[(<].*", "", self.type)
        return f'"{self.type.upper()}{_STORED[base]}"'


@dataclass(frozen=True, slots=True)
class NewTable:
    """A `create table` statement. With `query` (its tokens) the columns are those of the query."""

    name: Token
    if_not_exists: bool
    columns: tuple[Column, ...] = ()
    comment: str = ""
    query: tuple[Token, ...] = ()

    @property
    def definition(self) -> str:
        """The list of columns for sqlite."""
        return "(" + ", ".join(f"{_quote(column.name)} {column.stored_type}" for column in self.columns) + ")"


def declared_type(stored: str) -> str:
    """The type that a column was declared with, from the type that sqlite was given."""
    if stored in _DERIVED:
        return _DERIVED[stored]
    return re.sub(r" (TEXT|INT|BLOB)$", "", stored).lower()


def read_create_table(statement: Statement) -> NewTable:
    """Reads a `create table`. Raises SqlError where the text goes wrong or asks for a type that is not known."""
    return _Reader(statement).table()


class _Reader:
    def __init__(self, statement: Statement) -> None:
        self._tokens = statement.tokens
        self._end = statement.end
        self._at = 0

    def table(self) -> NewTable:
        self._expect("create")
        self._expect("table")
        if_not_exists = self._skip("if")
        if if_not_exists:
            self._expect("not")
            self._expect("exists")
        name = self._name()
        while self._skip("."):
            name = self._name()
        columns: list[Column] = self._columns() if self._looking_at("(") else []
        comment = ""
        while self._at < len(self._tokens):
            if self._skip("as"):
                return NewTable(name, if_not_exists, comment=comment, query=self._tokens[self._at :])
            if self._skip("comment"):
                comment = self._next().value
            elif self._skip("partitioned"):
                self._expect("by")
                columns += self._columns()
            elif self._skip("lifecycle"):
                self._next()
            elif self._skip("tblproperties"):
                self._skip_parentheses()
            elif self._skip("stored"):
                self._expect("as")
                self._next()
            else:
                raise self._unexpected()
        if not columns:
            raise self._unexpected()
        return NewTable(name, if_not_exists, tuple(columns), comment)

    def _columns(self) -> list[Column]:
        columns = []
        self._expect("(")
        while True:
            if self._skip("primary"):
                self._expect("key")
                self._skip_parentheses()
            else:
                columns.append(self._column())
            if not self._skip(","):
                break
        self._expect(")")
        return columns

    def _column(self) -> Column:
        name = self._name().value
        type_, comment = self._type(), ""
        while not self._looking_at(",", ")"):
            if self._skip("comment"):
                comment = self._next().value
            elif self._skip("not"):
                self._expect("null")
            elif self._skip("default"):
                self._next()
            elif not self._skip("null"):
                raise self._unexpected()
        return Column(name, type_, comment)

    def _type(self) -> str:
        token = self._name()
        words = [token.value.lower()]
        if words[0] not in _STORED:
            raise SqlError("ODPS-0130161", f"invalid type '{token.raw}'", token.place)
        depth = 0
        while self._looking_at("(", "<") or (depth and self._at < len(self._tokens)):
            part = self._next()
            depth += part.says("(", "<") - part.says(")", ">")
            words.append(part.raw.lower())
            if depth == 0:
                break
        return "".join(words)

    def _skip_parentheses(self) -> None:
        self._expect("(")
        depth = 1
        while depth:
            token = self._next()
            depth += token.says("(") - token.says(")")

    def _looking_at(self, *words: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at].says(*words)

    def _skip(self, word: str) -> bool:
        found = self._looking_at(word)
        self._at += found
        return found

    def _expect(self, word: str) -> None:
        if not self._skip(word):
            raise self._unexpected()

    def _name(self) -> Token:
        token = self._next()
        if not token.is_name:
            self._at -= 1
            raise self._unexpected()
        return token

    def _next(self) -> Token:
        if self._at >= len(self._tokens):
            raise self._unexpected()
        self._at += 1
        return self._tokens[self._at - 1]

    def _unexpected(self) -> SqlError:
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            return parse_error(token.raw, token.place)
        return parse_error(*self._end)


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a table beside its columns; times are epoch seconds."""

    owner: str
    created: float
    modified: float
    comment: str = ""
    column_comments: tuple[tuple[str, str], ...] = ()


def describe(project: str, about: About, columns: Sequence[Column], size: int) -> str:
    """What `desc` prints."""
    comments = dict(about.column_comments)
    rule = "+" + "-" * 84 + "+"
    lines = [
        rule,
        f"| Owner: {about.owner} | Project: {project}".ljust(85) + "|",
        f"| TableComment: {about.comment}".ljust(85) + "|",
        rule,
        f"| CreateTime:               {_day(about.created)}".ljust(85) + "|",
        f"| LastDDLTime:              {_day(about.created)}".ljust(85) + "|",
        f"| LastModifiedTime:         {_day(about.modified)}".ljust(85) + "|",
        rule,
        f"| InternalTable: YES      | Size: {size}".ljust(85) + "|",
        rule,
        "| Native Columns:".ljust(85) + "|",
        rule,
        "| Field           | Type       | Label | Comment                                     |",
        rule,
        *(f"| {c.name:15} | {c.type:10} |       | {comments.get(c.name, ''):43} |" for c in columns),
        rule,
    ]
    return "\n".join(lines) + "\n"


def _day(epoch: float) -> str:
    return queue_date(epoch)[:19]


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
