"""Aggregates that users of MaxCompute write and sqlite lacks. Nulls do not count."""

import json
import sqlite3
import statistics
from typing import Any

from monitor.emulator.sql.values import Value


class _Gather:
    """Base of the aggregates that need all values of a group."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def step(self, value: Value) -> None:
        if value is not None:
            self.values.append(value)


class Stddev(_Gather):
    def finalize(self) -> float | None:
        return statistics.pstdev(map(float, self.values)) if self.values else None


class StddevSamp(_Gather):
    def finalize(self) -> float | None:
        return statistics.stdev(map(float, self.values)) if len(self.values) > 1 else None


class Median(_Gather):
    def finalize(self) -> float | None:
        return float(statistics.median(map(float, self.values))) if self.values else None


class CollectList(_Gather):
    def finalize(self) -> str:
        return json.dumps(self.values, ensure_ascii=False)


class CollectSet(_Gather):
    def finalize(self) -> str:
        return json.dumps(list(dict.fromkeys(self.values)), ensure_ascii=False)


class AnyValue(_Gather):
    def finalize(self) -> Value:
        return self.values[0] if self.values else None


class WmConcat:
    """`wm_concat(separator, text)`."""

    def __init__(self) -> None:
        self.separator = ""
        self.values: list[str] = []

    def step(self, separator: str, value: Value) -> None:
        self.separator = separator
        if value is not None:
            self.values.append(str(value))

    def finalize(self) -> str | None:
        return self.separator.join(self.values) if self.values else None


def install(connection: sqlite3.Connection) -> None:
    """Makes the aggregates known to a connection."""
    aggregates: tuple[tuple[str, int, Any], ...] = (
        ("stddev", 1, Stddev),
        ("stddev_samp", 1, StddevSamp),
        ("median", 1, Median),
        ("collect_list", 1, CollectList),
        ("collect_set", 1, CollectSet),
        ("any_value", 1, AnyValue),
        ("wm_concat", 2, WmConcat),
    )
    for name, count, aggregate in aggregates:
        connection.create_aggregate(name, count, aggregate)
