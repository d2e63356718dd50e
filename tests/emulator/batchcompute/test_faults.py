"""Each fault as it comes over the wire, met by a client that shares no code with the emulator."""

import json
from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

import aiohttp
import pytest
from yarl import URL

from monitor.emulator.batchcompute.api import build_apps
from monitor.emulator.batchcompute.faults import FAULTS, OPERATIONS
from monitor.emulator.faults import FAULTS as MAXCOMPUTE_FAULTS
from tests.emulator.batchcompute.client import Client, asking, job, sign

TOKEN = {"x-acs-security-token": "STS-1"}


async def switch_on(client: Client, fault: str, **setting: Any) -> None:
    """Have that fault from now on, in Batch Compute."""
    status, answer = await client.site.control(
        "POST", "/faults", {"fault": fault, "service": "batchcompute", **setting}
    )
    assert status == 200, answer


def signed(target: str, **headers: str) -> Mapping[str, str]:
    """The headers of a GET."""
    sent = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Date": formatdate(usegmt=True),
        **headers,
    }
    return {**sent, "Authorization": sign("GET", target, sent)}


# --- in the service's or a gateway's words ----------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("internal_error", 500, "InternalError"),
        ("flow_exceeded", 400, "Throttling.User"),
        ("expired_token", 400, "InvalidSecurityToken.Expired"),
        ("no_such_object", 404, "InvalidResource.NotFound"),
        ("forbidden", 403, "Forbidden.RAM"),
    ],
)
async def test_a_refusal_in_the_service_s_words(visit: Any, fault: str, status: int, code: str) -> None:
    """A document like any other refusal, with a request id and no time to come back."""
    async with asking(visit, speed=0) as client:
        (id_,) = await client.plan()
        await switch_on(client, fault)
        reply = await client.ask("GET", f"/jobs/{id_}", headers=TOKEN)
        assert (reply.status, reply.code) == (status, code)
        assert reply.json["RequestId"] == reply.headers["x-acs-request-id"]
        assert "Retry-After" not in reply.headers


@pytest.mark.asyncio
async def test_a_gateway_has_pages_of_its_own(visit: Any) -> None:
    """When it cannot reach the service, and when it wants less; then it names a time."""
    async with asking(visit) as client:
        await switch_on(client, "bad_gateway")
        replies = [await client.ask("GET", "/jobs") for _ in range(20)]
        assert {reply.status for reply in replies} == {502, 503, 504}
        await client.site.control("DELETE", "/faults")
        await switch_on(client, "too_many_requests", retry_after=7)
        reply = await client.ask("GET", "/jobs")
        assert (reply.status, reply.headers["Retry-After"]) == (429, "7")
        assert {one.headers["Content-Type"].partition(";")[0] for one in (reply, *replies)} == {"text/html"}


@pytest.mark.asyncio
async def test_only_those_who_bring_a_token_can_have_one_that_expired(visit: Any) -> None:
    """A lasting key still signs."""
    async with asking(visit) as client:
        await switch_on(client, "expired_token")
        assert (await client.ask("GET", "/jobs")).status == 200
        assert (await client.ask("GET", "/jobs", headers=TOKEN)).status == 400


@pytest.mark.asyncio
async def test_a_job_is_denied_now_and_then(visit: Any) -> None:
    """Known and not known in turn; listings go on."""
    async with asking(visit, speed=0) as client:
        (id_,) = await client.plan()
        await switch_on(client, "no_such_object", share=0.5)
        assert {(await client.ask("GET", f"/jobs/{id_}")).status for _ in range(30)} == {200, 404}
        assert await client.ids() == [id_]


@pytest.mark.asyncio
async def test_latency(visit: Any) -> None:
    """The true answer, later."""
    async with asking(visit) as client:
        await switch_on(client, "latency", delay=0.05)
        with pytest.raises(TimeoutError):
            await client.site.session.get(f"{client.site.emulator.url}/jobs", timeout=aiohttp.ClientTimeout(0.03))
        assert (await client.ask("GET", "/jobs")).status == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("offset", [3600, -3600])
async def test_clock_skew(visit: Any, offset: float) -> None:
    """Signatures are judged and everything is dated by the wrong time, in this service alone."""
    async with asking(visit, speed=0) as client:
        await switch_on(client, "clock_skew", offset=offset)
        refused = await client.ask("GET", "/jobs")
        assert (refused.status, refused.code) == (400, "InvalidTimeStamp.Expired")
        date = refused.headers["Date"]
        behind = parsedate_to_datetime(date).timestamp() - parsedate_to_datetime(formatdate(usegmt=True)).timestamp()
        assert behind == pytest.approx(offset, abs=5)
        (id_,) = await client.plan()
        shown = (await client.ask("GET", f"/jobs/{id_}", headers={"Date": date})).json
        assert shown["CreationTime"][:15] == parsedate_to_datetime(date).isoformat()[:15]
        assert (await client.site.get("/tenants")).status == 200
        await client.site.control("DELETE", "/faults")
        assert (await client.ask("GET", "/jobs")).status == 200


# --- spoiled on the way -----------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_reset_comes_after_half_a_body(visit: Any) -> None:
    """Headers and a beginning arrive, then the connection is gone."""
    async with asking(visit, speed=0) as client:
        await client.plan(count=50)
        await switch_on(client, "reset")
        url = URL(f"{client.site.emulator.url}/jobs")
        async with client.site.session.get(url, data=b"", headers=signed("/jobs")) as response:
            assert response.status == 200
            assert await response.content.read(100)
            with pytest.raises(aiohttp.ClientError):
                await response.read()


