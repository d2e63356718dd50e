"""The feed over a websocket.

Frames are framed here and written to the transport joined: aiohttp's own `send_str` costs a write, and a wait for the
buffer, each (design, section 5). aiohttp still answers pings, closes and whatever the client sends.
"""

import asyncio
import zlib
from collections.abc import Sequence
from struct import pack

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_websocket import WebSocketError

from monitor.web.errors import ApiError
from monitor.web.feed import Feed
from monitor.web.frames import Error, Frame
from monitor.web.parts import FeedLimits
from monitor.web.security import require_same_origin
from monitor.web.session import Session

_TEXT, _CLOSE = 0x81, 0x88
_COMPRESSED = 0x40
_LOOK_EVERY = 0.01  # seconds
DEFLATE_FROM = 16 << 10  # bytes: snapshots are worth it, single events are not


class Socket(web.WebSocketResponse):
    """A websocket whose client learns why it is sent away also in the middle of a frame. To close on what is unread
    resets the connection, and that overtakes the close frame: so the rest of the frame is read, and dropped, first."""

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """Close it, after the client has left or the grace is over if its frame was too large."""
        if code == WSCloseCode.MESSAGE_TOO_BIG and self._line is not None:
            await self._line.see_off(code)
        return await super().close(code=code, message=message, drain=drain)

    def writes_by(self, line: "WebsocketLine") -> None:
        """What writes our frames."""
        self._line = line

    _line: "WebsocketLine | None" = None


class WebsocketLine:
    """Writes to one websocket."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        writer: AbstractStreamWriter,
        limits: FeedLimits,
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._writer = writer
        self._limits = limits
        self._window = int(socket.compress)  # of the client's inflater, as agreed; 0 for none
        self._is_over = False

    async def write(self, batch: Sequence[Frame]) -> None:
        """Write them joined, then wait until the client has taken most of it."""
        parts: list[bytes] = []
        for frame in batch:
            body, first = frame.body, _TEXT
            if self._window and len(body) >= DEFLATE_FROM:
                body, first = await asyncio.to_thread(_deflate, body, self._window), _TEXT | _COMPRESSED
            parts += (_head(first, len(body)), body)
        if self._socket.closed or self._is_over:
            return  # a close is under way: nothing may follow its frame, and the reading side will see the end
        if self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
        self._transport.write(b"".join(parts))
        async with asyncio.timeout(self._limits.stall):
            await self._writer.drain()

    def hang_up(self, code: int, reason: str, grace: float) -> None:
        """Send a close frame; the reading side ends with the client's answer, or when the grace is over."""
        if not self._transport.is_closing():
            body = pack("!H", code) + reason.encode()
            self._transport.write(_head(_CLOSE, len(body)) + body)
        self._is_over = True
        asyncio.get_running_loop().call_later(grace, self._transport.abort)

    async def see_off(self, code: int) -> None:
        """Send a close frame, and wait until the client has gone or the grace is over; what still comes is dropped."""
        self.hang_up(code, "", self._limits.grace)
        while not self._transport.is_closing():  # noqa: ASYNC110 - a transport announces its end to its protocol only
            await asyncio.sleep(_LOOK_EVERY)


def _head(first: int, length: int) -> bytes:
    if length < 126:
        return pack("!BB", first, length)
    if length < 1 << 16:
        return pack("!BBH", first, 126, length)
    return pack("!BBQ", first, 127, length)


def _deflate(body: bytes, window: int) -> bytes:
    """One message by itself: it refers to no earlier one, so it may be sent between messages that are not deflated."""
    deflater = zlib.compressobj(zlib.Z_BEST_SPEED, zlib.DEFLATED, -window)
    return (deflater.compress(body) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


async def serve(request: web.Request, feed: Feed) -> web.StreamResponse:
    """Talk to one client until it goes, or has to."""
    require_same_origin(request)
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise ApiError(
            426,
            "upgrade_required",
            "this address speaks websocket; the same feed over plain HTTP is at /api/v1/events",
            headers={"Upgrade": "websocket"},
        )
    limits = feed.parts.limits
    socket = Socket(heartbeat=limits.heartbeat, max_msg_size=limits.message, timeout=limits.grace)
    writer = await socket.prepare(request)
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client is gone")
    line = WebsocketLine(socket, transport, writer, limits)
    socket.writes_by(line)
    session = Session(feed.parts, line)
    feed.join(session)
    why = "lost"
    try:
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(session.run())
            why = await _listen(socket, session)
            writing.cancel()
    except* ConnectionError:
        pass  # the client went without a word: `why` says so
    except* TimeoutError:
        session.cut_slow()
    finally:
        feed.leave(session, why)
        asyncio.get_running_loop().call_later(limits.grace, transport.abort)  # a client that reads nothing lingers
    return socket


async def _listen(socket: web.WebSocketResponse, session: Session) -> str:
    """Obey the client until the end, and return why it came."""
    while True:
        message: WSMessage = await socket.receive()
        match message.type:
            case WSMsgType.TEXT:
                session.hear(message.data)
            case WSMsgType.BINARY:
                session.refuse(Error("bad_request", "send text frames with one JSON object each"))
            case WSMsgType.ERROR:
                return _why(message.data)
            case WSMsgType.CLOSE | WSMsgType.CLOSING:
                return "client"
            case _:
                return "lost"


def _why(error: object) -> str:
    if not isinstance(error, WebSocketError):
        return "lost"
    return "too_large" if error.code == WSCloseCode.MESSAGE_TOO_BIG else "protocol"
