import sqlite3

import pytest

from monitor.emulator.sql.aggregates import install
from monitor.emulator.sql.values import Value


@pytest.mark.parametrize(
    ("expression", "some", "none"),
    [
        ("stddev(a)", 2.0, None),
        ("stddev_samp(a)", pytest.approx(2.138089935), None),
        ("median(a)", 4.5, None),
        ("collect_list(a)", "[2, 4, 4, 4, 5, 5, 7, 9]", "[]"),
        ("collect_set(a)", "[2, 4, 5, 7, 9]", "[]"),
        ("any_value(a)", 2, None),
        ("wm_concat('-', a)", "2-4-4-4-5-5-7-9", None),
    ],
)
def test_aggregates_over_values_and_over_nothing(expression: str, some: Value, none: Value) -> None:
    """Nulls do not count; no values have no value."""
    connection = sqlite3.connect(":memory:")
    install(connection)
    connection.execute("create table t (a)")
    connection.executemany("insert into t values (?)", [(value,) for value in (2, 4, 4, 4, 5, 5, 7, 9, None)])
    assert connection.execute(f"select {expression} from t").fetchone()[0] == some
    assert connection.execute(f"select {expression} from t where a is null").fetchone()[0] == none
    connection.close()
