import sqlite3

import pytest

from monitor.emulator.sql.answers import MAX_ROWS, render
from monitor.emulator.sql.errors import SqlError


def _render(query: str) -> str:
    connection = sqlite3.connect(":memory:")
    try:
        return render(connection.execute(query)).text
    finally:
        connection.close()


def test_texts_are_quoted_numbers_are_not() -> None:
    """Nulls are a backslash and N; quotes within are doubled."""
    assert _render("""select 5.1 as a, 3 as b, 'it"s' as c, null as d, x'61' as e""") == (
        '"a","b","c","d","e"\n5.1,3,"it""s",\\N,"a"\n'
    )


def test_columns_without_a_name_are_numbered() -> None:
    """As the service names them."""
    assert _render("select 1, count(*), 2 as two").splitlines()[0] == '"_c0","_c1","two"'


def test_only_so_many_rows_are_shown() -> None:
    """The rest is left out, without a failure."""
    many = "with recursive r(n) as (select 1 union all select n + 1 from r limit 10500) select n from r"
    assert len(_render(many).splitlines()) == MAX_ROWS + 1


def test_an_answer_that_is_too_large_fails() -> None:
    """With the service's own words."""
    with pytest.raises(SqlError, match=r"ODPS-0420061.*larger than the rendering limitation"):
        _render("select printf('%.*c', 3000000, 'x') union all select printf('%.*c', 3000000, 'y')")
