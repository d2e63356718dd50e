"""Wait for what another process will show, and no longer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(ask: Callable[[], Awaitable[T]], good: Callable[[T], bool], *, within: float = 30.0) -> T:
    """Ask until the answer is good; fail with the last answer when it never is."""
    answer = await ask()
    async with asyncio.timeout(within):
        while not good(answer):
            await asyncio.sleep(0.05)  # what another process does makes no event here
            answer = await ask()
    return answer
