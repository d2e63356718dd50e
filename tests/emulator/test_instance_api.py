import asyncio
import json
from typing import Any

import pytest

from monitor.emulator import instance_api

STOP = "<Instance><Status>Terminated</Status></Instance>"
TASK = "taskname=AnonymousSQLTask"


def _path(id_: str) -> str:
    return f"/projects/demo/instances/{id_}"


@pytest.mark.asyncio
async def test_a_query_from_submission_to_result(visit: Any) -> None:
    """Status with headers, task, source, result."""
    async with visit(speed=1000) as site:
        path = _path(id_ := await site.submit("select 6*7 as answer;", name="nightly"))
        assert await site.finished(id_) == "Success"
        plain = await site.get(path)
        assert plain.find("Status") == "Terminated"
        assert plain.headers["x-odps-owner"] == "ALIYUN$me@demo.example"
        assert plain.headers["x-odps-start-time"].endswith("GMT")
        assert plain.headers["x-odps-end-time"].endswith("GMT")
        result = (await site.get(f"{path}?result")).xml.find("Tasks/Task/Result")
        assert (result.text, result.get("Transform"), result.get("Format")) == ("ImFuc3dlciIKNDIK", "Base64", "csv")
        source = await site.get(f"{path}?source")
        assert source.xml.tag == "Job"
        assert source.find("Tasks/SQL/Query") == "select 6*7 as answer;"
        assert source.find("Name") == "nightly"


@pytest.mark.asyncio
async def test_actions_may_stand_bare_or_with_an_equals_sign(visit: Any) -> None:
    """SDKs differ, and so does the order of parameters."""
    async with visit(speed=0) as site:
        (id_,) = await site.script()
        for query in ("taskstatus", "taskstatus=", "curr_project=demo&taskstatus", "taskstatus&curr_project=demo"):
            assert (await site.get(f"{_path(id_)}?{query}")).find("Tasks/Task/Name") == "AnonymousSQLTask"


@pytest.mark.asyncio
async def test_stages_move_with_emulated_time(visit: Any) -> None:
    """None while it waits; then a map, then a reduce, then all done."""
    async with visit(speed=0) as site:
        (id_,) = await site.script(seconds=100, wait=10, workers=6)

        async def stages() -> list[str]:
            progress = await site.get(f"{_path(id_)}?instanceprogress=AnonymousSQLTask&{TASK}")
            return [
                f"{stage.get('ID')}:{stage.findtext('RunningWorkers')}/{stage.findtext('TerminatedWorkers')}"
                f"/{stage.findtext('TotalWorkers')}[{stage.findtext('FinishedPercentage')}%]"
                for stage in progress.xml.findall("Stage")
            ]

        assert await stages() == []
        await site.advance(50)
        assert await stages() == ["M1_Stg1_job_0:3/3/6[61%]", "R2_1_Stg1_job_0:0/0/2[0%]"]
        await site.advance(40)
        assert await stages() == ["M1_Stg1_job_0:0/6/6[100%]", "R2_1_Stg1_job_0:2/0/2[41%]"]
        await site.advance(20)
        assert await stages() == ["M1_Stg1_job_0:0/6/6[100%]", "R2_1_Stg1_job_0:0/2/2[100%]"]


@pytest.mark.asyncio
async def test_progress_is_answered_by_the_tasks_name(visit: Any) -> None:
    """Some SDKs leave the value of the action empty."""
    async with visit(speed=0) as site:
        (id_,) = await site.script(wait=0)
        assert (await site.get(f"{_path(id_)}?instanceprogress=&{TASK}")).find_all("Stage/Status") != []
        unknown = await site.get(f"{_path(id_)}?instanceprogress&taskname=Nope")
        assert (unknown.status, unknown.find("Code")) == (404, "NoSuchTask")


@pytest.mark.asyncio
async def test_a_held_request_returns_early_when_the_instance_ends(visit: Any) -> None:
    """Or when the service is tired of waiting."""
    async with visit(speed=0) as site:
        (id_,) = await site.script(seconds=100, wait=0)
        async with asyncio.timeout(4), asyncio.TaskGroup() as tasks:
            held = tasks.create_task(site.get(f"{_path(id_)}?instancestatus"))
            while site.instance(id_).bell is None:
                await site.get(_path(id_))
            await site.advance(200)
        assert held.result().find("Status") == "Terminated"


