"""Failures of SQL in the words of the service: `ODPS-MMCCCCX:[line,column] General text - context`."""

from dataclasses import dataclass

_GENERAL = {
    "ODPS-0120031": "Instance has been cancelled",
    "ODPS-0121011": "Invalid regular expression pattern",
    "ODPS-0121095": "Invalid arguments",
    "ODPS-0121145": "Data overflow",
    "ODPS-0123019": "Distributed file operation exception",
    "ODPS-0123043": "buffer overflow",
    "ODPS-0123091": "Illegal type cast",
    "ODPS-0123144": "Fuxi job failed",
    "ODPS-0130071": "Semantic analysis exception",
    "ODPS-0130131": "Table not found",
    "ODPS-0130161": "Parse exception",
    "ODPS-0130211": "Table or view already exists",
    "ODPS-0130221": "Invalid number of arguments",
    "ODPS-0130241": "Illegal union operation",
    "ODPS-0420061": "Invalid parameter in HTTP request",
    "ODPS-0010000": "System internal error",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the query's text, both counted from 1."""

    line: int
    column: int


class SqlError(Exception):
    """A query that cannot be compiled, or that failed while it ran. `str()` is the text that the task ends with."""

    def __init__(self, code: str, context: str, place: Place | None = None) -> None:
        self.code = code
        self.context = context
        self.place = place
        at = f"[{place.line},{place.column}] " if place else ""
        super().__init__(f"{code}:{at}{_GENERAL[code]} - {context}")


def parse_error(token: str, place: Place) -> SqlError:
    """The parser cannot go on at this token."""
    return SqlError("ODPS-0130161", f"invalid token '{token}'", place)


def table_not_found(table: str, place: Place | None) -> SqlError:
    """`table` with its project, such as `demo.orders`."""
    return SqlError("ODPS-0130131", f"table {table} cannot be resolved", place)


def semantic_error(context: str, place: Place | None = None) -> SqlError:
    """The query reads well but means nothing here."""
    return SqlError("ODPS-0130071", context, place)
