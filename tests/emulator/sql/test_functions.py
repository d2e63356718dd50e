import sqlite3

import pytest

from monitor.emulator.sql.errors import SqlError
from monitor.emulator.sql.functions import install
from monitor.emulator.sql.values import Value


def _ask(expression: str, failures: list[SqlError] | None = None) -> Value:
    connection = sqlite3.connect(":memory:")
    try:
        install(connection, lambda: 1737704061.0, (failures if failures is not None else []).append)
        value: Value = connection.execute(f"select {expression}").fetchone()[0]
    finally:
        connection.close()
    return value


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("concat('a', 1, 'b')", "a1b"),
        ("concat('a', null)", None),
        ("concat_ws('-', 'a', null, 2)", "a-2"),
        ("split_part('a,b,c', ',', 2)", "b"),
        ("split_part('a,b,c', ',', -1)", "c"),
        ("split_part('a,b,c', ',', 2, 3)", "b,c"),
        ("split_part('a', ',', 5)", ""),
        ("regexp_extract('foo12bar', '([0-9]+)', 1)", "12"),
        ("regexp_extract('foo', '([0-9]+)')", ""),
        ("regexp_replace('abcb', 'b', 'x')", "axcx"),
        ("regexp_count('abcb', 'b')", 2),
        ("'abc' regexp '^a.c$'", 1),
        ("decode(2, 1, 'one', 2, 'two', 'many')", "two"),
        ("decode(3, 1, 'one', 'many')", "many"),
        ("decode(3, 1, 'one')", None),
        ("reverse('abc')", "cba"),
        ("repeat('ab', 3)", "ababab"),
        ("lpad('7', 3, '0')", "007"),
        ("rpad('abcd', 3, '0')", "abc"),
        ("lpad('7', 3, '')", "7"),
        ("lengthb('é')", 2),
        ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
        ("getdate()", "2025-01-24 15:34:21"),
        ("unix_timestamp()", 1737704061),
        ("unix_timestamp('2025-01-24 15:34:21')", 1737704061),
        ("year('2025-01-24') + second('2025-01-24 15:34:21')", 2046),
        ("rand() between 0 and 1", 1),
    ],
)
def test_functions_of_the_service(expression: str, wanted: Value) -> None:
    """Through sqlite, as queries call them."""
    assert _ask(expression) == wanted


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("regexp_extract('a', '(')", "ODPS-0121011:Invalid regular expression pattern - '('"),
        ("regexp_extract('a', 'a', 3)", "has no group 3"),
        ("odps_cast('x', 'bigint')", "ODPS-0123091"),
        ("repeat('a', 'b')", "ODPS-0121095:Invalid arguments - in function repeat"),
        ("to_char()", "ODPS-0121095:Invalid arguments - in function to_char"),
    ],
)
def test_the_reason_of_a_failure_is_kept(expression: str, message: str) -> None:
    """Though sqlite only says that a function failed."""
    failures: list[SqlError] = []
    with pytest.raises(sqlite3.OperationalError, match="user-defined function raised exception"):
        _ask(expression, failures)
    assert message in str(failures[0])
