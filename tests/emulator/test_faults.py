"""Each fault as it comes over the wire, met by a client that shares no code with the emulator."""

import json
import re
import xml.etree.ElementTree as ET
from email.utils import formatdate
from typing import Any

import aiohttp
import odps.errors
import pytest
import requests
from yarl import URL

from monitor.emulator.faults import FAULTS, OPERATIONS
from monitor.emulator.maxcompute import build_app
from tests.emulator.conftest import Reply, Site, sign

LIVE = "/projects/demo/cachedinstances"
ALL = "/projects/demo/instances"


async def switch_on(site: Site, fault: str, **setting: Any) -> None:
    """Have that fault from now on."""
    status, answer = await site.control("POST", "/faults", {"fault": fault, **setting})
    assert status == 200, answer


def names(reply: Reply) -> list[str]:
    """The ids of a page of either listing, in its order."""
    content = reply.xml.find("Content")
    if content is not None:
        return [row["instanceId"] for row in json.loads(content.text or "")]
    return reply.find_all("Instance/Name")


def as_pyodps_has_it(reply: Reply) -> Exception:
    """The exception that unmodified pyodps makes of a refusal."""
    got = requests.Response()
    got.status_code = reply.status
    got._content = reply.text.encode()
    error: Exception = odps.errors.parse_response(got)
    return error


# --- in the service's or a gateway's words ----------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ("too_many_requests", 429, odps.errors.ODPSError),
        ("internal_error", 500, odps.errors.InternalServerError),
        ("flow_exceeded", 400, odps.errors.FlowExceeded),
        ("expired_token", 401, odps.errors.AuthenticationRequestExpired),
        ("no_such_object", 404, odps.errors.NoSuchObject),
        ("forbidden", 403, odps.errors.NoPermission),
    ],
)
async def test_what_pyodps_makes_of_a_refusal(visit: Any, fault: str, status: int, error: type[Exception]) -> None:
    """The class that it has for this refusal."""
    async with visit(speed=0) as site:
        (id_,) = await site.script()
        await switch_on(site, fault)
        reply = await site.get(f"{ALL}/{id_}?taskstatus", headers={"authorization-sts-token": "made-up"})
    assert reply.status == status
    assert type(as_pyodps_has_it(reply)) is error


@pytest.mark.asyncio
async def test_a_gateway_has_pages_of_its_own(visit: Any) -> None:
    """Three kinds of them, of which pyodps knows one."""
    async with visit() as site:
        await switch_on(site, "bad_gateway")
        replies = [await site.get("/tenants") for _ in range(20)]
    assert {reply.status for reply in replies} == {502, 503, 504}
    assert {reply.headers["Server"] for reply in replies} == {"nginx"}
    for reply in replies:
        known = odps.errors.BadGatewayError if reply.status == 502 else odps.errors.ODPSError
        assert type(as_pyodps_has_it(reply)) is known


@pytest.mark.asyncio
async def test_a_throttled_client_is_told_when_to_come_back(visit: Any) -> None:
    """By a gateway with a time, by the service without."""
    async with visit() as site:
        await switch_on(site, "too_many_requests", retry_after=7)
        reply = await site.get("/tenants")
        assert (reply.status, reply.headers["Retry-After"]) == (429, "7")
        await site.control("DELETE", "/faults/too_many_requests")
        await switch_on(site, "flow_exceeded")
        reply = await site.get("/tenants")
        assert (reply.status, reply.find("Code")) == (400, "FlowExceeded")
        assert "Retry-After" not in reply.headers
        assert reply.find("RequestId") == reply.headers["x-odps-request-id"]


@pytest.mark.asyncio
async def test_only_those_who_bring_a_token_can_have_one_that_expired(visit: Any) -> None:
    """A lasting key still signs."""
    async with visit() as site:
        await switch_on(site, "expired_token")
        assert (await site.get("/tenants")).status == 200
        for header in ("authorization-sts-token", "X-ODPS-Bearer-Token"):
            reply = await site.get("/tenants", headers={header: "made-up"})
            assert (reply.status, reply.find("Code")) == (401, "AuthenticationRequestExpired")


