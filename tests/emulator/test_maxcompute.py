import json
from typing import Any

import pytest

from monitor.emulator import server
from tests.emulator.conftest import JOB

INSTANCES = "/projects/demo/instances"
LIVE = "/projects/demo/cachedinstances"


@pytest.mark.asyncio
async def test_hosts_and_tenant(visit: Any) -> None:
    """LogView is here, a console is not, and the tenant has no schemas."""
    async with visit() as site:
        host = await site.get("/logview/host", headers={})
        assert (host.status, host.text) == (200, site.emulator.url)
        assert (await site.get("/webconsole/host", headers={})).status == 404
        tenant = json.loads((await site.get("/tenants")).text)
        assert tenant["Tenant"]["Parameters"] == {"odps.namespace.schema": "false"}


@pytest.mark.asyncio
async def test_a_project_and_its_headers(visit: Any) -> None:
    """Without the three headers clients fail on it."""
    async with visit(projects=("demo", "ads")) as site:
        project = await site.get("/projects/ads?properties=all")
        assert project.find("Name") == "ads"
        assert project.headers["x-odps-owner"] == "ALIYUN$emulator@demo.example"
        assert project.headers["x-odps-creation-time"].endswith("GMT")
        assert project.headers["Last-Modified"].endswith("GMT")
        assert (await site.get("/projects/demo?extended")).xml.find("ExtendedProperties") is not None
        unknown = await site.get("/projects/nope")
        assert (unknown.status, unknown.find("Code")) == (404, "NoSuchProject")


@pytest.mark.asyncio
async def test_a_submission_may_be_answered_with_its_result(visit: Any) -> None:
    """Where the job asks for that and ends soon."""
    async with visit(speed=1000) as site:
        body = JOB.format(query="select 42 as x", settings='{"emulator.sync":"true"}', name="")
        reply = await site.ask("POST", INSTANCES, body)
        assert (reply.status, reply.find("Tasks/Task/Status")) == (200, "Success")
        id_ = reply.headers["Location"].rsplit("/", 1)[1]
        assert reply.text == (await site.get(f"{INSTANCES}/{id_}?result")).text


@pytest.mark.asyncio
async def test_a_submission_is_answered_with_a_location_and_nothing_else(visit: Any) -> None:
    """Any body would make clients believe that the instance has ended."""
    async with visit() as site:
        id_ = await site.submit("select 1;")
        assert len(id_) >= 24
        assert (await site.get(f"{INSTANCES}/{id_}")).find("Status") == "Running"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<Instance", "MalformedXml"),
        ("<Instance/>", "InvalidParameter"),
        ("<!DOCTYPE a><Instance/>", "InvalidParameter"),
    ],
)
async def test_a_broken_submission_is_refused(visit: Any, body: str, code: str) -> None:
    """With 400."""
    async with visit() as site:
        reply = await site.ask("POST", INSTANCES, body)
        assert (reply.status, reply.find("Code")) == (400, code)


