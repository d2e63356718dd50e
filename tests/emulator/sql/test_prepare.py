import pytest

from monitor.emulator.sql.errors import SqlError
from monitor.emulator.sql.prepare import Prepared, prepare
from monitor.emulator.sql.script import read_script


def _prepare(text: str) -> Prepared:
    return prepare(read_script(text).statements[0], "demo")


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("select 1", ["select 1"]),
        ("insert into table demo.t values (1)", ["insert INTO t values ( 1 )"]),
        ("insert overwrite table t select 1", ["DELETE FROM t", "insert INTO t select 1"]),
        ("truncate table t", ["DELETE FROM t"]),
        ("create table t (a bigint, b string)", ['CREATE TABLE t ("a" "BIGINT", "b" "STRING TEXT")']),
        ("create table if not exists t as select 1", ["CREATE TABLE IF NOT EXISTS t AS select 1"]),
        ("create view v as select 1", ["create view v as select 1"]),
        ("drop table if exists t", ["drop table if exists t"]),
        ("desc extended demo.t", []),
        ("show tables", []),
    ],
)
def test_steps_of_a_statement(text: str, steps: list[str]) -> None:
    """What sqlite is told."""
    assert [step.sql for step in _prepare(text).steps] == steps


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("drop ;", "[1,6] Parse exception - invalid token ';'"),
        ("create function f", "[1,8] Parse exception - invalid token 'function'"),
        ("drop index i", "[1,6] Parse exception - invalid token 'index'"),
        ("insert t values (1)", "[1,8] Parse exception - invalid token 't'"),
        ("insert into", "[1,8] Parse exception - invalid token 'into'"),
        ("insert into table", "[1,18] Parse exception - invalid token '<EOF>'"),
        ("truncate t", "[1,10] Parse exception - invalid token 't'"),
        ("desc", "[1,5] Parse exception - invalid token '<EOF>'"),
        ("desc 't'", "[1,6] Parse exception - invalid token ''t''"),
        ("desc t u", "[1,8] Parse exception - invalid token 'u'"),
    ],
)
def test_statements_that_go_wrong(text: str, failure: str) -> None:
    """At the first token that does not fit."""
    with pytest.raises(SqlError) as raised:
        _prepare(text)
    assert failure in str(raised.value)


def test_writers_are_known() -> None:
    """They take turns."""
    assert _prepare("insert into t values (1)").writes
    assert not _prepare("select 1").writes
