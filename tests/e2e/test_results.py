"""Results as the released client reads them, and as the daemon hands them out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.eventually import eventually
from tests.e2e.released import Setup, setup

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The client keeps its connections for as long as the process lives, and never closes them.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setup]:
    """One of everything for all tests: each asks about its own instances."""
    async with setup(tmp_path_factory.mktemp("results")) as made:
        yield made


async def _ended(on: Setup, sql: str) -> Any:
    """An instance that the daemon has seen end."""
    instance = await asyncio.to_thread(on.client.run_sql, sql, hints={"emulator.seconds": "0.2"})
    await on.register(instance.id)
    await eventually(on.shown, lambda shown: shown[instance.id]["phase"] in {"succeeded", "failed"})
    return instance


QUERIES = (
    "select name, count(*) as n from pyodps_iris group by name order by name",  # rows, in Base64
    "desc pyodps_iris",  # a text
    "select * from nope",  # the text of a failure
)


async def test_the_client_reads_the_same(on: Setup) -> None:
    """Every text is that of `get_task_results` and `get_task_result`, whatever it travelled in."""
    for sql in QUERIES:
        instance = await _ended(on, sql)
        ours = (await on.get(f"{instance.id}/results"))["results"]
        assert ours == dict(await asyncio.to_thread(instance.get_task_results))
        (task,) = ours
        one = await on.get(f"{instance.id}/results?task={task}")
        assert one["results"] == {task: await asyncio.to_thread(instance.get_task_result, task)}
        await on.get(f"{instance.id}/results?task=Other", status=404)


async def test_what_ended_within_its_submission(on: Setup) -> None:
    """The client is answered with the result at once and asks no more; the daemon, told later, hands out the same."""
    for sql, phase in (("select 1 as a", "succeeded"), ("select * from nope", "failed")):
        instance = await asyncio.to_thread(
            on.client.run_sql, sql, hints={"emulator.sync": "true", "emulator.seconds": "0.2"}
        )
        known = dict(await asyncio.to_thread(instance.get_task_results))
        await on.register(instance.id)
        assert (await on.shown())[instance.id]["phase"] == phase
        assert (await on.get(f"{instance.id}/results"))["results"] == known
        assert all(known.values())


async def test_rows_as_csv_and_no_other_text(on: Setup) -> None:
    """What succeeded has rows; what failed has a text, which is no table."""
    rows, failed = await _ended(on, "select 1 as a, 'x' as b"), await _ended(on, "select * from nope")
    async with on.http.get(f"{on.url}/api/v1/instances/{rows.id}/results?format=csv") as answer:
        assert (answer.status, answer.content_type) == (200, "text/csv")
        assert await answer.text() == await asyncio.to_thread(rows.get_task_result)
    refused = await on.get(f"{failed.id}/results?format=csv", status=409)
    assert "has no rows: its phase is failed" in refused["error"]["message"]
    async with on.http.post(f"{on.url}/api/v1/instances/{failed.id}/stop") as answer:
        assert answer.status == 409
        assert "has already ended: it failed" in (await answer.json())["error"]["message"]
