"""What an examination of Batch Compute asks, and what it makes of odd answers; the rest is in the contracts."""

import pytest

from monitor.sources.base import Check
from monitor.sources.batchcompute import BatchComputeSource
from tests.sources.batchcompute.jobs import ID, REGION, error, instance, job, one, page, plan, task, watching
from tests.sources.scripted import Answer, Service, serving

pytestmark = pytest.mark.asyncio

RIGHTS = ("ListJobs", "GetJob", "GetJobDescription", "ListTasks", "ListInstances")


def good(service: Service) -> None:
    """A service that grants everything, with one job that has ended."""
    service.on("/jobs?", page())
    service.on("State=Finished", page(job("Finished")))
    service.on(f"/jobs/{ID}", one(job("Finished")))
    service.on("?description", plan("count"))
    service.on("/tasks?", page(task("count", "Finished")))
    service.on("/instances?", page(instance(0, "Finished")))


async def examined(source: BatchComputeSource) -> dict[str, Check]:
    return {check.name: check async for check in source.examine(REGION)}


async def test_what_it_asks() -> None:
    """It looks for a job in every state, uses each right once, and changes nothing."""
    async with serving() as service, watching(service) as source:
        good(service)
        checks = await examined(source)
        assert {asked.method for asked in service.asked} == {"GET"}
    assert {name: checks[name].ok for name in RIGHTS} == dict.fromkeys(RIGHTS, True)
    assert checks["CreateJob, StopJob, StartJob"].ok is None
    assert checks["credentials"].detail == "the service knows access id testAccessId"


async def test_what_cannot_be_tried() -> None:
    """Without a job nothing of a job, without its tasks no instances of a task: nobody knows about these rights."""
    async with serving() as service, watching(service) as source:
        good(service)
        service.on("State=Finished", page())
        checks = await examined(source)
        assert [checks[name].ok for name in RIGHTS] == [True, None, None, None, None]
        good(service)
        service.on("/tasks?", page())
        checks = await examined(source)
        assert [checks[name].ok for name in RIGHTS] == [True, True, True, True, None]
        assert checks["ListInstances"].detail == "not tried: the job has no task yet"
        service.on("/tasks?", error("Forbidden.RAM", status=403))
        checks = await examined(source)
        assert [checks[name].ok for name in RIGHTS] == [True, True, True, False, None]
        assert checks["ListTasks"].fix == "grant this account batchcompute:ListTasks: without it stages are not shown"


@pytest.mark.parametrize("answer", [error("InvalidResource.NotFound", status=404), Answer("<html>", 404)])
async def test_an_endpoint_that_knows_no_jobs(answer: Answer) -> None:
    """Something answers, and it is not this service."""
    async with serving() as service, watching(service) as source:
        service.on("/jobs", answer)
        checks = await examined(source)
    assert [*checks] == ["address", "tls", "clock", "answer"]
    assert "which has no path as a rule" in checks["answer"].fix
