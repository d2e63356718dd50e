import xml.etree.ElementTree as ET
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from monitor.emulator.errors import ServiceError
from monitor.emulator.wire import action_of

ONE = "/projects/demo/instances/i"


def test_the_action_is_found_among_other_keys() -> None:
    """The most specific first; none is the plain status."""
    assert action_of({"curr_project": "demo", "result": ""}) == "result"
    assert action_of({"instanceprogress": "T", "taskname": "T"}) == "instanceprogress"
    assert action_of({"curr_project": "demo"}) == ""


@pytest.mark.asyncio
async def test_every_answer_has_its_own_request_id(visit: Any) -> None:
    """Good or bad; errors repeat it in the body, with all that clients need."""
    async with visit() as site:
        good, bad = await site.get("/tenants"), await site.get(ONE)
        ids = {reply.headers["x-odps-request-id"] for reply in (good, bad)}
        assert len(ids) == 2
        assert bad.find("RequestId") == bad.headers["x-odps-request-id"]
        assert bad.find("HostId") == site.emulator.url
        assert "Instance not found" in bad.find("Message")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "Unauthorized"),
        ({"Authorization": "ODPS me:x", "Date": formatdate(usegmt=True)}, 401, "SignatureNotMatch"),
        ({"Authorization": "ODPS me:x", "Date": formatdate(0, usegmt=True)}, 400, "RequestTimeTooSkewd"),
        ({"x-odps-bearer-token": "AAAA"}, 401, "Unauthorized"),
    ],
)
async def test_strangers_are_refused(visit: Any, headers: dict[str, str], status: int, code: str) -> None:
    """With the codes of the service."""
    async with visit() as site:
        reply = await site.get(ONE, headers=headers)
        assert (reply.status, reply.find("Code")) == (status, code)


@pytest.mark.asyncio
async def test_unknown_paths_and_methods_are_errors_of_the_service(visit: Any) -> None:
    """Not pages of a web server."""
    async with visit() as site:
        assert (await site.get("/nowhere")).find("Code") == "NoSuchObject"
        wrong = await site.ask("DELETE", ONE)
        assert (wrong.status, wrong.find("Code")) == (405, "MethodNotAllowed")


@pytest.mark.asyncio
async def test_an_interceptor_stands_before_the_service(visit: Any) -> None:
    """It can refuse in the service's words before anybody looks at the signature; the request counts all the same."""

    @web.middleware
    async def throttle(request: web.Request, handler: Handler) -> web.StreamResponse:
        if "taskstatus" in request.query:
            raise ServiceError(429, "FlowExceeded", "too many requests")
        return await handler(request)

    async with visit(interceptors=[throttle]) as site:
        reply = await site.get(f"{ONE}?taskstatus", headers={})
        assert (reply.status, reply.find("Code")) == (429, "FlowExceeded")
        assert (await site.get(ONE)).status == 404
        _, report = await site.control("GET", "/requests")
        assert report["operations"]["taskstatus"]["count"] == 1


@pytest.mark.asyncio
async def test_operations_have_names(visit: Any) -> None:
    """Those under which tests look for them."""
    async with visit(speed=0) as site:
        id_ = await site.submit("select 1")
        one = f"/projects/demo/instances/{id_}"
        for target in (
            "/projects/demo/instances",
            "/projects/demo/cachedinstances",
            one,
            f"{one}?taskstatus",
            f"{one}?result",
            f"{one}?instanceprogress=T&taskname=AnonymousSQLTask",
            "/nowhere",
        ):
            await site.get(target)
        await site.ask("PUT", one, "<Instance><Status>Terminated</Status></Instance>")
        await site.ask("PUT", f"{one}?info&taskname=AnonymousSQLTask", "<Instance><Key>k</Key></Instance>")
        await site.ask("POST", "/projects/demo/authorization?sign_bearer_token", "{}")
        _, report = await site.control("GET", "/requests")
        assert {name: tally["count"] for name, tally in report["operations"].items()} == {
            "submit": 1,
            "list": 1,
            "cachedinstances": 1,
            "status": 1,
            "taskstatus": 1,
            "result": 1,
            "instanceprogress": 1,
            "unknown": 1,
            "stop": 1,
            "put_info": 1,
            "authorization": 1,
        }


@pytest.mark.asyncio
async def test_octets_that_are_no_xml_do_not_break_an_error(visit: Any) -> None:
    """Messages repeat what was sent, made harmless."""
    async with visit() as site:
        reply = await site.get("/projects/demo/instances/%01%3Cscript%3E%EF%BF%BE")
        assert reply.status == 404
        assert ET.fromstring(reply.text).findtext("Message")
