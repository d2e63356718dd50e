"""The feed as server-sent events, for where websockets do not get through: one subscription, in the query string."""

import asyncio
from collections.abc import Sequence

import msgspec
from aiohttp import web

from monitor.web.errors import bad_request
from monitor.web.feed import Feed
from monitor.web.frames import After, Frame, Subscribe, Wanted
from monitor.web.parts import FeedLimits
from monitor.web.query import FILTERS, Query
from monitor.web.session import Session

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back until its buffer is full
}
BEAT = b": still here\n\n"


class SseLine:
    """Writes to one response."""

    def __init__(
        self, response: web.StreamResponse, transport: asyncio.Transport, epoch: str, limits: FeedLimits
    ) -> None:
        self._response = response
        self._transport = transport
        self._epoch = epoch
        self._limits = limits
        self._ended = asyncio.Event()

    async def write(self, batch: Sequence[Frame]) -> None:
        """Write them joined, then wait until the client has taken most of it."""
        await self._send(b"".join(map(self._event, batch)))

    def _event(self, frame: Frame) -> bytes:
        mark = b"" if frame.mark is None else f"id: {self._epoch}:{frame.mark}\n".encode()
        return mark + b"data: " + frame.body + b"\n\n"

    async def _send(self, data: bytes) -> None:
        async with asyncio.timeout(self._limits.stall):
            await self._response.write(data)

    async def beat(self) -> None:
        """Write a comment now and then, so that proxies keep the connection and a client that is gone is noticed."""
        while True:
            await asyncio.sleep(self._limits.heartbeat)
            await self._send(BEAT)

    def hang_up(self, _code: int, _reason: str, grace: float) -> None:
        """End the stream; there is no code in this protocol, and clients come back by themselves."""
        self._ended.set()
        asyncio.get_running_loop().call_later(grace, self._transport.abort)

    async def ended(self) -> None:
        """Wait for `hang_up`."""
        await self._ended.wait()


async def serve(request: web.Request, feed: Feed) -> web.StreamResponse:
    """Tell one client what it asked for until it goes, or has to."""
    asked = _read(request)
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client is gone")
    line = SseLine(response, transport, feed.parts.bus.epoch, feed.parts.limits)
    session = Session(feed.parts, line)
    feed.join(session)
    session.subscribe(asked)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(session.run()), group.create_task(line.beat())]
            await line.ended()
            for task in tasks:
                task.cancel()
    except* ConnectionError:
        pass  # how clients of this protocol say goodbye
    except* TimeoutError:
        session.cut_slow()
    finally:
        feed.leave(session, "client")
    return response


def _read(request: web.Request) -> Subscribe:
    query = Query(request, allowed=(*FILTERS, "detail", "limit", "after"))
    wanted = query.filter()
    limit = query.number("limit", default=0, least=1, most=1_000_000)
    return Subscribe(
        id="events",
        filter=Wanted(**msgspec.structs.asdict(wanted)),
        detail=query.flag("detail"),
        after=_after(request.headers.get("Last-Event-ID") or query.text("after")),
        limit=limit or None,
    )


def _after(text: str | None) -> After | None:
    if not text:
        return None
    epoch, colon, seq = text.rpartition(":")
    if not (colon and seq.isascii() and seq.isdigit() and len(seq) < 19):
        raise bad_request(
            f"{text[:100]!r} is no place in the feed: give the id of the last event, epoch:seq, unchanged"
        )
    return After(epoch, int(seq))
