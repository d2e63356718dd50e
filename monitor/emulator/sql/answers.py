"""Results as the service renders them: CSV with quoted texts, at most so many rows."""

import sqlite3
from dataclasses import dataclass

from monitor.emulator.sql.errors import SqlError
from monitor.emulator.sql.values import Value

MAX_ROWS = 10_000
MAX_CHARACTERS = 4_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a task's result holds: `format` is `csv` or `text`."""

    text: str
    format: str


def render(cursor: sqlite3.Cursor) -> Answer:
    """The rows of a query. Raises SqlError if they are too much to show; rows past the limit are left out."""
    names = [name if name.isidentifier() else f"_c{at}" for at, (name, *_) in enumerate(cursor.description)]
    lines = [",".join(_cell(name) for name in names)]
    size = 0
    for _, row in zip(range(MAX_ROWS), cursor, strict=False):
        lines.append(",".join(map(_cell, row)))
        size += len(lines[-1])
        if size > MAX_CHARACTERS:
            raise SqlError(
                "ODPS-0420061",
                "Fetched data is larger than the rendering limitation. "
                "Please try to reduce your limit size or column number",
            )
    return Answer("\n".join(lines) + "\n", "csv")


def _cell(value: Value) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)
