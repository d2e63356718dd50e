"""Many instances, few requests: counted where they arrive."""

from math import ceil
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.eventually import eventually
from tests.e2e.processes import config, running

LIVE = 5_000
PER_SECOND = 30
LISTINGS = ("list", "cachedinstances")
PAGES = ceil(LIVE / 1000)
SWEEPS = 8


@pytest.mark.asyncio
async def test_five_thousand_live_instances(tmp_path: Path) -> None:
    """In the steady state five thousand live instances cost at most six listing requests a sweep, and all requests
    together stay within the configured budget."""
    with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
        async with aiohttp.ClientSession() as http:
            wanted = {"project": "demo", "count": LIVE, "scenario": "steady", "seconds": 36_000, "wait": 0.5}
            async with http.post(f"{emulator.url}/-/emulator/instances", json=wanted) as answer:
                assert answer.status in {200, 201}, await answer.text()
            file = tmp_path / "stagewatch.yaml"
            file.write_text(
                config(
                    emulator.url,
                    store=None,
                    hook="http://127.0.0.1:9/",
                    reconcile_every="30s",
                    requests_per_second=PER_SECOND,
                )
            )
            with running(["serve", "--config", str(file)]) as daemon:

                async def total() -> int:
                    async with http.get(f"{daemon.url}/api/v1/instances", params={"limit": "1"}) as answer:
                        return int((await answer.json())["total"])

                async def swept_at() -> str:
                    async with http.get(f"{daemon.url}/api/v1/sources") as answer:
                        (source,) = (await answer.json())["sources"]
                        return str(source["swept_at"])

                async def counted() -> dict[str, Any]:
                    async with http.get(f"{emulator.url}/-/emulator/requests") as answer:
                        return dict(await answer.json())

                await eventually(total, lambda number: number == LIVE)
                await eventually(counted, lambda seen: count_of(seen, "instanceprogress") > 0, within=60)
                sweeps = {await swept_at()}
                await http.delete(f"{emulator.url}/-/emulator/requests")
                while len(sweeps) <= SWEEPS:
                    sweeps.add(await eventually(swept_at, lambda at: at not in sweeps))
                requests = await counted()

    listed = sum(count_of(requests, operation) for operation in LISTINGS)
    # the first sweep may have begun before the count did, and one more before it was read
    assert PAGES * (SWEEPS - 1) <= listed <= 6 * (SWEEPS + 1)
    assert count_of(requests, "instanceprogress") > 0
    # a quarter of a second's requests may be saved up
    assert requests["total"]["peak_per_second"] <= PER_SECOND * 1.25


def count_of(requests: dict[str, Any], operation: str) -> int:
    """How often it was asked."""
    return int(requests["operations"].get(operation, {}).get("count", 0))
