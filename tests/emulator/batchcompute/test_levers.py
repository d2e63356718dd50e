from typing import Any

import msgspec
import pytest

from monitor.emulator.batchcompute.levers import NewJobs, lay_parts
from tests.emulator.batchcompute.client import asking

FAILED = "of task 'count' failed: ProgramFailed"


@pytest.mark.asyncio
async def test_many_jobs_in_one_request(visit: Any) -> None:
    """With the looks that were asked for."""
    async with asking(visit, speed=0) as client:
        ids = await client.plan(count=120, name="load", priority=3, tasks=2, instances=4, wait=0, auto_release=True)
        assert len(set(ids)) == 120
        shown = await client.get(f"/jobs/{ids[7]}")
        assert (shown["Name"], shown["Priority"], shown["State"]) == ("load", 3, "Running")
        assert shown["InstanceMetrics"]["WaitingCount"] == shown["InstanceMetrics"]["RunningCount"] == 4
        assert (await client.get(f"/jobs/{ids[7]}?description"))["AutoRelease"] is True


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("wanted", "state", "counted", "message"),
    [
        ({}, "Finished", [3, 0, 0], ""),
        ({"outcome": "failed"}, "Failed", [2, 1, 0], "Instance 2 of task 'count' failed: ProgramFailed: exit code 1"),
        (
            {"outcome": "failed", "failed": 3, "message": "oh"},
            "Failed",
            [0, 3, 0],
            "Instance 0 of task 'count' failed: ProgramFailed: oh",
        ),
        ({"failed": 2}, "Finished", [1, 2, 0], ""),
        ({"outcome": "stopped"}, "Stopped", [2, 0, 1], ""),
    ],
)
async def test_what_becomes_of_a_planned_job(
    visit: Any, wanted: dict[str, Any], state: str, counted: list[int], message: str
) -> None:
    """At the moment that was wanted."""
    async with asking(visit, speed=0) as client:
        (id_,) = await client.plan(wait=2, seconds=9, **wanted)
        await client.site.advance(10.9)
        assert (await client.get(f"/jobs/{id_}"))["State"] == "Running"
        await client.site.advance(0.1)
        shown = await client.get(f"/jobs/{id_}")
        assert (shown["State"], shown["Message"]) == (state, message)
        assert [shown["InstanceMetrics"][f"{word}Count"] for word in ("Finished", "Failed", "Stopped")] == counted
        described = await client.get(f"/jobs/{id_}?description")
        assert described["JobFailOnInstanceFail"] is not (wanted == {"failed": 2})


@pytest.mark.asyncio
async def test_a_job_can_fail_twice_or_only_the_second_time(visit: Any) -> None:
    """By its outcome after a restart."""
    async with asking(visit, speed=0) as client:
        (twice,) = await client.plan(wait=1, seconds=4, outcome="failed", again="failed", retries=2)
        (second,) = await client.plan(wait=1, seconds=4, outcome="stopped", again="failed")
        for states in (["Failed", "Stopped"], ["Failed", "Failed"]):
            await client.site.advance(5)
            assert [(await client.get(f"/jobs/{id_}"))["State"] for id_ in (twice, second)] == states
            for id_ in (twice, second):
                assert (await client.ask("POST", f"/jobs/{id_}/start")).status == 201
                assert (await client.get(f"/jobs/{id_}"))["State"] == "Waiting"


@pytest.mark.asyncio
async def test_a_success_may_be_gone_at_once(visit: Any) -> None:
    """If it is to be released."""
    async with asking(visit, speed=0) as client:
        (id_,) = await client.plan(wait=1, seconds=4, auto_release=True)
        await client.site.advance(5)
        assert (await client.ask("GET", f"/jobs/{id_}")).status == 404
        assert await client.ids() == []


@pytest.mark.asyncio
async def test_a_job_can_vanish_and_come_back(visit: Any) -> None:
    """As if the service had lost it."""
    async with asking(visit, speed=0) as client:
        (id_,) = await client.plan()
        assert await client.site.control("POST", f"/jobs/{id_}/vanish") == (204, None)
        assert (await client.ask("GET", f"/jobs/{id_}")).status == 404
        assert await client.ids() == []
        assert await client.site.control("POST", f"/jobs/{id_}/restore") == (204, None)
        assert await client.ids("State=Waiting") == [id_]
        status, answer = await client.site.control("POST", "/jobs/nope/vanish")
        assert (status, answer["error"]["message"]) == (404, "no job 'nope'")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"count": 0}, "count must be between 1"),
        ({"tasks": 101}, "tasks must be between 1 and 100"),
        ({"instances": 0}, "instances between 1"),
        ({"seconds": 0}, "seconds above 0"),
        ({"wait": -1}, "wait must be 0 or more"),
        ({"failed": 4}, "failed must be between 0 and instances"),
        ({"retries": -1}, "retries between 0"),
        ({"priority": 1001}, "priority must be between"),
        ({"outcome": "lost"}, "Invalid enum value 'lost'"),
        ({"outcome": "failed", "failed": 0}, "outcome failed needs a failed instance"),
        ({"again": "failed", "fail_on_instance": False}, "fail_on_instance not to be false"),
        ({"failed": 1, "fail_on_instance": True}, "say outcome failed"),
        ({"colour": "red"}, "unknown field `colour`"),
    ],
)
async def test_a_wish_that_cannot_be_granted(visit: Any, wanted: dict[str, Any], why: str) -> None:
    """Is answered with what was wrong about it."""
    async with asking(visit) as client:
        status, answer = await client.site.control("POST", "/jobs", wanted)
        assert (status, answer["error"]["code"]) == (400, "bad_request")
        assert why in answer["error"]["message"]


def test_the_shape_of_a_planned_job() -> None:
    """One task, two in a row, or a split, some side by side, and a merge."""
    assert [[(part.name, part.after) for part in lay_parts(tasks, 1)] for tasks in (1, 2, 4)] == [
        [("count", ())],
        [("split", ()), ("count", ("split",))],
        [
            ("split", ()),
            ("count-1", ("split",)),
            ("count-2", ("split",)),
            ("merge", ("count-1", "count-2")),
        ],
    ]


def test_retries_alone_are_no_failure() -> None:
    """The instance succeeds in the end, and a failure of one is still fatal."""
    recipe = msgspec.convert({"retries": 3}, NewJobs).recipe()
    assert recipe.flaws is not None
    assert (recipe.flaws.failing, recipe.flaws.retries, recipe.fail_on_instance) == (0, 3, True)
