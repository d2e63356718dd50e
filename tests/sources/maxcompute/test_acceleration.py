"""Instances of the query acceleration (MCQA v2), against a scripted service."""

import pytest

from monitor.core.events import Gone, Seen
from monitor.core.model import InstanceKey, Phase
from monitor.sources.base import Detail, Priority, Reason, SourceError
from monitor.sources.maxcompute import MaxComputeSource
from tests.sources.scripted import Answer, Asked, error, instance, results, serving, stages, task, watching

KEY = InstanceKey("warehouse", "analytics", "20250124073421123gabc0def1_mcqa")
UNKNOWN = error("NoSuchObject", "no such instance", 404)
CONNECTION = Answer('{"connInfo":"made-up-connection","quotaNickName":"fast","quotaType":"FUXI_VW"}')
COOKIE = {"x-odps-mcqa-query-cookie": "made-up-cookie"}


async def inspect(source: MaxComputeSource, want: Detail = Detail.OUTCOME) -> Seen | Gone:
    return await source.inspect(KEY, want, Priority.WATCHED)


def told(asked: Asked) -> tuple[str, str]:
    """The connection and the cookie that a request holds."""
    names = ("x-odps-mcqa-conn", "x-odps-mcqa-query-cookie")
    connection, cookie = (asked.headers.get(name, "") for name in names)
    return connection, cookie


@pytest.mark.asyncio
async def test_what_the_plain_path_knows_is_asked_there() -> None:
    """One request, as for any other."""
    async with serving() as service, watching(service) as source:
        service.on("taskstatus", Answer(instance("Running", task("Running"))))
        seen = await inspect(source)
    assert isinstance(seen, Seen)
    assert seen.phase is Phase.RUNNING
    assert [asked.target for asked in service.asked] == [
        f"/api/projects/analytics/instances/{KEY.id}?curr_project=analytics&taskstatus"
    ]


@pytest.mark.asyncio
async def test_what_runs_beside_is_asked_there_with_connection_and_cookie() -> None:
    """Found once and remembered, for stages and results, too; the cookie is what the service gave last."""
    async with serving() as service, watching(service, mcqa_quota="fast") as source:
        service.on("/api/projects", UNKNOWN)
        service.on("/connection/mcqa", CONNECTION)
        service.on("/mcqa/projects", Answer(instance("Running", task("Running")), headers=COOKIE))
        service.on("instanceprogress", Answer(stages((1, 2, 4, 50))))
        service.on("&result", Answer(results(AnonymousSQLTask="42")))
        for _ in range(2):
            seen = await inspect(source, Detail.STAGES)
            assert isinstance(seen, Seen)
            assert [len(one.stages) for one in seen.tasks or ()] == [1]
        assert await source.results(KEY) == {"AnonymousSQLTask": "42"}
    assert len(service.asked_for("/connection/mcqa")) == len(service.asked_for("quota=fast")) == 1
    assert len(service.asked_for("/api/projects")) == 1
    first, *others = service.asked_for("/mcqa/projects")
    assert told(first) == ("made-up-connection", "")
    assert {told(asked) for asked in others} == {("made-up-connection", "made-up-cookie")}


@pytest.mark.asyncio
async def test_after_the_end_only_the_plain_path_may_know_it() -> None:
    """The other path is gone with what ran: the outcome is asked where it is known, from then on at once."""
    async with serving() as service, watching(service) as source:
        service.on("/api/projects", UNKNOWN)
        service.on("/connection/mcqa", CONNECTION)
        service.on("/mcqa/projects", Answer(instance("Running", task("Running"))), UNKNOWN)
        await inspect(source)
        service.on("/api/projects", Answer(instance("Terminated", task("Success"))))
        for _ in range(2):
            seen = await inspect(source)
            assert isinstance(seen, Seen)
            assert seen.phase is Phase.SUCCEEDED
    assert len(service.asked_for("/mcqa/projects")) == 2


@pytest.mark.asyncio
async def test_one_that_neither_knows_is_gone() -> None:
    """And a service that offers no acceleration is not asked again for a connection to it."""
    async with serving() as service, watching(service, mcqa_quota="a/b") as source:
        for _ in range(2):
            assert isinstance(await inspect(source), Gone)
    assert len(service.asked_for("/connection/mcqa")) == 1
    assert len(service.asked_for("/quotas/a%2Fb?")) == 1
    assert {told(asked) for asked in service.asked_for("/mcqa/projects")} == {("", "")}


@pytest.mark.asyncio
async def test_older_services_tell_the_connection_of_the_quota() -> None:
    """In a header, where they know no other way."""
    async with serving() as service, watching(service, mcqa_quota="fast") as source:
        service.on("/connection/mcqa", error("MethodNotAllowed", status=405))
        service.on("/quotas/fast", Answer("<Quota/>", headers={"x-odps-mcqa-conn": "of-the-quota"}))
        service.on("/mcqa/projects", Answer(instance("Running", task("Running"))))
        await inspect(source)
    (asked,) = service.asked_for("/mcqa/projects")
    assert told(asked) == ("of-the-quota", "")


@pytest.mark.parametrize("where", ["/connection/mcqa", "/mcqa/projects", "/api/projects"])
@pytest.mark.asyncio
async def test_trouble_is_no_answer(where: str) -> None:
    """A path that fails says nothing about the instance."""
    async with serving() as service, watching(service) as source:
        service.on(where, error("InternalServerError", status=500))
        with pytest.raises(SourceError) as caught:
            await inspect(source)
    assert caught.value.reason is Reason.UNAVAILABLE


@pytest.mark.asyncio
async def test_an_answer_that_tells_tasks_with_the_status() -> None:
    """The plain status of one that ended may be all that holds its tasks."""
    async with serving() as service, watching(service) as source:
        service.on(f"{KEY.id}?curr_project=analytics", Answer(instance("Terminated", task("Success"))))
        service.on("taskstatus", Answer("<Instance/>"))
        seen = await inspect(source)
    assert isinstance(seen, Seen)
    assert (seen.phase, [one.name for one in seen.tasks or ()]) == (Phase.SUCCEEDED, ["AnonymousSQLTask"])