@pytest.mark.asyncio
async def test_latency(visit: Any) -> None:
    """The true answer, later."""
    async with visit() as site:
        await switch_on(site, "latency", delay=0.05)
        with pytest.raises(TimeoutError):
            await site.session.get(f"{site.emulator.endpoint}/logview/host", timeout=aiohttp.ClientTimeout(0.03))
        assert (await site.get("/tenants")).status == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("offset", [3600, -3600])
async def test_clock_skew(visit: Any, offset: float) -> None:
    """Signatures are judged and everything is dated by the wrong time, until it is switched off."""
    async with visit(speed=0) as site:
        await switch_on(site, "clock_skew", offset=offset)
        refused = await site.get("/tenants")
        assert (refused.status, refused.find("Code")) == (400, "RequestTimeTooSkewd")
        date = refused.headers["Date"]
        assert (await site.get("/tenants", headers=asking("/tenants", date))).status == 200
        (id_,) = await site.script()
        row = await site.get(f"{ALL}/{id_}", headers=asking(f"{ALL}/{id_}", date))
        assert row.headers["x-odps-start-time"][:22] == date[:22]
        await site.control("DELETE", "/faults")
        right = await site.get("/tenants")
        assert right.status == 200
        assert right.headers["Date"] != date


def asking(target: str, date: str) -> dict[str, str]:
    """Headers of a GET that is signed by that time."""
    headers = {"Date": date, "Content-Type": "application/xml"}
    return {**headers, "Authorization": sign("GET", target, headers)}


# --- spoiled on the way -----------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_reset_comes_after_half_a_body(visit: Any) -> None:
    """Headers and a beginning arrive, then the connection is gone."""
    async with visit(speed=0) as site:
        await site.script(count=50)
        await switch_on(site, "reset")
        url, headers = URL(site.emulator.endpoint + LIVE), asking(LIVE, formatdate(usegmt=True))
        async with site.session.get(url, data=b"", headers=headers) as response:
            assert response.status == 200
            assert await response.content.read(100)
            with pytest.raises(aiohttp.ClientError):
                await response.read()
        await site.control("DELETE", "/faults")
        assert len(names(await site.get(LIVE))) == 50


@pytest.mark.asyncio
async def test_a_truncated_document(visit: Any) -> None:
    """Whole by HTTP, broken as XML; cut elsewhere each time."""
    async with visit(speed=0) as site:
        await site.script()
        whole = (await site.get(LIVE)).text
        await switch_on(site, "truncated")
        cuts = [(await site.get(LIVE)).text for _ in range(5)]
    assert all(whole.startswith(cut) for cut in cuts)
    assert len(set(cuts)) > 1
    for cut in cuts:
        with pytest.raises(ET.ParseError):
            ET.fromstring(cut)


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["entity_bomb", "external_entity"])
async def test_a_document_that_declares_entities_is_the_true_one_otherwise(visit: Any, fault: str) -> None:
    """It is well-formed, and whoever ignores the declaration finds what was asked for."""
    async with visit(speed=0) as site:
        (id_,) = await site.script()
        await switch_on(site, fault)
        text = (await site.get(LIVE)).text
    assert re.match(r'<\?xml [^>]*>\n<!DOCTYPE Instances \[<!ENTITY \w+ (SYSTEM )?"', text)
    harmless = re.sub(r"<!DOCTYPE.*\]>|<Note>&\w+;</Note>", "", text)
    content = ET.fromstring(harmless).findtext("Content")
    assert [row["instanceId"] for row in json.loads(content or "")] == [id_]
    assert len(text) < 5_000


@pytest.mark.asyncio
async def test_a_huge_body(visit: Any) -> None:
    """As long as was wanted, its length not announced, and a good document to whoever reads it all."""
    async with visit() as site:
        await switch_on(site, "huge_body", mebibytes=3)
        reply = await site.get("/projects/demo")
        assert len(reply.text) > 3 * 2**20
        assert reply.find("Name") == "demo"
        assert "Content-Length" not in reply.headers
        await switch_on(site, "huge_body", mebibytes=1024)
        async with site.session.get(f"{site.emulator.endpoint}/logview/host") as response:
            assert await response.content.read(1)
        assert (await site.control("GET", "/requests"))[0] == 200  # it goes on after somebody has had enough


