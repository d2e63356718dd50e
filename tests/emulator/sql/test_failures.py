import sqlite3

import pytest

from monitor.emulator.sql.failures import compile_failure, run_failure
from monitor.emulator.sql.prepare import prepare
from monitor.emulator.sql.script import read_script


def _fail(text: str) -> str:
    """Compiles a statement that must not compile, in a database with the tables t (a, b) and u (a)."""
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (a, b)")
    connection.execute("create table u (a)")

    def complaint(sql: str) -> str:
        try:
            connection.execute(f"explain {sql}")
        except sqlite3.Error as error:
            return str(error)
        return ""

    prepared = prepare(read_script(text).statements[0], "demo")
    try:
        for step in prepared.steps:
            try:
                connection.execute(f"explain {step.sql}")
            except sqlite3.Error as error:
                return str(compile_failure(error, prepared.statement, step, "demo", complaint))
    finally:
        connection.close()
    pytest.fail(f"compiles: {text}")


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("select * from nope", "ODPS-0130131:[1,15] Table not found - table demo.nope cannot be resolved"),
        ("select nope.a from\n t join nope", "ODPS-0130131:[2,9] Table not found - table demo.nope cannot be resolved"),
        ("drop table nope", "ODPS-0130131:[1,12] Table not found - table demo.nope cannot be resolved"),
        ("insert into table nope values (1)", "ODPS-0130131:[1,19] Table not found - table demo.nope"),
        ("create table t (a bigint)", "ODPS-0130211:[1,14] Table or view already exists - table demo.t already exists"),
        ("select x from t", "ODPS-0130071:[1,8] Semantic analysis exception - column x cannot be resolved"),
        ("select a, t.x from t", "ODPS-0130071:[1,11] Semantic analysis exception - column t.x cannot be resolved"),
        ("select `x` from t", "column x cannot be resolved"),
        ("select a from t, u", "ODPS-0130071:[1,8] Semantic analysis exception - column a is ambiguous"),
        ("select foo(a) from t", "ODPS-0130071:[1,8] Semantic analysis exception - function or view 'foo' cannot"),
        ("select a, upper(a, b) from t", "ODPS-0130221:[1,11] Invalid number of arguments - in function upper"),
        ("select a from t union all select a, b from t", "ODPS-0130241:[1,1] Illegal union operation"),
        ("insert into t values (1)", "wrong columns count 1 in data source, requires 2 columns"),
        ("select a from t where sum(a) > 1", "ODPS-0130071:[1,1] Semantic analysis exception - misuse of aggregate"),
        ("select from t", "ODPS-0130161:[1,8] Parse exception - invalid token 'from'"),
        ("select a,\n  from t", "ODPS-0130161:[2,3] Parse exception - invalid token 'from'"),
        ("select a from t where from = 1", "ODPS-0130161:[1,23] Parse exception - invalid token 'from'"),
        ("select 'x' 'y' 'z' from t", "ODPS-0130161:[1,16] Parse exception - invalid token ''z''"),
        ("select (a from t", "ODPS-0130161:[1,11] Parse exception - invalid token 'from'"),
        ("select a from t where ;", "ODPS-0130161:[1,23] Parse exception - invalid token ';'"),
        ("select a from", "ODPS-0130161:[1,14] Parse exception - invalid token '<EOF>'"),
    ],
)
def test_compile_failures_in_the_services_words(text: str, failure: str) -> None:
    """With the line and column of the user's own text."""
    assert failure in _fail(text)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (sqlite3.OperationalError("integer overflow"), "ODPS-0121145:Data overflow - in function sum"),
        (sqlite3.OperationalError("database or disk is full"), "ODPS-0123019:Distributed file operation exception"),
        (sqlite3.DataError("string or blob too big"), "ODPS-0123043:buffer overflow"),
        (MemoryError(), "ODPS-0123043:buffer overflow"),
        (sqlite3.OperationalError("disk I/O error"), "ODPS-0010000:System internal error - disk I/O error"),
        (ValueError(), "ODPS-0010000:System internal error - ValueError"),
    ],
)
def test_run_failures_in_the_services_words(error: Exception, text: str) -> None:
    """The module of the code is that of the processor."""
    assert str(run_failure(error)).startswith(text)
