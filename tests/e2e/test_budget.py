"""Many instances, few requests: counted where they arrive."""

from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.eventually import eventually
from tests.e2e.processes import BATCHCOMPUTE, config, running
from tests.e2e.workload import instances, submit, turn_clock

LIVE = 5_000
PER_SECOND = 30
LISTINGS = ("list", "cachedinstances")
PAGES = ceil(LIVE / 1000)
SWEEPS = 8

WAITING, RUNNING, CHANGING = 150, 120, 30  # jobs
JOB_PAGES = ceil(WAITING / 100) + ceil((RUNNING + CHANGING) / 100)


@pytest.mark.asyncio
async def test_five_thousand_live_instances(tmp_path: Path) -> None:
    """In the steady state five thousand live instances cost at most six listing requests a sweep, and all requests
    together stay within the configured budget."""
    file = tmp_path / "stagewatch.yaml"
    with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
        async with aiohttp.ClientSession() as http:
            await submit(http, emulator.url, LIVE, scenario="steady", seconds=36_000, wait=0.5)
            pace = {"reconcile_every": "30s", "requests_per_second": PER_SECOND}
            file.write_text(config(emulator.url, store=None, hook="http://127.0.0.1:9/", **pace))
            with running(["serve", "--config", str(file)]) as daemon:
                await eventually(lambda: total(http, daemon.url), lambda number: number == LIVE)
                await eventually(
                    lambda: counted(http, emulator.url), lambda seen: count_of(seen, "instanceprogress") > 0, within=60
                )
                requests = await during(http, emulator.url, daemon.url, SWEEPS)

    listed = sum(count_of(requests, operation) for operation in LISTINGS)
    # the first sweep may have begun before the count did, and one more before it was read
    assert PAGES * (SWEEPS - 1) <= listed <= 6 * (SWEEPS + 1)
    assert count_of(requests, "instanceprogress") > 0
    # a quarter of a second's requests may be saved up
    assert requests["total"]["peak_per_second"] <= PER_SECOND * 1.25


@pytest.mark.asyncio
async def test_three_hundred_jobs_of_ten_instances(tmp_path: Path) -> None:
    """A sweep costs a request for each hundred jobs that wait and each hundred that run, and nothing else while nothing
    changes; what has changed costs one request each, once."""
    file = tmp_path / "stagewatch.yaml"
    with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
        async with aiohttp.ClientSession() as http:

            async def begin(count: int, **recipe: Any) -> list[str]:
                return await submit(http, emulator.url, count, kind=BATCHCOMPUTE, tasks=2, instances=5, **recipe)

            await turn_clock(http, emulator.url, speed=0)
            await begin(WAITING, wait=1e9)
            await begin(RUNNING, wait=0, seconds=1e9)
            changing = await begin(CHANGING, wait=0, seconds=100)
            pace = {"sweep_every": "250ms", "reconcile_every": "1h", "requests_per_second": 1_000}
            text = config(emulator.url, store=None, hook="http://127.0.0.1:9/", kinds=[BATCHCOMPUTE], **pace)
            file.write_text(text)
            with running(["serve", "--config", str(file)]) as daemon:

                async def shown(good: Callable[[dict[str, Any]], bool]) -> None:
                    await eventually(
                        lambda: instances(http, daemon.url),
                        lambda found: len(found) == WAITING + RUNNING + CHANGING and all(map(good, found.values())),
                    )

                await shown(lambda job: job["stages_at"] is not None)
                still = await during(http, emulator.url, daemon.url, SWEEPS)
                await turn_clock(http, emulator.url, advance=60)
                await http.delete(f"{emulator.url}/-/emulator/requests")
                await shown(lambda job: (job["id"] in changing) == (of_first_task(job)["terminated"] == 5))
                await swept(http, daemon.url, SWEEPS)
                changed = await counted(http, emulator.url)

    assert still["operations"].keys() == {"ListJobs"}
    assert JOB_PAGES * (SWEEPS - 1) <= count_of(still, "ListJobs") <= JOB_PAGES * (SWEEPS + 1)
    assert changed["operations"].keys() == {"ListJobs", "ListTasks"}
    assert count_of(changed, "ListTasks") == CHANGING


def of_first_task(job: dict[str, Any]) -> dict[str, Any]:
    """Its one stage."""
    (stage,) = job["tasks"][0]["stages"]
    return dict(stage)


async def total(http: aiohttp.ClientSession, daemon: str) -> int:
    """How many instances the daemon knows."""
    async with http.get(f"{daemon}/api/v1/instances", params={"limit": "1"}) as answer:
        return int((await answer.json())["total"])


async def counted(http: aiohttp.ClientSession, emulator: str) -> dict[str, Any]:
    """All requests to the services since the count began."""
    async with http.get(f"{emulator}/-/emulator/requests") as answer:
        return dict(await answer.json())


async def swept(http: aiohttp.ClientSession, daemon: str, number: int) -> None:
    """Wait until so many sweeps came to their end."""

    async def latest() -> str:
        async with http.get(f"{daemon}/api/v1/sources") as answer:
            (source,) = (await answer.json())["sources"]
            return str(source["swept_at"])

    sweeps = {await latest()}
    while len(sweeps) <= number:
        sweeps.add(await eventually(latest, lambda at: at not in sweeps))


async def during(http: aiohttp.ClientSession, emulator: str, daemon: str, sweeps: int) -> dict[str, Any]:
    """The requests of so many sweeps from now on."""
    await http.delete(f"{emulator}/-/emulator/requests")
    await swept(http, daemon, sweeps)
    return await counted(http, emulator)


def count_of(requests: dict[str, Any], operation: str) -> int:
    """How often it was asked."""
    return int(requests["operations"].get(operation, {}).get("count", 0))
