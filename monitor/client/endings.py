"""How instances end: waits for many at once, across everything that may happen to the daemon meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Protocol, TypeAlias

from monitor.client.errors import ClientError
from monitor.client.feed import PAUSES, Event, Feed, News, Snapshot
from monitor.client.model import Instance, Outcome
from monitor.client.wanted import Wanted
from monitor.core.model import Phase

Status: TypeAlias = Callable[[News], Awaitable[None] | None]  # hears of everything that the feed tells; may be async
KEYS_A_FRAME = 500  # a daemon reads frames of up to 64 KiB: beyond this everything is subscribed to
TEXT_AFTER = 10.0  # seconds that the text of a failure may come after the failure


class Daemon(Protocol):
    """What is asked of a daemon here."""

    async def instance(self, key: str) -> Instance:
        """The newest state."""
        ...

    async def find(self, key: str) -> Instance:
        """The same, also of one that is not watched yet."""
        ...

    async def register(self, key: str) -> Instance:
        """Have it watched again."""
        ...

    def feed(self, wanted: Wanted, *, detail: bool) -> Feed:
        """A subscription."""
        ...


async def endings(
    daemon: Daemon, keys: Iterable[str], *, detail: bool = False, status: Status | None = None
) -> AsyncGenerator[Outcome, None]:
    """Each one's outcome as it comes. `status` hears of everything else that the feed tells."""
    waiting: set[str] = set()
    over: list[Instance] = []
    for key in dict.fromkeys(keys):
        one = await daemon.find(key)
        if one.key not in waiting:
            waiting.add(one.key)
            over += [one] if one.is_over else []
    for one in over:
        waiting.discard(one.key)
        yield await _outcome(daemon, one)
    if not waiting:
        return
    few = len(waiting) <= KEYS_A_FRAME
    wanted = Wanted(key=frozenset(waiting) if few else frozenset())
    async with aclosing(daemon.feed(wanted, detail=detail and few).news()) as news:
        async for heard in news:
            if status is not None and (told := status(heard)) is not None:
                await told
            for one in await _states(daemon, heard, waiting):
                if one.is_over and one.key in waiting:
                    waiting.discard(one.key)
                    yield await _outcome(daemon, one)
            if not waiting:
                return


async def _states(daemon: Daemon, heard: News, waiting: set[str]) -> Sequence[Instance]:
    """What the news say about those that are waited for."""
    match heard:
        case Snapshot(instances=shown):
            states = [one for one in shown if one.key in waiting]
            forgotten = waiting - {one.key for one in states}
            return [*states, *[await _registered(daemon, key) for key in sorted(forgotten)]]
        case Event(instance=Instance() as one):
            return [one]
        case Event(kind="removed", key=str() as key) if key in waiting:
            return [await _registered(daemon, key)]
    return ()


async def _registered(daemon: Daemon, key: str) -> Instance:
    """Have a daemon that kept nothing over its restart watch it again."""
    pauses = iter(PAUSES)
    while True:
        try:
            return await daemon.register(key)
        except ClientError as error:
            if error.code == "not_found":
                raise ClientError("not_found", f"the daemon has forgotten {key}, and {error}") from error
            pause = next(pauses, None)
            if pause is None:
                raise
        await asyncio.sleep(pause)


async def _outcome(daemon: Daemon, one: Instance) -> Outcome:
    """A failure's text may come a moment after the failure."""
    clock = asyncio.get_running_loop().time
    until = clock() + TEXT_AFTER
    while one.phase is Phase.FAILED and one.failure is None and clock() < until:
        await asyncio.sleep(PAUSES[0])
        try:
            newer = await daemon.instance(one.key)
        except ClientError:
            continue  # that it failed is known: its text is worth another try and no error
        one = newer if newer.attempt == one.attempt and newer.is_over else one
    return Outcome.of(one)
