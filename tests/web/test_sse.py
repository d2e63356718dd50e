"""The feed as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from monitor.core.events import Discovered, ProgressMoved
from monitor.web.parts import FeedLimits
from tests.web.desk import HOSTILE, NOON, Desk, failed, key, moved, open_desk, staged, track
from tests.web.listener import WITHIN, deaf, read_until, until

pytestmark = pytest.mark.asyncio
EVENTS = "/api/v1/events"


class Stream:
    """What comes over one response: messages with their ids."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.beats = 0

    async def next(self) -> tuple[str | None, dict[str, Any]]:
        """The next message and its id, if it has one."""
        mark = None
        async with asyncio.timeout(WITHIN):
            while True:
                line = (await self.response.content.readuntil(b"\n")).decode().removesuffix("\n")
                name, _, value = line.partition(": ")
                if name == "id":
                    mark = value
                elif name == "data":
                    return mark, msgspec.json.decode(value)
                elif not name and value:
                    self.beats += 1


@asynccontextmanager
async def listening(desk: Desk, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    """A client that has read the hello."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with desk.session.get(desk.url + EVENTS + query, headers=sent) as response:
        assert response.status == 200
        stream = Stream(response)
        mark, hello = await stream.next()
        assert (mark, hello["type"]) == (None, "hello")
        yield stream


async def test_the_same_messages_as_over_a_websocket() -> None:
    """Hello, snapshot, events; what a client has reached is marked with an id, and proxies are told not to buffer."""
    limits = FeedLimits(part=1)
    async with (
        open_desk(staged("i1", 1), track("i2"), failed("i3"), limits=limits) as desk,
        listening(desk, "?phase=running,waiting&detail") as stream,
    ):
        assert stream.response.content_type == "text/event-stream"
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        assert stream.response.headers["Cache-Control"] == "no-store"
        mark, part = await stream.next()
        assert (mark, part["type"], part["last"]) == (None, "snapshot", False)
        mark, part = await stream.next()
        assert (mark, part["last"], part["id"]) == ("e1:100", True, "events")
        assert key("i1") in desk.attention
        now = failed("i1")
        desk.happen(moved(staged("i1", 1), now), tracks=(now,))
        mark, frame = await stream.next()
        assert (mark, frame["seq"], frame["event"]["to"]) == ("e1:101", 101, "failed")
        assert key("i1") not in desk.attention


@pytest.mark.parametrize("query", ["", "?after=e1:101"])
async def test_last_event_id_resumes(query: str) -> None:
    """A browser that comes back sends the id of the last event, and is told what it missed since."""
    async with open_desk(track("i1")) as desk:
        for _ in range(3):
            desk.happen(ProgressMoved(NOON, key("i1"), 0.5), tracks=(track("i1"),))
        headers = {} if query else {"Last_Event_ID": "e1:101"}
        async with listening(desk, query, **headers) as stream:
            assert [(await stream.next())[0] for _ in range(2)] == ["e1:102", "e1:103"]
        async with listening(desk, Last_Event_ID="gone:7") as stream:
            assert await stream.next() == (None, {"type": "resync", "id": "events", "reason": "epoch"})
            assert (await stream.next())[1]["type"] == "snapshot"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?phase=done", "phase is 'done': use waiting"),
        ("?limit=0", "limit is '0'"),
        ("?cursor=1", "unknown parameter 'cursor': use source, project, phase, owner, key, q, detail, limit, after"),
        ("?after=101", "'101' is no place in the feed"),
        ("?after=e1:-5", "is no place in the feed"),
        ("?detail=perhaps", "give true or false"),
    ],
)
async def test_a_bad_question_is_refused_before_the_stream_begins(query: str, says: str) -> None:
    """400 in JSON, as everywhere."""
    async with open_desk() as desk:
        assert says in (await desk.refused(400, "GET", EVENTS + query)).message


async def test_quiet_streams_are_kept_alive() -> None:
    """A comment comes now and then, which browsers ignore."""
    limits = FeedLimits(heartbeat=0.02)
    async with open_desk(limits=limits) as desk, listening(desk) as stream, asyncio.TaskGroup() as group:
        await stream.next()
        waiting = group.create_task(stream.next())
        await until(lambda: stream.beats > 2)
        new = track("i1")
        desk.happen(Discovered(NOON, new.key), tracks=(new,))
        assert (await waiting)[1]["event"]["kind"] == "discovered"


async def test_hostile_names_do_not_break_the_framing() -> None:
    """Newlines in a name stay inside the JSON of one data line."""
    async with open_desk() as desk, listening(desk) as stream:
        await stream.next()
        for n, name in enumerate(HOSTILE):
            now = failed(f"i{n}", name=name)
            desk.happen(moved(None, now), tracks=(now,))
            mark, frame = await stream.next()
            assert (mark, frame["event"]["instance"]["name"]) == (f"e1:{101 + n}", name)


async def test_a_client_that_vanishes_is_forgotten() -> None:
    """The next heartbeat that cannot be written ends it."""
    async with open_desk(limits=FeedLimits(heartbeat=0.02)) as desk:
        async with listening(desk):
            assert desk.stats.clients == 1
        await until(lambda: desk.stats.clients == 0)
        assert desk.stats.closed == {"client": 1}


async def test_a_slow_client_is_cut() -> None:
    """One that does not read is disconnected when its bound is full, and comes back with its last id."""
    limits = FeedLimits(frames=100, grace=0.1)
    async with open_desk(limits=limits) as desk:
        async with deaf(desk, f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\n\r\n") as (reader, _):
            await read_until(reader, b"snapshot")
            now = failed("i1", message="m" * 50_000)
            for _ in range(200):
                desk.happen(moved(None, now), tracks=(now,))
            await until(lambda: desk.stats.closed == {"slow": 1})
        assert desk.stats.clients == 0


async def test_shutdown_ends_streams_at_once() -> None:
    """The response ends in order, so that the browser comes back by itself."""
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        async with open_desk() as desk:
            response = await session.get(desk.url + EVENTS)
            await until(lambda: desk.stats.messages == 2)
            began = loop.time()
        assert loop.time() - began < 1
        assert (await response.read()).count(b"data: ") == 2
