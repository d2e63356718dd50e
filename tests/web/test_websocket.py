"""The feed's websocket: framing, compression, slow and vanishing clients, and how connections end."""

import asyncio

import aiohttp
import pytest

from monitor.core.events import ProgressMoved
from monitor.web.parts import FeedLimits
from tests.web.desk import NOON, failed, key, moved, open_desk, staged, track
from tests.web.listener import UPGRADE, Listener, deaf, masked, read_until, until

pytestmark = pytest.mark.asyncio
SUBSCRIBE = masked('{"type":"subscribe","id":"a"}')


@pytest.mark.parametrize("compress", [0, 15, 9])
async def test_frames_of_every_size_arrive(compress: int) -> None:
    """Short, medium and long frames, deflated or not as the client asked, are the same JSON."""
    texts = ("", "x" * 200, "0123456789" * 9000)
    tracks = (track(f"i{n}", name=text) for n, text in enumerate(texts))
    async with open_desk(*tracks) as desk, Listener(desk, compress=compress) as client:
        (part,) = await client.subscribe()
        assert {one["name"] for one in part["instances"]} == set(texts)
        for n, text in enumerate(texts):
            now = failed(f"i{n}", message=text)
            desk.happen(moved(track(f"i{n}"), now), tracks=(now,))
            assert (await client.next())["event"]["instance"]["failure"]["message"] == text
        assert (await client.subscribe("b"))[0]["total"] == 3


async def test_many_events_of_one_turn_arrive_in_order() -> None:
    """Joined writes are still single frames, each event whole and in its place."""
    async with open_desk(staged("i1", 1)) as desk, Listener(desk) as client:
        await client.subscribe()
        for _ in range(5):
            desk.happen(*(ProgressMoved(NOON, key("i1"), n / 1000) for n in range(40)), tracks=(staged("i1", 1),))
        assert [(await client.next())["seq"] for _ in range(200)] == list(range(101, 301))
        assert desk.stats.messages == 202


async def test_a_slow_client_is_cut_and_others_get_everything() -> None:
    """One that does not read gets 1013 when its bound is full; one that reads has every event in order."""
    limits = FeedLimits(frames=300, heartbeat=60.0)
    async with open_desk(staged("i1", 1), limits=limits) as desk, Listener(desk) as quick:
        await quick.subscribe()
        async with deaf(desk, UPGRADE, SUBSCRIBE) as (reader, _):
            await until(lambda: desk.stats.messages >= 4)
            now = failed("i1", message="m" * 500)
            for first in range(101, 10_101, 50):
                desk.happen(*(moved(staged("i1", 1), now) for _ in range(50)), tracks=(now,))
                assert [(await quick.next())["seq"] for _ in range(50)] == list(range(first, first + 50))
            rest = await read_until(reader, b"come back and resume")
            assert rest.endswith(b"\x03\xf5you read too slowly: come back and resume")
        await until(lambda: desk.stats.clients == 1)
        assert desk.stats.closed == {"slow": 1}


async def test_a_slow_client_gets_the_newest_progress_only() -> None:
    """While it does not read, progress of one instance takes the place of its older progress: it is not cut for it."""
    limits = FeedLimits(frames=300, crowded=20, heartbeat=60.0)
    async with open_desk(staged("i1", 1), limits=limits) as desk, deaf(desk, UPGRADE, SUBSCRIBE) as (reader, _):
        await until(lambda: desk.stats.messages >= 2)
        for n in range(1, 6001):
            desk.happen(ProgressMoved(NOON, key("i1"), n / 6000), tracks=(staged("i1", 1, name="n" * 500),))
            if n % 100 == 0:
                await asyncio.sleep(0)
        now = failed("i1")
        desk.happen(moved(staged("i1", 1), now), tracks=(now,))
        data = await read_until(reader, b'"to":"failed"')
        assert b'"seq":6100,' in data
        assert data.count(b'"kind":"progress"') < 3000
        assert desk.stats.closed == {}


async def test_a_client_that_never_reads_leaves_nothing_behind() -> None:
    """A write that takes too long ends the connection, also when the client answers nothing at all."""
    limits = FeedLimits(stall=0.2, grace=0.1, heartbeat=60.0)
    async with open_desk(limits=limits) as desk, deaf(desk, UPGRADE, SUBSCRIBE):
        await until(lambda: desk.stats.messages >= 2)
        now = failed("i1", message="m" * 4_000_000)
        desk.happen(moved(None, now), tracks=(now,))
        await until(lambda: desk.stats.clients == 0)
        assert desk.stats.closed == {"slow": 1}


async def test_a_client_that_does_not_answer_pings_is_given_up() -> None:
    """A connection that died without a word is noticed by its heartbeat."""
    async with open_desk(limits=FeedLimits(heartbeat=0.1, grace=0.1)) as desk:
        async with deaf(desk, UPGRADE) as (reader, _):
            await until(lambda: desk.stats.clients == 1)
            assert b"\x89\x00" in await asyncio.wait_for(reader.read(-1), 10)
        await until(lambda: desk.stats.clients == 0)
        assert desk.stats.closed == {"lost": 1}


