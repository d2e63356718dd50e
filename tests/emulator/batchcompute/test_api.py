import asyncio
from typing import Any

import pytest

from tests.emulator.batchcompute.client import Client, asking, job

STATES = ("Waiting", "Running", "Finished", "Failed", "Stopped")


async def settled(client: Client, id_: str) -> Any:
    """The job when it has ended."""
    async with asyncio.timeout(20):
        while True:
            shown = await client.get(f"/jobs/{id_}")
            if shown["State"] not in STATES[:2]:
                return shown
            await client.site.control("GET", "/clock")


def counts(shown: Any, what: str = "InstanceMetrics") -> list[int]:
    """The five counters."""
    return [shown[what][f"{state}Count"] for state in STATES]


@pytest.mark.asyncio
async def test_a_job_runs_its_programs(visit: Any) -> None:
    """Waiting at first, finished at last, and its output lies where it was wanted."""
    async with asking(visit, speed=1000) as client:
        id_ = await client.submit(job('echo "part $BATCH_COMPUTE_DAG_INSTANCE_ID"', tasks=("split", "merge")))
        shown = await settled(client, id_)
        assert (shown["State"], shown["Message"], shown["Name"]) == ("Finished", "", "log-count")
        assert (counts(shown, "TaskMetrics"), counts(shown)) == ([0, 0, 2, 0, 0], [0, 0, 6, 0, 0])
        assert shown["CreationTime"] < shown["StartTime"] < shown["EndTime"]
        tasks = (await client.get(f"/jobs/{id_}/tasks"))["Items"]
        assert tasks[0]["EndTime"] <= tasks[1]["StartTime"]
        one = await client.get(f"/jobs/{id_}/tasks/merge/instances/1")
        assert (one["State"], one["Result"]["ExitCode"], one["Result"]["ErrorCode"]) == ("Finished", 0, "")
        assert one["StdoutRedirectPath"] == f"oss://emulator/logs/stdout.{id_}.merge.1"


@pytest.mark.asyncio
async def test_a_new_job_reads_back_as_waiting(visit: Any) -> None:
    """It, its tasks, its instances, and what was submitted."""
    async with asking(visit) as client:
        source = job("sleep 60")
        id_ = await client.submit(source)
        shown = await client.get(f"/jobs/{id_}")
        assert (shown["State"], shown["StartTime"], shown["EndTime"], counts(shown)) == (
            "Waiting",
            "",
            "",
            [3, 0, 0, 0, 0],
        )
        assert (await client.get(f"/jobs/{id_}/tasks/count"))["State"] == "Waiting"
        instances = (await client.get(f"/jobs/{id_}/tasks/count/instances"))["Items"]
        assert {one["State"] for one in instances} == {"Waiting"}
        described = await client.get(f"/jobs/{id_}?description")
        assert described == {**source, "Id": id_, "Notification": {"Topic": {"Name": "", "Endpoint": "", "Events": []}}}


@pytest.mark.asyncio
async def test_a_failure_says_why_and_can_be_started_again(visit: Any) -> None:
    """The instance has the exit code and the end of stderr, the job the reason; what had finished is left alone."""
    async with asking(visit, speed=1000) as client:
        command = 'test "$BATCH_COMPUTE_DAG_TASK_ID" = split || { echo bad input >&2; exit 7; }'
        id_ = await client.submit(job(command, tasks=("split", "count"), InstanceCount=1, MaxRetryCount=1))
        shown = await settled(client, id_)
        assert (shown["State"], counts(shown)) == ("Failed", [0, 0, 1, 1, 0])
        assert shown["Message"].startswith("Instance 0 of task 'count' failed: ")
        (failed,) = (await client.get(f"/jobs/{id_}/tasks/count/instances?State=Failed"))["Items"]
        assert (failed["InstanceId"], failed["RetryCount"], failed["Result"]["ExitCode"]) == (0, 1, 7)
        assert failed["Result"]["ErrorCode"] != ""
        assert failed["Result"]["Detail"] == "bad input\n"
        assert (await client.ask("POST", f"/jobs/{id_}/stop")).code == "StateConflict"
        before = await client.get(f"/jobs/{id_}/tasks/split/instances/0")
        reply = await client.ask("POST", f"/jobs/{id_}/start")
        assert (reply.status, reply.body) == (201, b"")
        again = await client.get(f"/jobs/{id_}")
        assert (again["State"] in STATES[:2], again["EndTime"], again["Message"]) == (True, "", "")
        assert (await settled(client, id_))["State"] == "Failed"
        assert await client.get(f"/jobs/{id_}/tasks/split/instances/0") == before


