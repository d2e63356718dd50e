import pytest

from monitor.emulator.sql.dialect import quoted, translate
from monitor.emulator.sql.errors import Place, SqlError
from monitor.emulator.sql.lexer import tokenize


def _said(text: str) -> str:
    return translate(tokenize(text), "demo").sql


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("select a from demo.t", "select a from t"),
        ("select demo.t.a from Demo.t", "select t . a from t"),
        ('select "it\'s"', "select 'it''s'"),
        ("select 1 / 2", "select 1 * 1.0 / 2"),
        ("select cast(a as bigint)", "select odps_cast ( a , 'bigint' )"),
        (
            "select cast(cast(a as decimal(10, 2)) as string) as b",
            "select odps_cast ( odps_cast ( a , 'decimal(10,2)' ) , 'string' ) as b",
        ),
        ("select nvl(a, 1), IF(a, 1, 2), tolower(b)", "select ifnull ( a , 1 ) , iif ( a , 1 , 2 ) , lower ( b )"),
        ("select a rlike 'x' and b <=> c", "select a REGEXP 'x' and b IS c"),
        ("select date '2025-01-01', datetime", "select '2025-01-01' , datetime"),
        ("select a from t distribute by a, f(b) sort by c", "select a from t ORDER by c"),
        ("select a from t cluster by a", "select a from t ORDER by a"),
        ("select (a) from (select 1 as a) x", "select ( a ) from ( select 1 as a ) x"),
        ("select rank() over (partition by a order by b)", "select rank ( ) over ( partition by a order by b )"),
    ],
)
def test_the_statement_in_other_words(text: str, sql: str) -> None:
    """What the two dialects say differently."""
    assert _said(text) == sql


def test_texts_with_nul_are_possible() -> None:
    """Though sqlite's own texts end there."""
    assert quoted(tokenize("'a\\0b'")[0]) == "cast(x'610062' as text)"


def test_pieces_remember_their_tokens() -> None:
    """So a failure in the translation is found in the original."""
    pieces = translate(tokenize("select cast(a\n as bigint)"), "demo").pieces
    assert [(piece.text, piece.token.place) for piece in pieces[-2:]] == [
        (", 'bigint'", Place(2, 2)),
        (")", Place(2, 11)),
    ]


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ("select * from other.t", "table other.t cannot be resolved"),
        ("insert into other.t values (1)", "table other.t cannot be resolved"),
        ("select * from sqlite_master", "table demo.sqlite_master cannot be resolved"),
        ("select * from a, pragma_table_info", "table demo.pragma_table_info cannot be resolved"),
        ("insert into t partition (ds='1') select 1", "invalid token 'partition'"),
    ],
)
def test_what_is_not_there_is_refused(text: str, context: str) -> None:
    """Other projects, the engine's own tables, partitions."""
    with pytest.raises(SqlError) as raised:
        _said(text)
    assert raised.value.context == context
