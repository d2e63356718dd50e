"""The first thing that anybody sees: `stagewatch demo`."""

import os
import signal
import time

import aiohttp
import pytest

from tests.e2e.eventually import eventually
from tests.e2e.processes import running


@pytest.mark.asyncio
async def test_demo_shows_life() -> None:
    """Within seconds the dashboard's address shows instances of several kinds moving through stages and a failed one
    whose alert arrived at the receiver that prints it; Ctrl-C ends everything quickly, without a traceback."""
    with running(["demo", "--listen", "127.0.0.1:0"]) as demo:
        dashboard = demo.wait_for(r"dashboard\s+(http://[\d.]+:\d+)/")[1]
        async with aiohttp.ClientSession(dashboard) as http:

            async def instances() -> list[dict[str, object]]:
                async with http.get("/api/v1/instances", params={"limit": "1000"}) as answer:
                    return list((await answer.json())["instances"])

            def moving(shown: list[dict[str, object]]) -> bool:
                staged = [one for one in shown if any(task["stages"] for task in one["tasks"])]  # type: ignore[index, attr-defined]
                return len(staged) >= 3 and any(one["phase"] == "failed" for one in shown)

            await eventually(instances, moving, within=30)
            async with http.get("/") as answer:
                assert answer.status == 200
                assert "Stagewatch" in await answer.text()
        demo.wait_for(r"ALERT InstanceFailed: .*: .*ODPS-\d+", within=30)
        asked = time.monotonic()
        os.kill(demo.process.pid, signal.SIGINT)
        assert demo.process.wait(10) == 0
        assert time.monotonic() - asked < 5  # a promise to users, not a benchmark: it takes well under one second
    assert "Traceback" not in demo.output