@pytest.mark.asyncio
async def test_a_truncated_document(visit: Any) -> None:
    """Whole by HTTP, broken as JSON; cut elsewhere each time."""
    async with asking(visit, speed=0) as client:
        await client.plan(count=3)
        whole = (await client.ask("GET", "/jobs")).body
        await switch_on(client, "truncated")
        cuts = [(await client.ask("GET", "/jobs")).body for _ in range(5)]
    assert all(whole.startswith(cut) for cut in cuts)
    assert len(set(cuts)) > 1
    for cut in cuts:
        with pytest.raises(json.JSONDecodeError):
            json.loads(cut)


@pytest.mark.asyncio
async def test_a_huge_body(visit: Any) -> None:
    """As long as was wanted, its length not announced, and a good document to whoever reads it all."""
    async with asking(visit) as client:
        await switch_on(client, "huge_body", mebibytes=3)
        reply = await client.ask("GET", "/jobs")
        assert len(reply.body) > 3 * 2**20
        assert reply.json == {"NextMarker": "", "Items": []}
        assert "Content-Length" not in reply.headers


@pytest.mark.asyncio
async def test_wrong_content(visit: Any) -> None:
    """200, and never what was asked for."""
    async with asking(visit) as client:
        await switch_on(client, "wrong_content")
        replies = [await client.ask("GET", "/jobs") for _ in range(40)]
    assert {reply.status for reply in replies} == {200}
    bodies = {reply.body for reply in replies}
    assert len(bodies) == 5
    assert b"" in bodies
    assert not any(body.startswith(b'{"NextMarker"') for body in bodies)


# --- confused listings ------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("instances", [False, True])
@pytest.mark.parametrize(("fault", "circle"), [("repeated_marker", 1), ("looping_markers", 2)])
async def test_markers_that_never_end(visit: Any, instances: bool, fault: str, circle: int) -> None:
    """The next page is one that was there before, whatever is on it."""
    async with asking(visit, speed=0) as client:
        (id_,) = await client.plan()
        await switch_on(client, fault)
        listing = f"/jobs/{id_}/tasks/count/instances" if instances else "/jobs"
        got = [(await client.get(f"{listing}?Marker"))["NextMarker"]]
        for _ in range(4):
            got.append((await client.get(f"{listing}?Marker={got[-1]}"))["NextMarker"])
        assert got[circle:] == got[:-circle]
        assert (len(set(got)), "" in got) == (circle, False)


@pytest.mark.asyncio
async def test_rows_that_come_twice(visit: Any) -> None:
    """All of them, of every listing."""
    async with asking(visit, speed=0) as client:
        (id_,) = await client.plan(tasks=3)
        listings = ("/jobs", f"/jobs/{id_}/tasks", f"/jobs/{id_}/tasks/merge/instances")
        whole = [(await client.get(listing))["Items"] for listing in listings]
        await switch_on(client, "duplicate_ids")
        assert [(await client.get(listing))["Items"] for listing in listings] == [items * 2 for items in whole]


@pytest.mark.asyncio
async def test_rows_that_vanish_and_come_back(visit: Any) -> None:
    """Others each time; asked by id the service knows them all."""
    async with asking(visit, speed=0) as client:
        ids = await client.plan(count=40)
        await switch_on(client, "vanishing")
        pages = [set(await client.ids()) for _ in range(8)]
        assert set().union(*pages) == set(ids)
        assert all(5 < len(page) < 35 for page in pages)
        assert (await client.ask("GET", f"/jobs/{ids[0]}")).status == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["duplicate_ids", "vanishing"])
async def test_an_empty_page_stays_empty(visit: Any, fault: str) -> None:
    """There is nothing to confuse."""
    async with asking(visit) as client:
        await switch_on(client, fault)
        assert await client.ids() == []


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_operations_are_those_that_are_counted(visit: Any) -> None:
    """Every route of the service can be hit under the name under which it is counted."""
    async with asking(visit) as client:
        apps = build_apps(client.site.emulator.batchcompute)
        routes = {route.resource.name for app in apps.values() for route in app.router.routes()}
    assert routes - {"jobs", "job"} <= set(OPERATIONS)
    assert len(OPERATIONS) == len(set(OPERATIONS))
    for fault in FAULTS.values():
        assert set(fault.operations) <= set(OPERATIONS)


def test_the_words_are_those_of_the_other_service() -> None:
    """Whoever switches one on without a service means it everywhere; what JSON cannot have is left out."""
    assert MAXCOMPUTE_FAULTS.keys() - FAULTS.keys() == {"entity_bomb", "external_entity"}
    assert FAULTS.keys() <= MAXCOMPUTE_FAULTS.keys()


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", FAULTS)
async def test_two_faults_at_once(visit: Any, fault: str) -> None:
    """With every other one something is answered or torn, and afterwards the service is as it was."""
    async with asking(visit, speed=0) as client:
        made = await client.plan()
        for other in FAULTS:
            await switch_on(client, fault, delay=0.0, mebibytes=1)
            await switch_on(client, other, delay=0.0, mebibytes=1)
            try:
                assert (await client.ask("GET", "/jobs")).status in {200, 400, 403, 429, 500, 502, 503, 504}
            except aiohttp.ClientError:
                assert "reset" in {fault, other}
            await client.site.control("DELETE", "/faults")
            assert await client.ids() == made


@pytest.mark.asyncio
async def test_a_submission_may_be_kept_though_its_answer_is_lost(visit: Any) -> None:
    """The same token then finds the job that is there already."""
    async with asking(visit, speed=0) as client:
        await switch_on(client, "reset", operations=["CreateJob"])
        with pytest.raises(aiohttp.ClientError):
            await client.submit(job(), "a")
        await client.site.control("DELETE", "/faults")
        assert await client.ids() == [await client.submit(job(), "a")]
