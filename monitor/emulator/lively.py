"""A workload that never ends, so that a screen looks alive: real queries and scripted instances, some failing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from monitor.emulator.instances import Instance
from monitor.emulator.jobs import DEFAULT_PRIORITY, Job
from monitor.emulator.scenario import OutcomeWord, Recipe
from monitor.emulator.service import MaxCompute, owner_of

LIVE = 40  # instances to keep alive
AT_ONCE = 25  # of them at the very start
A_TURN = 3  # new ones per look
LOOK_EVERY = 0.4  # real seconds

_OWNERS = ("etl", "reports", "ads", "search", "risk", "finance")
_TOPICS = ("orders", "clicks", "sessions", "refunds", "inventory", "sellers", "coupons", "logistics")
_STEPS = ("ods", "dwd", "dws", "ads")


@dataclass(frozen=True, slots=True)
class _Query:
    text: str
    weight: int


_QUERIES = (
    _Query("select name, avg(petallength) as petal from pyodps_iris group by name order by petal desc", 6),
    _Query("select count(*) as flowers from pyodps_iris where sepallength > 5", 6),
    _Query(
        "select a.name, count(*) as pairs from pyodps_iris a join pyodps_iris b on a.name = b.name group by a.name", 5
    ),
    _Query("select distinct name from pyodps_iris", 3),
    _Query("select * from pyodps_iris order by sepalwidth desc limit 20", 4),
    _Query("desc pyodps_iris", 1),
    # What goes wrong at night: a partition table nobody made, dirty data, a typing mistake, a column renamed upstream.
    _Query("select * from dwd_orders_backfill where ds = '20250101'", 1),
    _Query("select cast(name as bigint) as id, petalwidth from pyodps_iris", 1),
    _Query("select name, count(* from pyodps_iris group by name", 1),
    _Query("select name, petal_length from pyodps_iris", 1),
)
_SCENARIOS: Mapping[str, int] = {
    "steady": 30,
    "join": 30,
    "many_workers": 12,
    "dynamic_total": 10,
    "long_queue": 4,
    "suspended": 3,
    "stall": 3,
    "cancelled": 2,
}
_MESSAGES = (
    "ODPS-0123131:User defined function exception - Traceback: KeyError: 'city' in parse_address.py line 41",
    "ODPS-0123144:Fuxi job failed - kInstanceMonitorTimeout CRASH_EXIT, usually caused by bad udf performance",
    "ODPS-0123049:buffer overflow - memory of the reducer exhausted by a skewed join key",
    "ODPS-0010000:System internal error - fuxi job failed, WorkerPackageNotExist",
)


async def keep_busy(service: MaxCompute, chance: Random) -> None:
    """Submits for ever, to the first project, so that about LIVE instances are alive at any time."""
    project = service.projects[0]
    for _ in range(AT_ONCE):
        _submit(service, project, chance)
    while True:
        await asyncio.sleep(LOOK_EVERY / max(1.0, service.clock.speed))
        missing = LIVE - len(service.book.live(project))
        for _ in range(min(missing, A_TURN)):
            _submit(service, project, chance)


def _submit(service: MaxCompute, project: str, chance: Random) -> Instance:
    owner = owner_of(chance.choice(_OWNERS))
    name = f"{chance.choice(_STEPS)}_{chance.choice(_TOPICS)}_{chance.choice(('daily', 'hourly', 'backfill'))}"
    if chance.random() < 0.4:
        query = chance.choices(_QUERIES, [query.weight for query in _QUERIES])[0]
        settings = {
            "emulator.seconds": f"{chance.uniform(8, 70):.1f}",
            "emulator.wait": f"{chance.uniform(0.5, 8):.1f}",
        }
        settings["emulator.workers"] = str(chance.choice((1, 2, 4, 9, 16, 40)))
        return service.submit(project, owner, Job("AnonymousSQLTask", "SQL", query.text, name, settings=settings))
    scenario = chance.choices(list(_SCENARIOS), list(_SCENARIOS.values()))[0]
    seconds = chance.uniform(10, 110)
    failing: OutcomeWord = "failed" if scenario != "cancelled" and chance.random() < 0.06 else "success"
    recipe = Recipe(
        scenario=scenario,
        seconds=seconds,
        wait=chance.uniform(30, 90) if scenario == "long_queue" else chance.uniform(0.5, 10),
        outcome=failing,
        workers=chance.choice((None, 3, 12, 60, 250)) if scenario != "many_workers" else None,
        pause=chance.uniform(15, 120 if scenario == "stall" else 30),
        message=chance.choice(_MESSAGES),
    )
    return service.script(project, owner, name, chance.choice((DEFAULT_PRIORITY, DEFAULT_PRIORITY, 5, 1)), recipe)
