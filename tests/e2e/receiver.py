"""A team's webhook receiver: takes everything and remembers every request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.served import served


class Receiver:
    """`requests` are (Idempotency-Key, body), in the order in which they came."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._arrived = asyncio.Condition()

    async def take(self, request: web.Request) -> web.Response:
        """One delivery."""
        async with self._arrived:
            self.requests.append((request.headers["Idempotency-Key"], await request.json()))
            self._arrived.notify_all()
        return web.Response(status=200)

    async def until(self, count: int, within: float = 30.0) -> None:
        """Wait for so many requests."""
        async with asyncio.timeout(within), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that listens while the block runs."""
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/hook", receiver.take)
    async with served(application) as url:
        receiver.url = f"{url}/hook"
        yield receiver
