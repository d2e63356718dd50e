"""The client of our own API, against the real API."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from monitor.client import ClientError, Stagewatch
from monitor.core.model import Phase
from tests.web.desk import HOSTILE, failed, open_desk, staged, track


@pytest.mark.asyncio
async def test_every_page_is_read() -> None:
    """More instances than one answer holds come one by one, newest first, each once."""
    tracks = [track(f"i{number:04}") for number in range(2_345)]
    async with open_desk(*tracks) as desk, Stagewatch(desk.url) as daemon:
        ids = [instance.id async for instance in daemon.instances()]
    assert ids == [one.key.id for one in reversed(tracks)]


@pytest.mark.asyncio
async def test_filters_are_the_servers() -> None:
    """What is asked for is what comes."""
    tracks = staged("a", 3), failed("b"), track("c", Phase.SUCCEEDED)
    async with open_desk(*tracks) as desk, Stagewatch(desk.url) as daemon:
        found = [one.id async for one in daemon.instances(phase="failed,succeeded", q="B")]
    assert found == ["b"]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", HOSTILE)
async def test_one_instance(name: str) -> None:
    """By its key or by its bare id, whole, whatever its name."""
    async with open_desk(failed("i1", name=name)) as desk, Stagewatch(desk.url + "/") as daemon:
        whole = await daemon.instance("warehouse/analytics/i1")
        bare = await daemon.instance("i1")
    assert whole == bare
    assert whole.name == name
    assert whole.failure.code == "ODPS-0130131"


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["warehouse/analytics/unknown", "unknown", "a b/ü/%2F", "?", "#"])
async def test_unknown_key(key: str) -> None:
    """The API's own words are the error, whatever stands in the key."""
    async with open_desk(track("i1")) as desk, Stagewatch(desk.url) as daemon:
        with pytest.raises(ClientError) as caught:
            await daemon.instance(key)
    assert caught.value.code == "not_found"
    assert "\n" not in str(caught.value)


@pytest.mark.asyncio
async def test_bad_filter() -> None:
    """So are they where a filter is wrong."""
    async with open_desk() as desk, Stagewatch(desk.url) as daemon:
        with pytest.raises(ClientError, match="exploded") as caught:
            _ = [one async for one in daemon.instances(phase="exploded")]
    assert caught.value.code == "bad_request"


@pytest.mark.asyncio
async def test_nobody_there() -> None:
    """A daemon that cannot be reached is named with its address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    async with Stagewatch(url) as daemon:
        with pytest.raises(ClientError, match=url) as caught:
            await daemon.instance("a/b/c")
    assert caught.value.code == "unreachable"


@pytest.mark.asyncio
@pytest.mark.parametrize("body", ["<html>nginx</html>", "[]", "{}", '{"instances": 1}', "\xff", ""])
async def test_something_else_answers(body: str) -> None:
    """An address where something else listens is told apart from a daemon."""
    async with answering(body) as url, Stagewatch(url) as daemon:
        with pytest.raises(ClientError, match="not Stagewatch's JSON") as caught:
            await daemon.instance("a/b/c")
        with pytest.raises(ClientError, match="not Stagewatch's JSON"):
            _ = [one async for one in daemon.instances()]
    assert caught.value.code == "not_stagewatch"


@asynccontextmanager
async def answering(body: str) -> AsyncIterator[str]:
    """A server with one answer to everything."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body.encode("latin-1"))

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.asyncio
async def test_bad_address() -> None:
    """An address that is none says how one looks."""
    async with Stagewatch("nonsense") as daemon:
        with pytest.raises(ClientError, match=r"http://127\.0\.0\.1:9690"):
            await daemon.instance("a/b/c")


@pytest.mark.asyncio
async def test_not_entered() -> None:
    """A client that was not entered says how to."""
    with pytest.raises(RuntimeError, match="async with"):
        await Stagewatch("http://127.0.0.1:1").instance("a/b/c")
