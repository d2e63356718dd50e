"""A workflow that the released client starts, watched by the daemon step by step."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import odps
import pytest
from odps import ODPS

from tests.e2e.eventually import eventually
from tests.e2e.receiver import Receiver
from tests.e2e.released import setup

pytestmark = [
    pytest.mark.asyncio,
    # The client keeps its connections for as long as the process lives, and never closes them.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

TABLES = {"inputTableName": "pyodps_iris", "outputTableName": "numbered"}


def iterate(client: ODPS, instance: Any) -> dict[str, str]:
    """What the client's own iteration meets while the workflow runs."""
    return {name: step.id for name, step in client.iter_xflow_sub_instances(instance, interval=0.2)}


def all_over(shown: dict[str, dict[str, Any]]) -> bool:
    return all(one["phase"] in {"succeeded", "failed"} for one in shown.values())


async def test_every_step_is_watched_under_its_workflow(tmp_path: Path) -> None:
    """The daemon is told of the workflow alone. It shows each step soon after it began, one within another, and the one
    that began and ended in the last moment, too: the same as the client names, each once."""
    async with setup(tmp_path) as on:
        flow = await asyncio.to_thread(
            on.client.run_xflow, "AppendID", "algo_public", TABLES, hints={"emulator.seconds": "2"}
        )
        async with asyncio.TaskGroup() as tasks:
            met = tasks.create_task(asyncio.to_thread(iterate, on.client, flow))
            await on.register(flow.id)
            live = await eventually(on.shown, lambda shown: len(shown) > 1)
            assert live[flow.id]["phase"] == "running"
            (step,) = [one for one in live.values() if one["id"] != flow.id]
            assert (step["step"], step["parent"], step["phase"]) == ("check", f"warehouse/demo/{flow.id}", "running")
        named = {
            name: one.id for name, one in (await asyncio.to_thread(on.client.get_xflow_sub_instances, flow)).items()
        }
        assert list(named) == ["check", "AppendID", "verify"]
        assert met.result().items() <= named.items()
        shown = await eventually(on.shown, lambda shown: len(shown) == 5 and all_over(shown))
        assert {one["phase"] for one in shown.values()} == {"succeeded"}
        assert {one["contradiction"] for one in shown.values()} == {None}
        inner = next(one for one in shown.values() if one["step"] == "number")
        top = shown[flow.id]
        assert [(child["step"], child["phase"]) for child in top["children"]] == [
            ("check", "succeeded"),
            ("number", "succeeded"),
            ("verify", "succeeded"),
        ]
        assert [child["key"].rpartition("/")[2] for child in inner["children"]] == [named["AppendID"]]
        assert {one["step"]: one["id"] for one in shown.values() if not one["children"]} == named
        assert [(task["name"], task["phase"]) for task in top["tasks"]] == [
            (child["step"], child["phase"]) for child in top["children"]
        ]
        assert any(task["stages"] for task in top["tasks"])
        assert top["progress"] == 1.0
        for id_ in shown:
            assert (await on.history(id_)).count("discovered") == 1
        for child in top["children"]:  # each has a page of its own, the one that the client names
            step = on.client.get_instance(child["key"].rpartition("/")[2])
            theirs = parts_of(await asyncio.to_thread(step.get_logview_address, 1))
            assert parts_of((await on.get(f"{child['key']}/logview"))["url"]) == theirs
    assert on.receiver.requests == []


async def test_a_failed_step_is_the_failure_of_its_workflow(tmp_path: Path) -> None:
    """The workflow alerts once, with the text of the step that failed; the step alerts as the instance it is, and says
    what it is a step of."""
    async with setup(tmp_path) as on:
        hints = {"emulator.seconds": "1", "emulator.fails": "AppendID"}
        flow = await asyncio.to_thread(on.client.run_xflow, "AppendID", "algo_public", TABLES, hints=hints)
        await on.register(flow.id)
        shown = await eventually(on.shown, lambda shown: len(shown) == 4 and all_over(shown))
        await on.receiver.until(3)
        steps = {one["step"]: one for one in shown.values()}
        assert {name: one["phase"] for name, one in steps.items()} == {
            "": "failed",
            "check": "succeeded",
            "number": "failed",
            "AppendID": "failed",
        }
        failure = steps[""]["failure"]
        text = steps["AppendID"]["failure"]["message"]
        assert failure["task"] == "number"
        assert failure["code"] == steps["AppendID"]["failure"]["code"] == "ODPS-0130131"
        assert failure["message"] == f"number ({steps['number']['id']}): AppendID ({steps['AppendID']['id']}): {text}"
        with pytest.raises(odps.errors.ODPSError, match="pyodps_iris_of_AppendID"):
            await asyncio.to_thread(flow.wait_for_success)
        alerts = {alert["labels"]["instance"]: alert for alert in alerts_of(on.receiver)}
        assert len(alerts) == len(alerts_of(on.receiver)) == 3
        assert alerts[flow.id]["annotations"]["message"] == failure["message"]
        summary = alerts[steps["AppendID"]["id"]]["annotations"]["summary"]
        assert f"step 'AppendID' of {steps['number']['id']}" in summary
        assert {one["contradiction"] for one in shown.values()} == {None}


def parts_of(address: str) -> tuple[str, ...]:
    """An address of LogView without its token, which says until when it is good."""
    parts = urlsplit(address)
    query = parse_qs(parts.query)
    assert query.pop("token")
    return parts.scheme, parts.netloc, parts.path, str(sorted(query.items()))


def alerts_of(receiver: Receiver) -> list[dict[str, Any]]:
    """Every alert that was delivered."""
    return [alert for _, body in receiver.requests for alert in body["alerts"]]
