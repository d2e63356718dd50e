"""A receiver on a bad day: by chance it takes an alert, fails, never answers, or breaks the connection."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from aiohttp import web

from tests.served import served


class Mood(StrEnum):
    """What becomes of a request. Whatever it is, the receiver has read the alert."""

    TAKES = "takes"
    FAILS = "fails"
    HANGS = "hangs"
    RESETS = "resets"


def by_chance(chance: Random) -> Callable[[], Mood]:
    """Two of three are taken."""
    return lambda: chance.choices(list(Mood), [12, 2, 1, 3])[0]


@dataclass(frozen=True)
class Arrival:
    """One request."""

    key: str
    alert: dict[str, Any]
    mood: Mood

    @property
    def instance(self) -> str:
        return str(self.alert["labels"]["instance"])


class MoodyReceiver:
    """`arrivals` are all requests in the order in which they came, also those that got no answer."""

    def __init__(self, mood: Callable[[], Mood]) -> None:
        self.url = ""
        self.mood = mood
        self.arrivals: list[Arrival] = []
        self._closing = asyncio.Event()
        self._arrived = asyncio.Condition()

    async def take(self, request: web.Request) -> web.Response:
        """One delivery."""
        (alert,) = (await request.json())["alerts"]
        arrival = Arrival(request.headers["Idempotency-Key"], alert, self.mood())
        async with self._arrived:
            self.arrivals.append(arrival)
            self._arrived.notify_all()
        if arrival.mood is Mood.RESETS:
            assert request.transport is not None
            linger_not = struct.pack("ii", 1, 0)  # a reset, not an end
            request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
            request.transport.abort()
        if arrival.mood is Mood.HANGS:
            await self._closing.wait()
        return web.Response(status=500 if arrival.mood is Mood.FAILS else 200)

    async def until(self, count: int, within: float = 30.0) -> None:
        """Wait for so many requests."""
        async with asyncio.timeout(within), self._arrived:
            await self._arrived.wait_for(lambda: len(self.arrivals) >= count)

    def close(self) -> None:
        """Let go of those that hang."""
        self._closing.set()


@asynccontextmanager
async def receiving_moodily(mood: Callable[[], Mood]) -> AsyncIterator[MoodyReceiver]:
    """A receiver that listens while the block runs."""
    receiver = MoodyReceiver(mood)
    application = web.Application()
    application.router.add_post("/hook", receiver.take)
    async with served(application) as url:
        receiver.url = f"{url}/hook"
        try:
            yield receiver
        finally:
            receiver.close()
