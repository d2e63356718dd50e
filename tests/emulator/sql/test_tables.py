import pytest

from monitor.emulator.sql.errors import SqlError
from monitor.emulator.sql.script import read_script
from monitor.emulator.sql.tables import About, Column, NewTable, declared_type, describe, read_create_table


def _read(text: str) -> NewTable:
    return read_create_table(read_script(text).statements[0])


def test_a_table_is_read_with_all_that_may_stand_there() -> None:
    """Types, comments, constraints, partitions, clauses after the columns."""
    new = _read(
        "create table if not exists demo.`t` (a bigint not null comment 'the \"a\"', b decimal(10, 2) default 1,"
        " c array<string>, primary key (a)) comment 'all' partitioned by (ds string) lifecycle 7"
        " tblproperties ('x'='y') stored as aliorc;"
    )
    assert (new.name.value, new.if_not_exists, new.comment) == ("t", True, "all")
    assert new.columns == (
        Column("a", "bigint", 'the "a"'),
        Column("b", "decimal(10,2)"),
        Column("c", "array<string>"),
        Column("ds", "string"),
    )


def test_a_table_may_come_from_a_query() -> None:
    """Its columns are those of the query then."""
    new = _read("create table t lifecycle 3 as select 1")
    assert [token.raw for token in new.query] == ["select", "1"]
    assert new.columns == ()


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("create table t (a foo)", "[1,19] Parse exception - invalid type 'foo'"),
        ("create table t (a bigint", "[1,25] Parse exception - invalid token '<EOF>'"),
        ("create table t (a bigint;", "[1,25] Parse exception - invalid token ';'"),
        ("create table t;", "[1,15] Parse exception - invalid token ';'"),
        ("create table 't' (a bigint)", "[1,14] Parse exception - invalid token ''t''"),
        ("create table t (a bigint) engine = x", "[1,27] Parse exception - invalid token 'engine'"),
        ("create table t (a bigint bold)", "[1,26] Parse exception - invalid token 'bold'"),
        ("create table t (a decimal(10", "[1,29] Parse exception - invalid token '<EOF>'"),
    ],
)
def test_a_table_that_cannot_be_read(text: str, failure: str) -> None:
    """The place is that of the first wrong token."""
    with pytest.raises(SqlError) as raised:
        _read(text)
    assert failure in str(raised.value)


@pytest.mark.parametrize("type_", ["bigint", "string", "boolean", "decimal(10,2)", "array<bigint>", "datetime"])
def test_a_stored_type_leads_back_to_the_declared_one(type_: str) -> None:
    """`desc` shows what `create` said."""
    assert declared_type(Column("a", type_).stored_type.strip('"')) == type_


def test_types_of_derived_tables() -> None:
    """sqlite names them after affinities."""
    assert [declared_type(stored) for stored in ("INT", "REAL", "TEXT", "")] == ["bigint", "double", "string", "string"]


def test_the_description_of_a_table() -> None:
    """In the service's frame: every line as wide as the others."""
    about = About("ALIYUN$me", 1737704061, 1737704062, "hello", (("a", "first"),))
    text = describe("demo", about, [Column("a", "bigint"), Column("b", "string")], 4096)
    assert "| a               | bigint     |       | first" in text
    assert "| TableComment: hello" in text
    assert "2025-01-24 15:34:21" in text
    assert {len(line) for line in text.splitlines()} == {86}
