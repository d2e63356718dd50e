import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.emulator.sql import engine as engine_module
from monitor.emulator.sql.answers import Answer
from monitor.emulator.sql.engine import Engine, Watch
from monitor.emulator.sql.errors import SqlError
from monitor.emulator.sql.script import read_script

Run = Callable[[str], str]
ENDLESS = "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path, ["demo", "other"], "ALIYUN$emulator", lambda: 1737704061.0)


def _run(engine: Engine, text: str, *, project: str = "demo", watch: Watch | None = None) -> Answer:
    return engine.run(engine.compile(project, read_script(text), "ALIYUN$me"), watch or Watch(60))


@pytest.fixture
def run(engine: Engine) -> Run:
    """Runs a script in the project demo; gives the text of the answer."""
    return lambda text: _run(engine, text).text


def test_the_sample_is_there(run: Run) -> None:
    """150 flowers of three kinds, with Fisher's means."""
    assert run("select * from pyodps_iris limit 1;") == (
        '"sepallength","sepalwidth","petallength","petalwidth","name"\n5.1,3.5,1.4,0.2,"Iris-setosa"\n'
    )
    assert run("select name, count(*) as n from pyodps_iris group by name order by name").splitlines()[1:] == [
        '"Iris-setosa",50',
        '"Iris-versicolor",50',
        '"Iris-virginica",50',
    ]
    means = (
        "round(avg(sepallength), 4), round(avg(sepalwidth), 4), round(avg(petallength), 4), round(avg(petalwidth), 4)"
    )
    assert run(f"select {means} from pyodps_iris").splitlines()[1] == "5.8433,3.0573,3.758,1.1993"


def test_tables_are_made_filled_changed_and_dropped(run: Run) -> None:
    """Types keep their values: a string of digits stays a string."""
    run("create table t (a bigint comment 'the a', b string, c double) comment 'mine';")
    run("insert into table t values (1, '007', 1.5), (2, 'x', 2)")
    assert run("select * from demo.t") == '"a","b","c"\n1,"007",1.5\n2,"x",2.0\n'
    run("insert overwrite table t select 3, 'y', 0")
    assert run("select a from t") == '"a"\n3\n'
    run("update t set a = 4")
    run("create table t2 as select a, b from t")
    assert run("select * from t2") == '"a","b"\n4,"y"\n'
    run("truncate table t2")
    assert run("select count(*) as n from t2") == '"n"\n0\n'
    run("drop table t2")
    with pytest.raises(SqlError, match=r"ODPS-0130131:\[1,15\]"):
        run("select * from t2")


def test_a_script_is_run_in_order(run: Run) -> None:
    """Later statements see what earlier ones did; the last one answers."""
    assert run("create table t (a bigint); insert into t values (7); select a from t;") == '"a"\n7\n'
    with pytest.raises(SqlError, match=r"ODPS-0130131:\[1,41\]"):
        run("insert into t values (8); select * from nope")
    assert run("select count(*) as n from t") == '"n"\n2\n'


def test_tables_are_described_and_shown(run: Run) -> None:
    """With their owners, types and comments."""
    run("create table t (a bigint comment 'the a', b decimal(10,2)) comment 'mine'")
    text = run("desc demo.t")
    assert "| Owner: ALIYUN$me | Project: demo" in text
    assert "| a               | bigint     |       | the a" in text
    assert "| b               | decimal(10,2) |" in text
    assert run("show tables") == "ALIYUN$emulator:pyodps_iris\nALIYUN$me:t\n"
    with pytest.raises(SqlError, match=r"ODPS-0130131:\[1,6\] Table not found - table demo.nope"):
        run("desc nope")


def test_projects_do_not_see_each_other(engine: Engine) -> None:
    """Each has its own database."""
    _run(engine, "create table t (a bigint)")
    with pytest.raises(SqlError, match=r"table other\.t cannot be resolved"):
        _run(engine, "select * from t", project="other")


def test_a_failed_write_changes_nothing(run: Run) -> None:
    """Also if the first step of two has been done."""
    run("create table t (a bigint)")
    run("insert into t values (1)")
    with pytest.raises(SqlError, match="ODPS-0123091"):
        run("insert overwrite table t select cast(name as bigint) from pyodps_iris")
    assert run("select a from t") == '"a"\n1\n'


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("select cast(name as bigint) from pyodps_iris", "ODPS-0123091:Illegal type cast - in function cast"),
        ("select sum(9223372036854775807) from pyodps_iris", "ODPS-0121145:Data overflow"),
        ("select regexp_extract(name, '(') from pyodps_iris", "ODPS-0121011:Invalid regular expression pattern"),
        ("select randomblob(50000000)", "ODPS-0123043:buffer overflow"),
    ],
)
def test_what_fails_at_run_time(run: Run, text: str, failure: str) -> None:
    """It compiles, and then meets the data."""
    with pytest.raises(SqlError) as raised:
        run(text)
    assert str(raised.value).startswith(failure)


def test_a_query_may_take_so_long_and_no_longer(engine: Engine) -> None:
    """Then it fails as a worker that gives no sign of life."""
    with pytest.raises(SqlError, match=r"ODPS-0123144:Fuxi job failed - .*more than 0\.05 seconds"):
        _run(engine, ENDLESS, watch=Watch(0.05))


def test_a_query_can_be_stopped(engine: Engine) -> None:
    """From another thread, while it runs."""
    watch = Watch(60)
    compiled = engine.compile("demo", read_script(ENDLESS), "ALIYUN$me")
    stopper = threading.Timer(0.02, watch.cancel)
    stopper.start()
    with pytest.raises(SqlError, match="ODPS-0120031:Instance has been cancelled"):
        engine.run(compiled, watch)
    stopper.join()


def test_a_writer_that_waits_for_another_can_be_stopped(engine: Engine) -> None:
    """Writers take turns, and the first may be endless."""
    _run(engine, "create table t (a bigint)")
    insert = engine.compile("demo", read_script(f"insert into t {ENDLESS}"), "ALIYUN$me")
    first, second = Watch(60), Watch(0.1)

    def endless() -> None:
        with suppress(SqlError):
            engine.run(insert, first)

    writer = threading.Thread(target=endless)
    writer.start()
    try:
        with pytest.raises(SqlError, match="ODPS-0123144"):
            engine.run(insert, second)
    finally:
        first.cancel()
        writer.join()
    assert _run(engine, "select count(*) as n from t").text == '"n"\n0\n'


def test_an_insert_cannot_fill_the_disk(engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project's storage is bounded."""
    monkeypatch.setattr(engine_module, "_MAX_PAGES", 200)
    run("create table t (a string)")
    many = "with recursive r(n) as (select 1 union all select n + 1 from r limit 100) select repeat('x', 1000000)"
    with pytest.raises(SqlError, match=r"ODPS-0123019:.*drop tables"):
        _run(engine, f"insert into t {many} from r, pyodps_iris")
    assert run("select count(*) as n from t") == '"n"\n0\n'


WORDS = (
    "select from where group by order limit join on as cast ( ) , . ; * + / 'x' 1 a t pyodps_iris demo name bigint "
    "insert into table create drop desc with distinct union all over partition distribute sort set = values case end"
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(WORDS.split(" ")), max_size=14))
def test_any_words_give_an_answer_or_a_failure(engine: Engine, words: list[str]) -> None:
    """Whatever people send, nothing else comes out."""
    with suppress(SqlError):
        assert isinstance(_run(engine, " ".join(words), watch=Watch(5)), Answer)
