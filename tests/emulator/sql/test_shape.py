from random import Random

import pytest

from monitor.emulator.sql.script import read_script
from monitor.emulator.sql.shape import MAX_WORKERS, parts_of


def _names(text: str, **settings: str) -> list[str]:
    return [part.name.removesuffix("_Stg1_job_0") for part in parts_of(read_script(text), settings, Random(1))]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("select * from t limit 1", ["M1"]),
        ("select 1", ["M1"]),
        ("select a, count(*) from t group by a", ["M1", "R2_1"]),
        ("select count(*) from t", ["M1", "R2_1"]),
        ("select a, sum(b) from t group by a order by a", ["M1", "R2_1", "R3_2"]),
        ("select * from t join u on t.a = u.a", ["M1", "M2", "J3_1_2"]),
        ("select count(*) from a join b join c", ["M1", "M2", "M3", "J4_1_2", "J5_3_4", "R6_5"]),
        ("select distinct a from t union all select a from u", ["M1", "M2", "R3_1_2"]),
        ("with x as (select a from t) select * from x join u on x.a = u.a", ["M1", "M2", "J3_1_2"]),
        ("with recursive r(n) as (select 1 union all select n + 1 from r) select n from r", ["M1"]),
        ("insert into t select a from u order by a", ["M1", "R2_1"]),
        ("create table t as select * from u", ["M1"]),
        ("create table t (a bigint)", []),
        ("drop table t", []),
        ("desc t", []),
        ("set a=b; create table t (a bigint); select * from t", ["M1"]),
    ],
)
def test_stages_follow_the_query(text: str, names: list[str]) -> None:
    """A map for each table, joins, reduces; nothing for what needs no cluster."""
    assert _names(text) == names


def test_settings_fix_the_workers() -> None:
    """The service's own settings, and one of the emulator's."""
    settings = {
        "emulator.workers": "40",
        "odps.sql.joiner.instances": "7",
        "odps.sql.reducer.instances": "3",
    }
    script = read_script("select count(*) from t join u")
    assert [part.workers for part in parts_of(script, settings, Random(1))] == [40, 40, 7, 3]
    absurd = {"emulator.workers": "99999999", "odps.sql.reducer.instances": "many"}
    assert next(iter(parts_of(script, absurd, Random(1)))).workers == MAX_WORKERS