@pytest.mark.asyncio
async def test_a_submission_may_be_too_large(visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a bound, and it is told."""
    monkeypatch.setattr(server, "MAX_BODY_BYTES", 1000)
    async with visit() as site:
        reply = await site.ask("POST", INSTANCES, "x" * 2000)
        assert (reply.status, reply.find("Code")) == (413, "InvalidParameter")


@pytest.mark.asyncio
async def test_a_large_submission_is_taken(visit: Any) -> None:
    """Queries may be long; they are parsed off the loop."""
    async with visit(speed=1000) as site:
        id_ = await site.submit("select 1 -- " + "x" * 300_000)
        assert await site.finished(id_) == "Success"


@pytest.mark.asyncio
async def test_all_instances_are_listed_newest_first_by_pages(visit: Any) -> None:
    """The marker leads on, also when more have come in between."""
    async with visit(speed=0) as site:
        ids = await site.script(count=5)
        first = await site.get(f"{INSTANCES}?maxitems=2")
        await site.script(count=1)
        second = await site.get(f"{INSTANCES}?maxitems=2&marker={first.find('Marker')}")
        third = await site.get(f"{INSTANCES}?maxitems=2&marker={second.find('Marker')}")
        listed = [name for page in (first, second, third) for name in page.find_all("Instance/Name")]
        assert listed == ids[::-1]
        assert third.find("Marker") == ""
        assert first.find("MaxItems") == "2"


@pytest.mark.asyncio
async def test_a_listing_can_be_narrowed(visit: Any) -> None:
    """By status, owner, job name, quota under both spellings, and date."""
    async with visit(speed=0) as site:
        (short,) = await site.script(seconds=5, wait=0, job_name="short")
        (long,) = await site.script(seconds=5000, wait=0, job_name="long", owner="ALIYUN$me@demo.example")
        await site.advance(10)
        now = site.emulator.maxcompute.clock.wall()

        async def names(query: str, path: str = INSTANCES) -> list[str]:
            found: list[str] = (await site.get(f"{path}?{query}")).find_all("Instance/Name")
            return found

        assert await names("status=Running") == [long]
        assert await names("status=Terminated") == [short]
        assert await names("onlyowner=yes") == [long]
        assert await names("onlyowner=no") == [long, short]
        assert await names("jobname=short") == [short]
        assert await names("quotaIndex=0%40emulator") == [long, short]
        assert await names("quotaindex=1%40other") == []
        assert await names(f"daterange={now - 60:.0f}:{now + 60:.0f}") == [long, short]
        assert await names(f"daterange={now + 60:.0f}:") == []
        assert await names(f"daterange=:{now - 60:.0f}") == []
        assert await names("daterange=%3A") == [long, short]


@pytest.mark.asyncio
async def test_live_instances_are_listed_with_progress(visit: Any) -> None:
    """Oldest first, by pages; what has ended stays for an emulated second, then goes."""
    async with visit(speed=0) as site:
        (ending,) = await site.script(seconds=5, wait=0)
        ids = await site.script(count=3, seconds=5000, wait=10)

        async def rows(query: str = "") -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            marker = ""
            while True:
                page = await site.get(f"{LIVE}?maxitems=2&marker={marker}{query}")
                found += json.loads(page.find("Content"))
                marker = page.find("Marker")
                if not marker:
                    return found

        assert [row["instanceId"] for row in await rows()] == [ending, *ids]
        assert (await rows())[1]["waitPos"] == 10
        await site.advance(5.5)
        assert [row["status"] for row in await rows()] == ["Terminated", "Running", "Running", "Running"]
        assert [row["instanceId"] for row in await rows("&status=Running")] == ids
        await site.advance(1)
        assert [row["instanceId"] for row in await rows()] == ids
        assert await rows("&onlyowner=yes") == []


@pytest.mark.asyncio
async def test_an_empty_listing_is_a_document_too(visit: Any) -> None:
    """With an empty array, which clients look for."""
    async with visit() as site:
        assert (await site.get(LIVE)).find("Content") == "[]"
        assert (await site.get(INSTANCES)).find_all("Instance") == []


@pytest.mark.asyncio
@pytest.mark.parametrize("query", ["maxitems=x", "marker=!", "daterange=yesterday", "daterange=1"])
async def test_nonsense_in_a_listing_is_refused(visit: Any, query: str) -> None:
    """Not read as something else."""
    async with visit() as site:
        reply = await site.get(f"{INSTANCES}?{query}")
        assert (reply.status, reply.find("Code")) == (400, "InvalidParameter")


@pytest.mark.asyncio
async def test_a_token_opens_what_its_policy_names(visit: Any) -> None:
    """And nothing else; also as a parameter of the address."""
    async with visit(speed=0) as site:
        mine, other = await site.script(count=2)
        resource = f"acs:odps:*:projects/demo/instances/{mine}"
        policy = {"Statement": [{"Action": ["odps:Read"], "Effect": "Allow", "Resource": resource}], "Version": "1"}
        body = json.dumps({"expires_in_hours": 1, "policy": policy})
        token = (await site.ask("POST", "/projects/demo/authorization?sign_bearer_token", body)).find("Result")
        bearer = {"x-odps-bearer-token": token}
        assert (await site.get(f"{INSTANCES}/{mine}?taskstatus", headers=bearer)).status == 200
        assert (await site.get(f"{INSTANCES}/{mine}?taskstatus&authorization_token={token}", headers={})).status == 200
        for method, target in (("GET", f"{INSTANCES}/{other}"), ("GET", LIVE), ("PUT", f"{INSTANCES}/{mine}")):
            refused = await site.ask(method, target, headers=bearer)
            assert (refused.status, refused.find("Code")) == (403, "NoPermission")


@pytest.mark.asyncio
@pytest.mark.parametrize("body", ["", "[]", "{}", '{"policy": 1}', '{"policy": {}, "expires_in_hours": "soon"}'])
async def test_a_token_is_not_given_for_nonsense(visit: Any, body: str) -> None:
    """The answer shows what is wanted."""
    async with visit() as site:
        reply = await site.ask("POST", "/projects/demo/authorization?sign_bearer_token", body)
        assert reply.status == 400
        assert "expires_in_hours" in reply.find("Message")


@pytest.mark.asyncio
async def test_usage_surveys_are_taken_and_tunnels_are_not_there(visit: Any) -> None:
    """The code makes clients read results inline."""
    async with visit() as site:
        assert (await site.ask("PUT", "/projects/demo/logs", "{}")).status == 200
        tunnel = await site.get("/projects/demo/tunnel?service")
        assert (tunnel.status, tunnel.find("Code")) == (400, "InvalidArgument")


@pytest.mark.asyncio
async def test_a_thousand_live_instances_fit_on_a_page(visit: Any) -> None:
    """And no more, whatever is asked for."""
    async with visit(speed=0) as site:
        await site.script(count=1001, scenario="join", seconds=600, wait=0)
        page = await site.get(f"{LIVE}?maxitems=5000")
        assert len(json.loads(page.find("Content"))) == 1000
        assert page.find("Marker") != ""