@pytest.mark.asyncio
async def test_wrong_content(visit: Any) -> None:
    """200, and never what was asked for."""
    async with visit() as site:
        await switch_on(site, "wrong_content")
        replies = [await site.get(LIVE) for _ in range(30)]
    assert {reply.status for reply in replies} == {200}
    assert {reply.headers["Content-Type"].partition(";")[0] for reply in replies} == {
        "text/html",
        "application/json",
        "application/xml",
    }
    assert any(reply.text == "" for reply in replies)
    assert not any("<Instances>" in reply.text for reply in replies)


# --- confused listings ------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("listing", [LIVE, ALL])
@pytest.mark.parametrize(
    ("fault", "markers"), [("repeated_marker", ["1", "1", "1"]), ("looping_markers", ["1", "2", "1"])]
)
async def test_markers_that_never_end(visit: Any, listing: str, fault: str, markers: list[str]) -> None:
    """The next page is one that was there before."""
    async with visit(speed=0) as site:
        await site.script(count=3)
        await switch_on(site, fault)
        got, query = [], ""
        for _ in markers:
            got.append((await site.get(listing + query)).find("Marker"))
            query = f"?marker={got[-1]}"
    assert got == markers


@pytest.mark.asyncio
@pytest.mark.parametrize("listing", [LIVE, ALL])
async def test_rows_that_come_twice(visit: Any, listing: str) -> None:
    """All of them, as they were."""
    async with visit(speed=0) as site:
        await site.script(count=3, job_name="<&>")
        whole = names(await site.get(listing))
        await switch_on(site, "duplicate_ids")
        assert names(await site.get(listing)) == whole * 2


@pytest.mark.asyncio
@pytest.mark.parametrize("listing", [LIVE, ALL])
async def test_rows_that_vanish_and_come_back(visit: Any, listing: str) -> None:
    """Others each time; asked by name the service knows them all."""
    async with visit(speed=0) as site:
        ids = await site.script(count=40)
        await switch_on(site, "vanishing")
        pages = [set(names(await site.get(listing))) for _ in range(8)]
        assert set().union(*pages) == set(ids)
        assert all(5 < len(page) < 35 for page in pages)
        assert len({frozenset(page) for page in pages}) == len(pages)
        assert (await site.get(f"{ALL}/{ids[0]}?taskstatus")).status == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["duplicate_ids", "vanishing"])
async def test_an_empty_page_stays_empty(visit: Any, fault: str) -> None:
    """There is nothing to confuse."""
    async with visit() as site:
        await switch_on(site, fault)
        assert names(await site.get(LIVE)) == names(await site.get(ALL)) == []


@pytest.mark.asyncio
async def test_no_such_object_now_and_then(visit: Any) -> None:
    """The same instance is denied and known in turn; listings go on."""
    async with visit(speed=0) as site:
        (id_,) = await site.script()
        await switch_on(site, "no_such_object", share=0.5)
        codes = [(await site.get(f"{ALL}/{id_}?taskstatus")).status for _ in range(30)]
        assert set(codes) == {200, 404}
        assert names(await site.get(LIVE)) == [id_]


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_operations_are_those_that_are_counted(visit: Any) -> None:
    """Every route of the service can be hit under the name under which it is counted."""
    async with visit() as site:
        names = (route.resource.name for route in build_app(site.emulator.maxcompute).router.routes())
        routes = {name.removeprefix("mcqa_") for name in names}  # both paths of an instance count as one
    assert routes - {"instance", "instances"} <= set(OPERATIONS)
    assert len(OPERATIONS) == len(set(OPERATIONS))


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", FAULTS)
async def test_two_faults_at_once(visit: Any, fault: str) -> None:
    """With every other one something is answered or torn, and afterwards the service is as it was."""
    async with visit(speed=0) as site:
        await site.script()
        for other in FAULTS:
            await switch_on(site, fault, delay=0.0, mebibytes=1)
            await switch_on(site, other, delay=0.0, mebibytes=1)
            try:
                assert (await site.get(LIVE)).status in {200, 400, 401, 403, 429, 500, 502, 503, 504}
            except aiohttp.ClientError:
                assert "reset" in {fault, other}
            await site.control("DELETE", "/faults")
            assert len(names(await site.get(LIVE))) == 1
