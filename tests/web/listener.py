"""A client of the feed for tests, and one that does not read."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.web.desk import Desk

WITHIN = 10.0  # seconds: a frame that has not come by then is not coming


class Listener:
    """A websocket to the desk's feed that has read the hello."""

    def __init__(self, desk: Desk, compress: int = 0) -> None:
        self._connecting = desk.session.ws_connect(f"{desk.url}/api/v1/feed", compress=compress, max_msg_size=0)
        self.socket: aiohttp.ClientWebSocketResponse
        self.hello: dict[str, Any]

    async def __aenter__(self) -> Self:
        self.socket = await self._connecting
        self.hello = await self.next()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.socket.close()

    async def next(self) -> dict[str, Any]:
        """The next frame."""
        return await self.socket.receive_json(timeout=WITHIN)

    async def say(self, **frame: Any) -> None:
        """Send one frame."""
        await self.socket.send_json(frame)

    async def subscribe(self, subscription: str = "a", **fields: Any) -> list[dict[str, Any]]:
        """Subscribe, and return the snapshot's parts."""
        await self.say(type="subscribe", id=subscription, **fields)
        parts = [await self.next()]
        while not parts[-1].get("last", True):
            parts.append(await self.next())
        return parts

    async def closed_with(self) -> int | None:
        """Read to the end; the code that the server closed with."""
        while (await self.socket.receive(timeout=WITHIN)).type is aiohttp.WSMsgType.TEXT:
            pass
        return self.socket.close_code


@asynccontextmanager
async def deaf(desk: Desk, request: str, subscribe: bytes = b"") -> AsyncIterator[tuple[Any, Any]]:
    """A connection with the smallest buffers that reads only when the test reads: (reader, writer)."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.setblocking(False)
    host, port = desk.url.removeprefix("http://").split(":")
    await asyncio.get_running_loop().sock_connect(client, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=client, limit=1024)
    writer.write(request.encode() + subscribe)
    await writer.drain()
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


UPGRADE = (
    "GET /api/v1/feed HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def masked(text: str) -> bytes:
    """A client's text frame of less than 126 bytes, under the mask of zeros."""
    body = text.encode()
    return bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body


async def read_until(reader: Any, end: bytes) -> bytes:
    """Everything up to the read in which this came."""
    data = b""
    async with asyncio.timeout(WITHIN):
        while end not in data[-(1 << 17) :]:
            got = await reader.read(1 << 16)
            assert got, data[-200:]
            data += got
    return data


async def until(condition: Any) -> None:
    """Let the loop turn until this holds."""
    async with asyncio.timeout(WITHIN):
        while not condition():  # noqa: ASYNC110 - a server announces to nobody what a test waits for
            await asyncio.sleep(0.001)