@pytest.mark.asyncio
async def test_a_stop_shows_at_once(visit: Any) -> None:
    """All that had not ended is stopped; a second stop is a conflict."""
    async with asking(visit, speed=1000) as client:
        id_ = await client.submit(job("sleep 60"))
        reply = await client.ask("POST", f"/jobs/{id_}/stop")
        assert (reply.status, reply.body) == (201, b"")
        shown = await client.get(f"/jobs/{id_}")
        assert (shown["State"], counts(shown), shown["EndTime"] != "") == ("Stopped", [0, 0, 0, 0, 3], True)
        reply = await client.ask("POST", f"/jobs/{id_}/stop")
        assert (reply.status, reply.code) == (409, "StateConflict")
        assert reply.json["Message"] == "User operation is invalid. The current resource state is stopped."


@pytest.mark.asyncio
async def test_a_job_is_deleted_when_it_has_ended(visit: Any) -> None:
    """Not before, and only once."""
    async with asking(visit, speed=0) as client:
        (id_,) = await client.plan(wait=0, seconds=5)
        assert (await client.ask("DELETE", f"/jobs/{id_}")).code == "StateConflict"
        await client.site.advance(5)
        assert (await client.ask("DELETE", f"/jobs/{id_}")).status == 204
        for method, target in (
            ("DELETE", ""),
            ("GET", ""),
            ("GET", "?description"),
            ("GET", "/tasks"),
            ("POST", "/stop"),
        ):
            reply = await client.ask(method, f"/jobs/{id_}{target}")
            assert (reply.status, reply.code) == (404, "InvalidResource.NotFound")


@pytest.mark.asyncio
async def test_a_priority_changes_for_the_next_run(visit: Any) -> None:
    """Of a job that is stopped or has failed."""
    async with asking(visit, speed=0) as client:
        (id_,) = await client.plan(wait=0, seconds=5, outcome="failed")
        assert (await client.ask("PUT", f"/jobs/{id_}", {"Priority": 5})).code == "StateConflict"
        await client.site.advance(5)
        for body, code in (({}, "MissingPriority"), ({"Priority": 1001}, "InvalidPriority"), ([], "InvalidParameter")):
            reply = await client.ask("PUT", f"/jobs/{id_}", body)
            assert (reply.status, reply.code) == (400, code)
        reply = await client.ask("PUT", f"/jobs/{id_}", {"Priority": 500})
        assert (reply.status, reply.body) == (200, b"")
        assert (await client.get(f"/jobs/{id_}"))["Priority"] == 500
        assert (await client.get(f"/jobs/{id_}?description"))["Priority"] == 500


@pytest.mark.asyncio
async def test_tokens_and_descriptions_that_are_wrong(visit: Any) -> None:
    """The first job's id comes again; nothing is taken in of what is refused, large or small."""
    async with asking(visit) as client:
        first = await client.submit(job(), "tok%201%2Fx")
        assert await client.submit(job(), "tok%201%2Fx") == first
        assert await client.submit(job(), "other") != first
        assert await client.submit(job(Extra="x" * 200_000)) != first
        for body, code in ((job(Name=""), "MissingName"), (job(Type="App"), "InvalidType"), (b"{", "InvalidParameter")):
            reply = await client.ask("POST", "/jobs", body)
            assert (reply.status, reply.code) == (400, code)
        reply = await client.ask("POST", "/jobs?sync", job(Type="App", Extra="x" * 200_000))
        assert (reply.status, reply.code) == (400, "InvalidType")
        assert len(await client.ids()) == 3


@pytest.mark.asyncio
async def test_pages_of_jobs(visit: Any) -> None:
    """Newest first; a marker is the first id of its page, also when that job was deleted; all comes once."""
    async with asking(visit, speed=0) as client:
        made = (await client.plan(count=5, seconds=1, wait=0))[::-1]
        first = await client.get("/jobs?Marker&MaxItemCount=2")
        assert [item["Id"] for item in first["Items"]] == made[:2]
        assert first["NextMarker"] == made[2]
        await client.site.advance(1)
        await client.ask("DELETE", f"/jobs/{made[2]}")
        rest = await client.get(f"/jobs?Marker={made[2]}&MaxItemCount=2")
        assert ([item["Id"] for item in rest["Items"]], rest["NextMarker"]) == (made[3:], "")
        assert await client.ids("IsReverse=True&MaxItemCount=2&OrderBy=CreationTime") == [made[4], made[3]]
        assert await client.ids(f"IsReverse=True&Marker={made[1]}") == [made[1], made[0]]
        assert await client.get("/jobs?MaxItemCount=0") == {"NextMarker": "", "Items": []}


