"""Queries that the released client sends to the query acceleration, in both its forms, watched by the daemon."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from odps.errors import NoSuchTable

from tests.e2e.eventually import eventually
from tests.e2e.released import Setup, setup

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The client keeps its connections for as long as the process lives, and never closes them.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

COUNT = "select count(*) as n from pyodps_iris"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setup]:
    """One of everything for both tests: each asks about its own queries, and one alert is all that they make."""
    async with setup(tmp_path_factory.mktemp("mcqa")) as made:
        yield made


async def test_an_instance_of_its_own(on: Setup) -> None:
    """It runs where no listing shows it: the daemon finds it beside, with its stages, and sees it end."""
    query = await asyncio.to_thread(
        on.client.run_sql_interactive,
        COUNT,
        use_mcqa_v2=True,
        quota_name="fast",
        hints={"emulator.seconds": "3"},
    )
    assert query.id.endswith("_mcqa")
    await on.register(query.id)
    await eventually(on.shown, lambda shown: any(task["stages"] for task in shown[query.id]["tasks"]))
    assert (await on.shown())[query.id]["phase"] == "running"
    await asyncio.to_thread(query.wait_for_success)
    shown = await eventually(on.shown, lambda shown: shown[query.id]["phase"] == "succeeded")
    assert shown[query.id]["contradiction"] is None
    results = await on.get(f"{query.id}/results")
    assert results["results"] == dict(await asyncio.to_thread(query.get_task_results))


async def test_queries_of_a_session(on: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of one session are two keys: one succeeds with its rows, the other fails with its text and alerts; each has
    its own part of the page; none can be stopped alone."""
    monkeypatch.setenv("HOME", str(tmp_path))  # where the client remembers its session
    good = await asyncio.to_thread(on.client.run_sql_interactive, COUNT, hints={"emulator.seconds": "3"})
    bad = await asyncio.to_thread(on.client.run_sql_interactive, "select * from nope")
    assert (good.id, good.subquery_id, bad.subquery_id) == (bad.id, 1, 2)
    first, second = f"{good.id}:1", f"{good.id}:2"
    await on.register(first)
    await on.register(second)
    assert (await on.shown())[first]["phase"] == "running"
    async with on.http.post(f"{on.url}/api/v1/instances/{first}/stop") as answer:
        assert answer.status >= 400
        assert "stop the session" in (await answer.json())["error"]["message"]
    await asyncio.to_thread(good.wait_for_success)
    with pytest.raises(NoSuchTable, match=r"demo\.nope"):
        await asyncio.to_thread(bad.wait_for_success)
    shown = await eventually(
        on.shown, lambda shown: [shown[one]["phase"] for one in (first, second)] == ["succeeded", "failed"]
    )
    assert shown[second]["failure"]["code"] == "ODPS-0130131"
    rows = await on.get(f"warehouse/demo/{first}/results")
    assert list(rows["results"].values()) == [await asyncio.to_thread(good.get_printable_result)]
    address = (await on.get(f"{second}/logview"))["url"]
    theirs = await asyncio.to_thread(bad.get_logview_address)
    assert address.endswith("&subQuery=2")
    assert f"&i={bad.id}&" in address
    assert theirs.endswith("&subQuery=2")
    await on.receiver.until(1)
    ((_, body),) = on.receiver.requests
    assert [alert["labels"]["instance"] for alert in body["alerts"]] == [second]
