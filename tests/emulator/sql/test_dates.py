from collections.abc import Callable

import pytest

from monitor.emulator.sql import dates
from monitor.emulator.sql.errors import SqlError
from monitor.emulator.sql.values import Value


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (dates.to_char(5), "5"),
        (dates.to_char("2025-01-24 15:34:21", "yyyymmdd hh:mi:ss"), "20250124 15:34:21"),
        (dates.to_date("20250124", "yyyymmdd"), "2025-01-24 00:00:00"),
        (dates.to_date("2025-01-24"), "2025-01-24 00:00:00"),
        (dates.datepart("2025-01-24 15:34:21", "mm"), 1),
        (dates.datepart("2025-01-24 15:34:21", "hour"), 15),
        (dates.dateadd("2025-01-31", 1, "mm"), "2025-02-28 00:00:00"),
        (dates.dateadd("2025-01-31", -1, "yyyy"), "2024-01-31 00:00:00"),
        (dates.dateadd("2025-01-31", 25, "hh"), "2025-02-01 01:00:00"),
        (dates.datediff("2025-02-01 00:00:01", "2025-01-31 23:59:59"), 1),
        (dates.datediff("2025-02-01", "2024-12-31", "mm"), 2),
        (dates.datediff("2025-02-01", "2024-12-31", "yyyy"), 1),
        (dates.datediff("2025-02-01 12:00:00", "2025-02-01 11:59:30", "mi"), 1),
        (dates.from_unixtime(0), "1970-01-01 08:00:00"),
    ],
)
def test_calculations_with_dates(got: Value, wanted: Value) -> None:
    """Parts, sums, differences, forms."""
    assert got == wanted


@pytest.mark.parametrize(
    "call",
    [
        lambda: dates.to_char(None, "yyyy"),
        lambda: dates.to_date(None),
        lambda: dates.datepart(None, "dd"),
        lambda: dates.dateadd(None, 1, "dd"),
        lambda: dates.datediff(None, "2025-01-01"),
        lambda: dates.from_unixtime(None),
    ],
)
def test_null_stays_null(call: Callable[[], Value]) -> None:
    """In every function."""
    assert call() is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dates.datepart("yesterday", "dd"), "in function datepart, string datetime's format must be"),
        (lambda: dates.datepart("2025-01-01", "week"), "'week' is no part of a date"),
        (lambda: dates.to_date("x", "yyyy"), "'x' is not of the form yyyy"),
        (lambda: dates.dateadd("2025-01-01", 10**12, "dd"), "ODPS-0121145"),
        (lambda: dates.dateadd("2025-01-01", 10**6, "yyyy"), "ODPS-0121145"),
        (lambda: dates.from_unixtime(10**18), "ODPS-0121145"),
    ],
)
def test_dates_that_are_none_fail(call: Callable[[], Value], message: str) -> None:
    """With the function's name."""
    with pytest.raises(SqlError) as raised:
        call()
    assert message in str(raised.value)
