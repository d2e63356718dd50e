"""The client of our own API, against the real API."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web

from monitor.client import ClientError, Event, Stagewatch
from monitor.core.model import Phase
from monitor.storage.base import Batch
from tests.client.test_feed import client, port, subscribed
from tests.served import answered
from tests.web.desk import HOSTILE, alert, failed, key, moved, open_desk, staged, track


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
@pytest.mark.parametrize("unknown", ["warehouse/analytics/unknown", "unknown", "a b/ü/%2F", "?", "#", "a/b/.."])
async def test_unknown_key(unknown: str) -> None:
    """The API's own words are the error, whatever stands in the key."""
    async with open_desk(track("i1")) as desk, Stagewatch(desk.url) as daemon:
        with pytest.raises(ClientError) as caught:
            await daemon.instance(unknown)
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

    async with answered(answer) as url:
        yield url


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


@pytest.mark.asyncio
@pytest.mark.parametrize("none", ["", "a/b", "/b/c", "a/b/"])
async def test_what_is_no_key(none: str) -> None:
    """Says how one looks, and is not sent."""
    async with open_desk() as desk, Stagewatch(desk.url) as daemon:
        with pytest.raises(ClientError, match="source/project/id"):
            await daemon.instance(none)


@pytest.mark.asyncio
async def test_what_people_do() -> None:
    """Register, read results and LogView, stop: each by key or bare id."""
    async with open_desk() as desk, Stagewatch(desk.url) as daemon:
        desk.service.known = {"i1": Phase.RUNNING}
        assert (await daemon.register("warehouse/analytics/i1")).phase is Phase.RUNNING
        assert await daemon.results("i1") == {"AnonymousSQLTask": "id\ni1\n"}
        assert "hours=5" in await daemon.logview("warehouse/analytics/i1", hours=5)
        assert "hours=None" in await daemon.logview("warehouse/analytics/i1")  # as the section of the source says
        assert (await daemon.stop("i1")).id == "i1"
        assert desk.service.known == {"i1": Phase.CANCELLED}
        assert daemon.logview_link("a/b/ü") == f"{desk.url}/api/v1/instances/a/b/%C3%BC/logview?redirect"
        (project,) = (await daemon.sources()).sources
    assert project.project == "analytics"


@pytest.mark.asyncio
async def test_a_job_is_submitted_and_restarted() -> None:
    """The instance comes back, watched already; each submission is a new job, unless it has the token of another."""
    async with open_desk() as desk, Stagewatch(desk.url) as daemon:
        made = await daemon.submit({"Name": "render"}, "warehouse", "nightly-1")
        assert (made.key, made.phase) == ("warehouse/analytics/job-nightly-1", Phase.WAITING)
        assert (await daemon.submit({"Name": "render"}, "warehouse", "nightly-1")).key == made.key
        others = {(await daemon.submit({}, "warehouse")).key for _ in range(2)}
        assert len({made.key, *others}) == 3
        with pytest.raises(ClientError, match="no source takes jobs"):
            await daemon.submit({})
        desk.service.known["job-nightly-1"] = Phase.FAILED
        assert (await daemon.restart(made.key)).key == made.key
        assert desk.service.known["job-nightly-1"] is Phase.RUNNING


@pytest.mark.asyncio
async def test_a_lost_answer_makes_no_second_job() -> None:
    """The daemon took the job, and the connection broke before it could say so: what is sent again is the same job."""
    async with open_desk() as desk:
        lost = []

        async def pass_on(request: web.Request) -> web.Response:
            async with desk.session.post(f"{desk.url}{request.path}", data=await request.read()) as answer:
                body = await answer.read()
            if not lost:
                lost.append(body)
                assert request.transport is not None
                request.transport.abort()
            return web.Response(body=body)

        async with answered(pass_on) as url, Stagewatch(url) as daemon:
            made = await daemon.submit({"Name": "render"}, "warehouse")
        assert lost
        assert list(desk.service.known) == [made.id]


@pytest.mark.asyncio
async def test_refusals_keep_their_code() -> None:
    """What cannot be done is said in the API's own words."""
    async with (
        open_desk(failed("i1"), track(key("x", "p")), track(key("x", "q"))) as desk,
        Stagewatch(desk.url) as daemon,
    ):
        with pytest.raises(ClientError, match="failed") as ended:
            await daemon.stop("i1")
        with pytest.raises(ClientError, match="several") as several:
            await daemon.instance("x")
        with pytest.raises(ClientError, match="168") as hours:
            await daemon.logview("i1", hours=1000)
    assert [one.value.code for one in (ended, several, hours)] == ["conflict", "conflict", "bad_request"]


@pytest.mark.asyncio
async def test_alerts_and_who_has_them() -> None:
    """All that match, over every page; the first who takes one stays."""
    async with open_desk() as desk, Stagewatch(desk.url) as daemon:
        alerts = tuple(alert(number, None) for number in range(1_005))
        await desk.keep(Batch(alerts=alerts))
        assert [one.id for one in [one async for one in daemon.alerts()]] == [one.id for one in reversed(alerts)]
        assert [one async for one in daemon.alerts(severity="warning")] == []
        taken = await daemon.acknowledge(alerts[0].id, by="ann@example.test")
        again = await daemon.acknowledge(alerts[0].id)
        with pytest.raises(ClientError):
            await daemon.acknowledge("a/b")
    assert taken.acknowledged is not None
    assert taken == again
    assert taken.acknowledged.by == "ann@example.test"


async def told(events: AsyncGenerator[Event, None], count: int) -> list[tuple[str, str, bool]]:
    """Id, kind and whether it was inferred, of the next so many."""
    async with asyncio.timeout(20):
        return [
            (one.key.rsplit("/")[-1], one.kind, one.inferred)
            for one in [await anext(events) for _ in range(count)]
            if one.key
        ]


@pytest.mark.asyncio
async def test_events_as_they_happen() -> None:
    """From now on, of what matches or ceases to; other instances are not told of."""
    a, b = track("a"), track("b", Phase.WAITING)
    async with (
        open_desk(a, b) as desk,
        Stagewatch(desk.url) as daemon,
        aclosing(daemon.events(phase="running", project=["analytics"])) as events,
        asyncio.TaskGroup() as group,
    ):
        coming = group.create_task(told(events, 1))
        await subscribed(desk)
        desk.happen(moved(b, track("b", Phase.SUSPENDED)), tracks=[track("b", Phase.SUSPENDED)])
        desk.happen(moved(a, failed("a")), tracks=[failed("a")])
        assert await coming == [("a", "phase", False)]


@pytest.mark.asyncio
async def test_events_of_a_gap_are_inferred() -> None:
    """Another run cannot tell what was missed: what must have happened is told, also of what matches no more."""
    at = port()
    before = [track(name) for name in ("failed", "gone", "same", "moved")]
    after = [failed("failed"), track("same"), track("moved", progress=0.9), track("new")]
    async with (
        client(at) as daemon,
        aclosing(daemon.events(phase="running")) as events,
        asyncio.TaskGroup() as group,
    ):
        async with open_desk(*before, port=at) as desk:
            coming = group.create_task(told(events, 5))
            await subscribed(desk)
        async with open_desk(*after, port=at, epoch="e2"):
            heard = await coming
    assert sorted(heard) == [
        ("failed", "phase", True),
        ("gone", "removed", True),
        ("moved", "progress", True),
        ("new", "discovered", True),
        ("new", "phase", True),
    ]
