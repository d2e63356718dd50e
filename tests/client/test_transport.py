"""One request and its answer, against whatever may stand at an address."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from monitor.client.errors import ClientError
from monitor.client.transport import Transport
from tests.served import answered


@asynccontextmanager
async def transport(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[Transport]:
    """An open transport to a server that answers everything so."""
    async with answered(handler) as url:
        way = Transport(f"{url}/")
        await way.open()
        try:
            yield way
        finally:
            await way.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [401, 403, 407])
async def test_somebody_in_front_asks_who_we_are(status: int) -> None:
    """A proxy that wants a name says so in its own words, and the error says what it means."""

    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=status, text="<html>who are you?</html>")

    async with transport(refuse) as way:
        with pytest.raises(ClientError, match=str(status)) as caught:
            await way.ask(dict, "/api/v1/sources")
    assert caught.value.code == "unauthorized"


@pytest.mark.asyncio
async def test_a_redirect_is_no_daemon() -> None:
    """A login page elsewhere is not followed: it is not what was asked."""

    async def elsewhere(_request: web.Request) -> web.Response:
        raise web.HTTPFound("/login")

    async with transport(elsewhere) as way:
        with pytest.raises(ClientError, match="302") as caught:
            await way.ask(dict, "/api/v1/sources")
        with pytest.raises(ClientError, match="302"):
            await way.session.ws_connect(f"{way.url}/api/v1/feed")
    assert caught.value.code == "not_stagewatch"


@pytest.mark.asyncio
async def test_what_is_sent() -> None:
    """A body goes as JSON, parameters in the address, and the answer comes in the form that was asked for."""

    async def echo(request: web.Request) -> web.Response:
        return web.json_response([request.method, request.content_type, await request.json(), dict(request.query)])

    async with transport(echo) as way:
        answer = await way.ask(list, "/x", method="POST", query={"a": "ü"}, body={"key": "k"})
    assert answer == ["POST", "application/json", {"key": "k"}, {"a": "ü"}]


@pytest.mark.asyncio
async def test_a_connection_that_breaks_off() -> None:
    """A server that hangs up in the middle is one line with its address."""

    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with transport(hang_up) as way:
        with pytest.raises(ClientError, match=way.url) as caught:
            await way.ask(dict, "/x")
    assert caught.value.code == "unreachable"
    assert "\n" not in str(caught.value)


@pytest.mark.asyncio
async def test_a_password_is_sent_and_never_shown() -> None:
    """One in the address goes to who asks for it, and into no message."""

    async def greet(request: web.Request) -> web.Response:
        return web.json_response({"sent": request.headers.get("Authorization", "")})

    async with transport(greet) as way:
        named = Transport(way.url.replace("//", "//ann:a-made-up-secret@"))
        await named.open()
        try:
            assert (await named.ask(dict, "/x"))["sent"].startswith("Basic ")
        finally:
            await named.close()
    await named.open()
    try:
        with pytest.raises(ClientError) as caught:
            await named.ask(dict, "/x")
    finally:
        await named.close()
    assert "secret" not in str(caught.value)
    assert named.name == way.url