async def test_a_client_that_vanishes_is_forgotten() -> None:
    """A connection that is torn while events flow ends without noise, and its attention with it."""
    async with open_desk(track("i1")) as desk:
        async with deaf(desk, UPGRADE, masked('{"type":"subscribe","id":"a","detail":true}')):
            await until(lambda: key("i1") in desk.attention)
        for _ in range(100):
            desk.happen(ProgressMoved(NOON, key("i1"), 0.5), tracks=(track("i1"),))
        await until(lambda: desk.stats.clients == 0)
        assert key("i1") not in desk.attention
        assert desk.stats.closed == {"lost": 1}


async def test_a_huge_frame_closes_with_1009_and_only_that_connection() -> None:
    """A frame of 64 KiB is read; a longer one ends the connection that sent it."""
    async with open_desk(track("i1")) as desk, Listener(desk) as other, Listener(desk) as client:
        padded = '{"type": "subscribe", "id": "a"' + " " * 65_000 + "}"
        await client.socket.send_str(padded)
        assert (await client.next())["type"] == "snapshot"
        await client.socket.send_str(" " * (64 * 1024 + 1))
        assert await client.closed_with() == 1009
        await until(lambda: desk.stats.clients == 1)
        assert desk.stats.closed == {"too_large": 1}
        assert (await other.subscribe())[-1]["last"]


@pytest.mark.parametrize("mebibytes", [1, 5, 40])
async def test_a_frame_that_is_still_being_sent_closes_with_1009(mebibytes: int) -> None:
    """However much of it is on the way: the client reads the code, not a reset, and other clients are served."""
    async with open_desk(track("i1")) as desk, Listener(desk) as other, Listener(desk) as client:
        await client.socket.send_str(" " * (mebibytes << 20))
        assert await client.closed_with() == 1009
        await until(lambda: desk.stats.clients == 1)
        assert desk.stats.closed == {"too_large": 1}
        assert (await other.subscribe())[-1]["last"]


async def test_who_never_stops_sending_is_cut_off() -> None:
    """The rest of a frame is waited for only as long as any goodbye."""
    async with open_desk(limits=FeedLimits(grace=0.2)) as desk, deaf(desk, UPGRADE) as (_, writer):
        await until(lambda: desk.stats.clients == 1)
        writer.write(bytes([0x81, 0xFF]) + (1 << 40).to_bytes(8, "big") + bytes(4))

        async def send() -> None:
            while True:
                writer.write(bytes(1 << 16))
                await writer.drain()

        with pytest.raises(ConnectionError):
            await send()
        await until(lambda: desk.stats.clients == 0)
        assert desk.stats.closed == {"too_large": 1}


async def test_a_deflated_bomb_closes_with_1009() -> None:
    """The bound holds for what a frame becomes, not for what travels."""
    async with open_desk() as desk, Listener(desk, compress=15) as client:
        await client.socket.send_str(" " * 10_000_000)
        assert await client.closed_with() == 1009


async def test_binary_frames_are_explained() -> None:
    """The feed is text; the connection stays."""
    async with open_desk() as desk, Listener(desk) as client:
        await client.socket.send_bytes(b"\x00")
        assert "send text frames" in (await client.next())["message"]
        assert (await client.subscribe())[-1]["last"]


async def test_a_goodbye_is_counted_as_such() -> None:
    """A client that closes in order is no loss."""
    async with open_desk() as desk:
        async with Listener(desk):
            assert desk.stats.closed == {}
        await until(lambda: desk.stats.closed.total() > 0)
        assert desk.stats.closed == {"client": 1}


async def test_shutdown_sends_everybody_away_at_once() -> None:
    """Clients get 1001, also while a snapshot is on its way to them."""
    limits = FeedLimits(part=1, heartbeat=60.0)
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        async with open_desk(*(staged(f"i{n}", 1) for n in range(300)), limits=limits) as desk:
            quiet = await session.ws_connect(f"{desk.url}/api/v1/feed")
            busy = await session.ws_connect(f"{desk.url}/api/v1/feed")
            await busy.send_json({"type": "subscribe", "id": "a"})
            await until(lambda: desk.stats.messages >= 3)
            began = loop.time()
            reading = [group.create_task(_read_out(one)) for one in (quiet, busy)]
        assert loop.time() - began < 2
        assert [await one for one in reading] == [1001, 1001]


async def _read_out(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    async for _ in socket:
        pass
    return socket.close_code


async def test_pages_of_other_sites_are_refused() -> None:
    """A browser sends its page's origin: only our own, or the one that a proxy names, may listen."""
    async with open_desk() as desk:
        host = desk.url.removeprefix("http://")
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await desk.session.ws_connect(f"{desk.url}/api/v1/feed", headers=headers)
            assert refused.value.status == 403
        for headers in (
            {"Origin": f"http://{host}"},
            {"Origin": "https://watch.example", "X-Forwarded-Host": "watch.example"},
        ):
            async with desk.session.ws_connect(f"{desk.url}/api/v1/feed", headers=headers) as socket:
                assert (await socket.receive_json())["type"] == "hello"


async def test_a_plain_request_is_told_to_upgrade() -> None:
    """426 names the protocol, and the address that does without."""
    async with open_desk() as desk:
        refusal = await desk.refused(426, "GET", "/api/v1/feed")
        assert "/api/v1/events" in refusal.message
