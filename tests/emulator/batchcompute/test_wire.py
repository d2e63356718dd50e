import re
from io import BytesIO
from typing import Any

import pytest

from monitor.emulator.batchcompute.wire import owner_of
from tests.emulator.batchcompute.client import asking, job

REQUEST_ID = re.compile(r"[0-9A-F]{8}-0000-4000-8000-[0-9A-F]{12}")


@pytest.mark.asyncio
async def test_every_answer_has_an_id_of_its_own(visit: Any) -> None:
    """In a header, and in the document of a refusal."""
    async with asking(visit) as client:
        replies = [await client.ask("GET", target) for target in ("/jobs", "/jobs/nope", "/nope", "/jobs/a/b/c")]
        assert [reply.status for reply in replies[:2]] == [200, 404]
        ids = [reply.headers["x-acs-request-id"] for reply in (*replies[:2], replies[3])]
        assert all(REQUEST_ID.fullmatch(id_) for id_ in ids)
        assert len(set(ids)) == 3
        assert replies[1].json == {
            "HostId": f"127.0.0.1:{client.site.emulator.port}",
            "Code": "InvalidResource.NotFound",
            "Message": "Specified resource is not found.",
            "RequestId": ids[1],
        }


@pytest.mark.asyncio
async def test_refusals_of_the_server_are_documents_too(visit: Any) -> None:
    """Wrong methods, unknown paths, bodies that are too large."""
    async with asking(visit) as client:
        reply = await client.ask("DELETE", "/jobs")
        assert (reply.status, reply.code) == (405, "InvalidParameter")
        reply = await client.ask("GET", "/jobs/x/nowhere/y")
        assert (reply.status, reply.code) == (404, "InvalidResource.NotFound")
        reply = await client.ask("POST", "/jobs", BytesIO(b" " * (17 * 2**20)))
        assert (reply.status, reply.code) == (413, "InvalidParameter")


@pytest.mark.asyncio
async def test_any_access_id_with_the_secret_may_enter(visit: Any) -> None:
    """Over the target as it came, also with an STS token; nobody else may."""
    async with asking(visit) as client:
        target = "/jobs?ClusterId=a%2Fb%20c&Marker&MaxItemCount=5"
        for who in ("me", "LTAI-somebody"):
            assert (await client.ask("GET", target, who=who)).status == 200
        assert (await client.ask("GET", target, headers={"x-acs-security-token": "STS-1"})).status == 200
        reply = await client.ask("GET", target, secret="guessed")
        assert (reply.status, reply.code) == (400, "SignatureDoesNotMatch")
        async with client.site.session.get(f"{client.site.emulator.url}/jobs") as plain:
            assert (plain.status, (await plain.json())["Code"]) == (400, "InvalidAccessKeyId.NotFound")


@pytest.mark.asyncio
async def test_web_pages_may_not_run_programs(visit: Any) -> None:
    """A page in a browser on this machine is somebody else's program, even with the secret that everybody knows."""
    async with asking(visit) as client:
        reply = await client.ask("POST", "/jobs", job(), headers={"Origin": "http://evil.example"})
        assert (reply.status, reply.code) == (403, "Forbidden")
        assert await client.ids() == []


@pytest.mark.asyncio
async def test_requests_are_counted_by_operation(visit: Any) -> None:
    """Under the names of the service, those that were refused as well."""
    async with asking(visit, speed=0) as client:
        (id_,) = await client.plan()
        calls = {
            "ListJobs": ("GET", "/jobs"),
            "CreateJob": ("POST", "/jobs"),
            "GetJob": ("GET", f"/jobs/{id_}"),
            "GetJobDescription": ("GET", f"/jobs/{id_}?description"),
            "ChangeJobPriority": ("PUT", f"/jobs/{id_}"),
            "DeleteJob": ("DELETE", f"/jobs/{id_}"),
            "StartJob": ("POST", f"/jobs/{id_}/start"),
            "StopJob": ("POST", f"/jobs/{id_}/stop"),
            "ListTasks": ("GET", f"/jobs/{id_}/tasks"),
            "GetTask": ("GET", f"/jobs/{id_}/tasks/count"),
            "ListInstances": ("GET", f"/jobs/{id_}/tasks/count/instances"),
            "GetInstance": ("GET", f"/jobs/{id_}/tasks/count/instances/0"),
            "GetQuotas": ("GET", "/quotas"),
            "GetAvailableResource": ("GET", "/available"),
            "ListClusters": ("GET", "/clusters"),
            "ListImages": ("GET", "/images?Type=System"),
            "ListApps": ("GET", "/apps?Scope=Private"),
            "Unknown": ("PATCH", "/jobs"),
        }
        for method, target in calls.values():
            await client.ask(method, target)
        _, report = await client.site.control("GET", "/requests")
        assert report["operations"] == {name: {"count": 1, "peak_per_second": 1} for name in sorted(calls)}


def test_an_account_is_a_number_that_stays() -> None:
    """Another for every access id."""
    assert owner_of("me") == owner_of("me") != owner_of("you")
    assert 10**15 <= owner_of("\udcff") < 2 * 10**15
