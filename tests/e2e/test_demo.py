"""The first thing that anybody sees: `stagewatch demo`."""

import os
import signal
import time
from typing import Any

import aiohttp
import pytest

from tests.e2e.eventually import eventually
from tests.e2e.processes import running


def stages_of(shown: list[dict[str, Any]]) -> dict[str, list[tuple[int, int]]]:
    """Workers running and terminated in each stage, of the instances that have stages."""
    found = {
        one["key"]: [(stage["running"], stage["terminated"]) for task in one["tasks"] for stage in task["stages"]]
        for one in shown
    }
    return {key: stages for key, stages in found.items() if stages}


@pytest.mark.asyncio
async def test_demo_shows_life() -> None:
    """Within seconds the dashboard's address shows instances of several kinds moving through stages and a failed one
    whose alert arrived at the receiver that prints it; Ctrl-C ends everything quickly, without a traceback."""
    with running(["demo", "--listen", "127.0.0.1:0"]) as demo:
        dashboard = demo.wait_for(r"dashboard\s+(http://[\d.]+:\d+)/")[1]
        async with aiohttp.ClientSession(dashboard) as http:

            async def instances() -> list[dict[str, Any]]:
                async with http.get("/api/v1/instances", params={"limit": "1000"}) as answer:
                    return list((await answer.json())["instances"])

            def lively(shown: list[dict[str, Any]]) -> bool:
                return len(stages_of(shown)) >= 3 and {"failed", "running", "waiting"} <= {
                    one["phase"] for one in shown
                }

            before = stages_of(await eventually(instances, lively, within=30))
            assert len({len(stages) for stages in before.values()}) > 1, "several kinds: of one stage, and of several"

            def moved(shown: list[dict[str, Any]]) -> bool:
                now = stages_of(shown)
                return sum(now.get(key, stages) != stages for key, stages in before.items()) >= 3

            await eventually(instances, moved, within=30)
            async with http.get("/") as answer:
                assert answer.status == 200
                assert "Stagewatch" in await answer.text()
        demo.wait_for(r"ALERT InstanceFailed: .*: .*ODPS-\d+", within=30)
        asked = time.monotonic()
        os.kill(demo.process.pid, signal.SIGINT)
        assert demo.process.wait(10) == 0
        assert time.monotonic() - asked < 5  # a promise to users, not a benchmark: it takes well under one second
    assert "Traceback" not in demo.output
