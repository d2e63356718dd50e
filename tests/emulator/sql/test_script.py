import pytest

from monitor.emulator.sql.errors import Place, SqlError
from monitor.emulator.sql.script import Verb, read_script


def test_settings_come_before_statements() -> None:
    """`set` lines are taken off, whatever stands in their values."""
    script = read_script("set odps.sql.mapper.split.size = 256;\nSET a=b.c-d/e;\nselect 1; desc t")
    assert script.settings == {"odps.sql.mapper.split.size": "256", "a": "b.c-d/e"}
    assert [statement.verb for statement in script.statements] == [Verb.QUERY, Verb.DESCRIBE]


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("with a as (select 1) select * from a", Verb.QUERY),
        ("(select 1)", Verb.QUERY),
        ("insert overwrite table t select 1", Verb.INSERT),
        ("update t set a = 1", Verb.CHANGE),
        ("delete from t", Verb.CHANGE),
        ("create table t (a bigint)", Verb.CREATE),
        ("drop table t", Verb.DROP),
        ("truncate table t", Verb.TRUNCATE),
        ("describe t", Verb.DESCRIBE),
        ("SHOW TABLES", Verb.SHOW_TABLES),
    ],
)
def test_every_statement_has_a_verb(text: str, verb: Verb) -> None:
    """By its first words."""
    assert read_script(text).statements[0].verb is verb


@pytest.mark.parametrize("text", ["selct 1", "pragma x", "attach 'f' as g", "show partitions t", "begin", "'select'"])
def test_other_statements_are_refused_at_their_first_word(text: str) -> None:
    """Nothing that sqlite knows and MaxCompute does not gets through."""
    with pytest.raises(SqlError, match=r"ODPS-0130161:\[2,2\] Parse exception"):
        read_script(f"\n {text}")


@pytest.mark.parametrize("text", ["", " ; ; ", "-- nothing", "set a=b;"])
def test_a_script_needs_a_statement(text: str) -> None:
    """The place is where it ends."""
    with pytest.raises(SqlError, match="invalid token '<EOF>'"):
        read_script(text)


def test_the_end_of_a_statement_is_its_semicolon() -> None:
    """Or the end of the text."""
    assert read_script("desc t ;").statements[0].end == (";", Place(1, 8))
    assert read_script("desc t").statements[0].end == ("<EOF>", Place(1, 7))
