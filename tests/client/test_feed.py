"""The feed as one stream, against a real daemon's web side that goes away and comes back."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web

from monitor.client import ClientError, Stagewatch, Wanted
from monitor.client.feed import Away, Back, Event, Feed, News, Snapshot
from monitor.core.model import Phase, Track
from tests.client.test_transport import transport
from tests.e2e.eventually import eventually
from tests.web.desk import Desk, failed, key, moved, open_desk, staged, track


def port() -> int:
    """One that is free now, and stays so for a daemon that comes back."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
        return number


def client(at: int, **options: float) -> Stagewatch:
    """Of a daemon at this port, with the shortest pauses."""
    return Stagewatch(f"http://127.0.0.1:{at}", chance=lambda: 0.0, **options)  # type: ignore[arg-type]


async def subscribed(desk: Desk, messages: int = 2) -> None:
    """Until somebody who listens has been told so much: at first the greeting and a snapshot."""

    async def told() -> int:
        return desk.stats.messages

    await eventually(told, lambda count: count >= messages)


async def some(news: AsyncGenerator[News, None], kind: type[News]) -> News:
    """The next one, which is of this kind."""
    async with asyncio.timeout(10):
        one = await anext(news)
    assert isinstance(one, kind), one
    return one


@asynccontextmanager
async def listening(*tracks: Track, detail: bool = False) -> AsyncIterator[tuple[Desk, AsyncGenerator[News, None]]]:
    """A daemon with these, and its news."""
    async with (
        open_desk(*tracks) as desk,
        Stagewatch(desk.url) as daemon,
        aclosing(daemon.feed(detail=detail).news()) as news,
    ):
        yield desk, news


@pytest.mark.asyncio
async def test_snapshot_then_events() -> None:
    """First everything, then what changes, with the fields of its kind and the newest state."""
    a = track("a")
    async with listening(a, staged("b", 3)) as (desk, news):
        first = await some(news, Snapshot)
        assert isinstance(first, Snapshot)
        assert (first.why, first.seq, {one.id for one in first.instances}) == ("new", 100, {"a", "b"})
        desk.happen(moved(a, failed("a")), tracks=[failed("a")])
        event = await some(news, Event)
    assert isinstance(event, Event)
    assert (event.kind, event.seq, event.key, event.inferred) == ("phase", 101, "warehouse/analytics/a", False)
    assert event.details == {"from": "running", "to": "failed", "attempt": 1}
    assert event.instance is not None
    assert event.instance.failure is not None


@pytest.mark.asyncio
async def test_many_parts_are_one_snapshot() -> None:
    """However the daemon cuts it."""
    async with listening(*(track(f"i{number}") for number in range(600))) as (_desk, news):
        first = await some(news, Snapshot)
    assert isinstance(first, Snapshot)
    assert len(first.instances) == 600


@pytest.mark.asyncio
async def test_it_resumes_behind_the_last_event() -> None:
    """Away is said once, then it is back, and what was missed comes as events: no snapshot."""
    at, a = port(), track("a")
    async with client(at) as daemon, aclosing(daemon.feed().news()) as news:
        async with open_desk(a, port=at):
            await some(news, Snapshot)
        away = await some(news, Away)
        async with open_desk(a, port=at) as desk:
            desk.happen(moved(a, failed("a")), tracks=[failed("a")])
            await some(news, Back)
            event = await some(news, Event)
    assert isinstance(away, Away)
    assert "the daemon stops" in away.reason
    assert isinstance(event, Event)
    assert event.seq == 101


@pytest.mark.asyncio
async def test_another_run_shows_everything_anew() -> None:
    """Numbers of another run mean nothing: a snapshot follows, and says why."""
    at, a = port(), track("a")
    async with client(at) as daemon, aclosing(daemon.feed().news()) as news:
        async with open_desk(a, port=at):
            await some(news, Snapshot)
        await some(news, Away)
        async with open_desk(failed("a"), port=at, epoch="e2"):
            await some(news, Back)
            again = await some(news, Snapshot)
    assert isinstance(again, Snapshot)
    assert again.why == "epoch"
    assert again.instances[0].phase is Phase.FAILED


@pytest.mark.asyncio
async def test_patience_ends() -> None:
    """A daemon that stays away is an error in the end, which says for how long."""
    at = port()
    async with client(at, patience=0.0) as daemon, aclosing(daemon.feed().news()) as news:
        async with open_desk(port=at):
            await some(news, Snapshot)
        await some(news, Away)
        with pytest.raises(ClientError, match="has been away for") as caught:
            await some(news, Away)
    assert caught.value.code == "unreachable"


@pytest.mark.asyncio
async def test_nobody_there_at_first() -> None:
    """Is an error at once: who has never been heard is more likely a wrong address."""
    async with client(port()) as daemon:
        with pytest.raises(ClientError, match="cannot reach") as caught:
            await anext(daemon.feed().news())
    assert caught.value.code == "unreachable"


@pytest.mark.asyncio
async def test_a_wrong_filter_is_refused() -> None:
    """In the daemon's own words, and not tried again."""
    async with open_desk() as desk, Stagewatch(desk.url) as daemon:
        with pytest.raises(ClientError, match="exploded") as caught:
            await anext(daemon.feed(Wanted.of(phase="exploded")).news())
    assert caught.value.code == "bad_request"


@pytest.mark.asyncio
async def test_something_else_speaks_websocket() -> None:
    """What is not the feed's JSON is told apart from a lost connection."""

    async def chat(request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        await answer.send_str("hello there")
        await answer.receive()
        return answer

    async with transport(chat) as way:
        with pytest.raises(ClientError) as caught:
            await anext(Feed(way, {}).news())
    assert caught.value.code == "not_stagewatch"


@pytest.mark.asyncio
async def test_something_else_speaks_http() -> None:
    """So is a server that knows no feed."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="<html>")

    async with transport(page) as way:
        with pytest.raises(ClientError) as caught:
            await anext(Feed(way, {}).news())
    assert caught.value.code == "not_stagewatch"


@pytest.mark.asyncio
async def test_detail_is_asked_for() -> None:
    """Live instances that match are looked at with priority while somebody listens."""
    async with listening(track("a"), detail=True) as (desk, news):
        await some(news, Snapshot)
        assert key("a") in desk.attention


@pytest.mark.asyncio
async def test_a_connection_of_its_own() -> None:
    """Two feeds of one client do not know each other."""
    async with open_desk(track("a"), track("b")) as desk, Stagewatch(desk.url) as daemon:
        one = daemon.feed(Wanted.of(key="warehouse/analytics/a")).news()
        other = daemon.feed(Wanted.of(key="warehouse/analytics/b")).news()
        async with aclosing(one), aclosing(other):
            first, second = await some(one, Snapshot), await some(other, Snapshot)
    assert isinstance(first, Snapshot)
    assert isinstance(second, Snapshot)
    assert [shown.id for shown in (*first.instances, *second.instances)] == ["a", "b"]
