"""Functions that users of MaxCompute write and sqlite lacks."""

import hashlib
import re
import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from secrets import SystemRandom

from monitor.emulator.clock import CHINA
from monitor.emulator.sql import dates
from monitor.emulator.sql.casting import cast
from monitor.emulator.sql.errors import SqlError
from monitor.emulator.sql.values import Value, shown


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise SqlError("ODPS-0121011", f"'{shown(text)}': {error}") from None


def regexp(pattern: str | None, value: Value) -> int | None:
    """`value rlike pattern`."""
    return None if pattern is None or value is None else int(_pattern(pattern).search(str(value)) is not None)


def regexp_extract(value: Value, pattern: str | None, group: int = 1) -> str | None:
    """What a group of the first match holds; empty if there is none."""
    if value is None or pattern is None:
        return None
    compiled = _pattern(pattern)
    if not 0 <= group <= compiled.groups:
        raise SqlError("ODPS-0121095", f"in function regexp_extract, '{shown(pattern)}' has no group {group}")
    match = compiled.search(str(value))
    return (match[group] or "") if match else ""


def regexp_replace(value: Value, pattern: str | None, by: str | None) -> str | None:
    """All matches replaced."""
    return None if value is None or pattern is None or by is None else _pattern(pattern).sub(lambda _: by, str(value))


def regexp_count(value: Value, pattern: str | None) -> int | None:
    """How many matches there are."""
    return None if value is None or pattern is None else sum(1 for _ in _pattern(pattern).finditer(str(value)))


def split_part(value: Value, separator: str | None, first: int, last: int | None = None) -> str | None:
    """Parts `first` to `last`, counted from 1 or, if negative, from the end."""
    if value is None or separator is None:
        return None
    parts = str(value).split(separator) if separator else [str(value)]
    start = first - 1 if first > 0 else len(parts) + first
    stop = start + 1 if last is None else (last if last > 0 else len(parts) + last + 1)
    return separator.join(parts[max(0, start) : max(0, stop)])


def concat(*values: Value) -> str | None:
    """All texts in a row; null if one is null."""
    return None if None in values else "".join(map(str, values))


def concat_ws(separator: str | None, *values: Value) -> str | None:
    """All texts that are not null, with a separator between them."""
    return None if separator is None else separator.join(str(value) for value in values if value is not None)


def decode(value: Value, *rest: Value) -> Value:
    """`decode(x, a, 'A', b, 'B', 'other')`."""
    for at in range(0, len(rest) - 1, 2):
        if rest[at] == value:
            return rest[at + 1]
    return rest[-1] if len(rest) % 2 else None


def _pad(value: Value, length: int, by: str, *, left: bool) -> str | None:
    if value is None:
        return None
    text = str(value)[: max(0, length)]
    missing = max(0, min(length, 100_000) - len(text))
    padding = (by * missing)[:missing]
    return padding + text if left else text + padding


def install(connection: sqlite3.Connection, now: Callable[[], float], failed: Callable[[SqlError], None]) -> None:
    """Makes the functions known to a connection.

    `now` gives epoch seconds. sqlite swallows what a function raises, so the reason of a failure goes to `failed`.
    """
    scalar: dict[str, tuple[int, Callable[..., Value]]] = {
        "odps_cast": (2, cast),
        "to_char": (-1, dates.to_char),
        "to_date": (-1, dates.to_date),
        "datepart": (2, dates.datepart),
        "dateadd": (3, dates.dateadd),
        "datediff": (-1, dates.datediff),
        "regexp": (2, regexp),
        "regexp_extract": (-1, regexp_extract),
        "regexp_replace": (3, regexp_replace),
        "regexp_count": (2, regexp_count),
        "split_part": (-1, split_part),
        "concat": (-1, concat),
        "concat_ws": (-1, concat_ws),
        "decode": (-1, decode),
        "from_unixtime": (1, dates.from_unixtime),
        "reverse": (1, lambda text: None if text is None else str(text)[::-1]),
        "repeat": (2, lambda text, times: None if text is None else str(text) * max(0, min(times, 1_000_000))),
        "lpad": (3, lambda text, length, by: _pad(text, length, by, left=True)),
        "rpad": (3, lambda text, length, by: _pad(text, length, by, left=False)),
        "lengthb": (1, lambda text: None if text is None else len(str(text).encode())),
        "md5": (1, lambda text: None if text is None else hashlib.md5(str(text).encode()).hexdigest()),  # noqa: S324 - no secret
        "rand": (-1, lambda *_seed: SystemRandom().random()),
        "getdate": (0, lambda: datetime.fromtimestamp(now(), CHINA).strftime(dates.FORM)),
        "unix_timestamp": (
            -1,
            lambda *date: int(dates.moment(date[0], "unix_timestamp").timestamp()) if date else int(now()),
        ),
        **{
            part: (1, lambda date, part=part: dates.datepart(date, part))
            for part in ("year", "month", "day", "hour", "minute", "second")
        },
    }
    for name, (count, function) in scalar.items():
        connection.create_function(name, count, _telling(name, function, failed), deterministic=False)


def _telling(name: str, function: Callable[..., Value], failed: Callable[[SqlError], None]) -> Callable[..., Value]:
    def call(*arguments: Value) -> Value:
        try:
            return function(*arguments)
        except SqlError as error:
            failed(error)
            raise
        except (TypeError, ValueError, AttributeError) as error:  # arguments of a type that the function cannot take
            failed(SqlError("ODPS-0121095", f"in function {name}, {error}"))
            raise

    return call