@pytest.mark.asyncio
async def test_jobs_by_state_and_cluster(visit: Any) -> None:
    """Of no project: no job of this service belongs to one."""
    async with asking(visit, speed=0) as client:
        (waiting,) = await client.plan(wait=50)
        (running,) = await client.plan(wait=0)
        (finished,) = await client.plan(wait=0, seconds=1)
        (failed,) = await client.plan(wait=0, seconds=1, outcome="failed")
        (stopped,) = await client.plan(wait=0, seconds=1, outcome="stopped")
        elsewhere = await client.submit(job(ClusterId="cls-1", AutoCluster={}))
        await client.ask("POST", f"/jobs/{elsewhere}/stop")
        await client.site.advance(2)
        ids = {state: await client.ids(f"State={state}") for state in STATES}
        assert ids == {
            "Waiting": [waiting],
            "Running": [running],
            "Finished": [finished],
            "Failed": [failed],
            "Stopped": [elsewhere, stopped],
        }
        assert await client.ids("State=running") == [running]
        assert await client.ids("ClusterId=cls-1") == [elsewhere]
        assert await client.ids("ProjectId=p%201") == []
        assert len(await client.ids("State&ClusterId&ProjectId&OrderBy")) == 6


@pytest.mark.asyncio
async def test_pages_of_tasks_and_instances(visit: Any) -> None:
    """By name and by number; empty and naught both mean the beginning."""
    async with asking(visit, speed=0) as client:
        (id_,) = await client.plan(tasks=4, instances=5, wait=0, seconds=10)
        await client.site.advance(5)
        page = await client.get(f"/jobs/{id_}/tasks?Marker&MaxItemCount=3")
        assert [task["TaskName"] for task in page["Items"]] == ["split", "count-1", "count-2"]
        page = await client.get(f"/jobs/{id_}/tasks?Marker={page['NextMarker']}&MaxItemCount=3")
        assert ([task["TaskName"] for task in page["Items"]], page["NextMarker"]) == (["merge"], "")
        assert len((await client.get(f"/jobs/{id_}/tasks?State=Running"))["Items"]) == 2
        of = f"/jobs/{id_}/tasks/count-1/instances"
        for beginning in ("Marker=0&MaxItemCount=2", "Marker&MaxItemCount=2"):
            page = await client.get(f"{of}?{beginning}")
            assert ([one["InstanceId"] for one in page["Items"]], page["NextMarker"]) == ([0, 1], "2")
        page = await client.get(f"{of}?Marker=2&MaxItemCount=100")
        assert ([one["InstanceId"] for one in page["Items"]], page["NextMarker"]) == ([2, 3, 4], "")
        running = (await client.get(f"{of}?State=Running&MaxItemCount=1"))["Items"]
        assert [one["State"] for one in running] == ["Running"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/jobs?MaxItemCount=101", 400, "InvalidMaxItemCount"),
        ("/jobs?Marker=nope", 400, "InvalidMarker"),
        ("/jobs?State=Sleeping", 400, "InvalidState"),
        ("/jobs?OrderBy=Name", 400, "InvalidOrderBy"),
        ("/jobs/{id}/tasks?MaxItemCount=x", 400, "InvalidMaxItemCount"),
        ("/jobs/{id}/tasks?Marker=nope", 400, "InvalidMarker"),
        ("/jobs/{id}/tasks/count/instances?Marker=x", 400, "InvalidMarker"),
        ("/jobs/{id}/tasks/count/instances?MaxItemCount=-1", 400, "InvalidMaxItemCount"),
        ("/jobs/nope", 404, "InvalidResource.NotFound"),
        ("/jobs/nope/tasks", 404, "InvalidResource.NotFound"),
        ("/jobs/{id}/tasks/nope", 404, "InvalidResource.NotFound"),
        ("/jobs/{id}/tasks/nope/instances", 404, "InvalidResource.NotFound"),
        ("/jobs/{id}/tasks/count/instances/3", 404, "InvalidResource.NotFound"),
        ("/jobs/{id}/tasks/count/instances/-1", 404, "InvalidResource.NotFound"),
        ("/jobs/{id}/tasks/count/instances/one", 404, "InvalidResource.NotFound"),
    ],
)
async def test_questions_without_an_answer(visit: Any, target: str, status: int, code: str) -> None:
    """In the words of the service."""
    async with asking(visit, speed=0) as client:
        (id_,) = await client.plan()
        reply = await client.ask("GET", target.format(id=id_))
        assert (reply.status, reply.code) == (status, code)