@pytest.mark.asyncio
async def test_a_held_request_is_answered_in_the_end(visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nothing has changed."""
    monkeypatch.setattr(instance_api, "HOLD_SECONDS", 0.01)
    async with visit(speed=0) as site:
        (id_,) = await site.script()
        assert (await site.get(f"{_path(id_)}?instancestatus")).find("Status") == "Running"


@pytest.mark.asyncio
async def test_stopping_takes_a_moment(visit: Any) -> None:
    """Then the task is cancelled; stopping twice is fine until it has ended, afterwards an error."""
    async with visit(speed=0) as site:
        (id_,) = await site.script(wait=0)
        path = _path(id_)
        stop = await site.ask("PUT", path, STOP)
        assert (stop.status, stop.text) == (200, "")
        assert (await site.get(path)).find("Status") == "Running"
        assert (await site.ask("PUT", path, STOP)).status == 200
        await site.advance(1)
        assert (await site.get(f"{path}?taskstatus")).find("Tasks/Task/Status") == "Cancelled"
        late = await site.ask("PUT", path, STOP)
        assert (late.status, late.find("Code")) == (400, "InvalidStateSetting")


@pytest.mark.asyncio
@pytest.mark.parametrize("body", ["", "<a/>", "<Instance><Status>Running</Status></Instance>"])
async def test_an_instance_can_only_be_set_to_terminated(visit: Any, body: str) -> None:
    """Nothing else is understood as a stop."""
    async with visit(speed=0) as site:
        (id_,) = await site.script()
        assert (await site.ask("PUT", _path(id_), body)).status == 400
        await site.advance(1)
        assert (await site.get(_path(id_))).find("Status") == "Running"


@pytest.mark.asyncio
async def test_an_endless_query_can_be_stopped(visit: Any) -> None:
    """Its thread gives up; the instance is cancelled, not failed."""
    async with visit(speed=100) as site:
        id_ = await site.submit("with recursive r(n) as (select 1 union all select n+1 from r) select count(*) from r")
        assert (await site.ask("PUT", _path(id_), STOP)).status == 200
        assert await site.finished(id_) == "Cancelled"


@pytest.mark.asyncio
async def test_notes_are_kept_with_the_task(visit: Any) -> None:
    """`PUT ?info` is not a stop."""
    async with visit(speed=0) as site:
        (id_,) = await site.script()
        path = _path(id_)
        note = "<Instance><Key>k</Key><Value>v &amp; w</Value></Instance>"
        put = await site.ask("PUT", f"{path}?info&{TASK}", note)
        assert put.status == 200
        assert put.headers["Location"].endswith(id_)
        assert (await site.get(f"{path}?info&{TASK}&key=k")).text == "v & w"
        assert json.loads((await site.get(f"{path}?info&{TASK}&key=warnings")).text) == {"warnings": []}
        assert (await site.get(f"{path}?info&{TASK}&key=other")).text == ""
        assert (await site.ask("PUT", f"{path}?info&{TASK}", "<Instance/>")).status == 400
        for number in range(instance_api.MAX_NOTES):
            last = await site.ask("PUT", f"{path}?info&{TASK}", f"<Instance><Key>{number}</Key></Instance>")
        assert last.status == 400


@pytest.mark.asyncio
async def test_details_summary_and_log_of_workers(visit: Any) -> None:
    """JSON, as clients walk it."""
    async with visit(speed=0) as site:
        (id_,) = await site.script(seconds=100, wait=0, workers=6)
        path = _path(id_)
        await site.advance(40)
        detail = json.loads((await site.get(f"{path}?detail&{TASK}")).text)
        workers = detail["mapReduce"]["jobs"][0]["tasks"][0]["instances"]
        assert [worker["status"] for worker in workers] == ["Terminated"] * 3 + ["Running"] * 3
        log = await site.get(f"{path}?log&id={workers[0]['logId']}&logtype=stdout")
        assert log.text.startswith("stdout of worker 0 of M1_Stg1_job_0")
        assert (await site.get(f"{path}?log&id=nope")).status == 404
        stages = json.loads((await site.get(f"{path}?instancedetail&{TASK}")).text)["Instance"]["Stages"]
        assert stages["M1_Stg1_job_0"]["WorkerCount"] == 6
        early = await site.get(f"{path}?instancesummary&{TASK}")
        assert json.loads(early.text) == {"Instance": {}}
        assert early.headers["x-odps-task-finalized"] == "false"
        await site.advance(100)
        late = await site.get(f"{path}?summary&{TASK}")
        assert late.headers["x-odps-task-finalized"] == "true"
        assert json.loads(json.loads(late.text)["Instance"]["JsonSummary"])["Cost"]["CPU"] > 0


@pytest.mark.asyncio
async def test_queueing_information_of_one_instance(visit: Any) -> None:
    """An empty object once the scheduler has dropped it."""
    async with visit(speed=0) as site:
        (id_,) = await site.script(seconds=10, wait=5)
        row = json.loads((await site.get(f"{_path(id_)}?cached")).text)
        assert (row["instanceId"], row["waitPos"]) == (id_, 5)
        await site.advance(100)
        assert (await site.get(f"{_path(id_)}?cached")).text == "{}"


@pytest.mark.asyncio
async def test_quota_is_told_twice_a_minute_at_most(visit: Any) -> None:
    """In between the answer is empty."""
    async with visit(speed=0) as site:
        (id_,) = await site.script()
        first = json.loads((await site.get(f"{_path(id_)}?instancequota&{TASK}")).text)
        assert "quotaInfos" in first
        assert json.loads((await site.get(f"{_path(id_)}?instancequota&{TASK}")).text) == {}


@pytest.mark.asyncio
@pytest.mark.parametrize("action", ["xresult", "xsource"])
async def test_an_ordinary_instance_is_no_workflow(visit: Any, action: str) -> None:
    """And says so."""
    async with visit(speed=0) as site:
        (id_,) = await site.script()
        reply = await site.get(f"{_path(id_)}?{action}")
        assert (reply.status, reply.find("Code")) == (400, "InvalidParameter")
        assert "is not a workflow" in reply.find("Message")


@pytest.mark.asyncio
async def test_an_unknown_instance(visit: Any) -> None:
    """With the class that `exist_instance` understands."""
    async with visit() as site:
        for target in (_path("nope"), f"{_path('nope')}?taskstatus", "/projects/nope/instances/i"):
            reply = await site.get(target)
            assert reply.status == 404
            assert reply.find("Code") in ("NoSuchObject", "NoSuchProject")
