"""The follower: board first, then everybody else, in the order of commits."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from monitor.core.events import Discovered
from monitor.core.model import Phase, Track
from monitor.engine.board import Board
from monitor.engine.bus import Bus
from monitor.engine.follower import follow
from monitor.storage.base import Batch, Record
from monitor.storage.memory import MemoryStorage
from monitor.storage.tail import BOUND
from tests.engine.scripted import key, moment

pytestmark = pytest.mark.anyio


def batch(seq: int) -> Batch:
    track = Track(key=key(f"i{seq}"), kind="scripted", phase=Phase.RUNNING)
    return Batch(records=(Record(seq, Discovered(moment(seq), track.key), track),), save=(track,), tracks=(track,))


async def test_the_board_knows_before_anybody_is_told() -> None:
    """Listeners find on the board what they are told of, hooks come after listeners, all see every batch in order."""
    storage, board, bus = MemoryStorage(), Board(), Bus("e", 0)
    heard: list[tuple[str, int, bool]] = []

    def tell(who: str) -> Callable[[Any], None]:
        def listen(got: Any) -> None:
            (record,) = got.records if isinstance(got, Batch) else got
            heard.append((who, record.seq, board.get(record.event.key) is not None))

        return listen

    with bus.listening(tell("listener")):
        async with anyio.create_task_group() as group:
            started = anyio.Event()
            group.start_soon(follow, storage, board, bus, (tell("first hook"), tell("second hook")), started.set)
            await started.wait()
            for seq in (1, 2, 3):
                await storage.commit(batch(seq))
            storage.seal()
    assert heard == [(who, seq, True) for seq in (1, 2, 3) for who in ("listener", "first hook", "second hook")]


async def test_what_is_committed_after_the_start_is_not_missed() -> None:
    """A commit made the moment that `started` is called is followed."""
    storage, board = MemoryStorage(), Board()
    async with anyio.create_task_group() as group:
        started = anyio.Event()
        group.start_soon(follow, storage, board, Bus("e", 0), (), started.set)
        await started.wait()
        for seq in range(1, 3 * BOUND):
            await storage.commit(batch(seq))
        storage.seal()
    assert len(board) == 3 * BOUND - 1


async def test_a_hook_that_fails_holds_up_no_commit() -> None:
    """The error comes out, and commits do not wait for a reader that is gone."""
    storage = MemoryStorage()

    def bug(_batch: Batch) -> None:
        raise KeyError("bug")

    async def run() -> None:
        async with anyio.create_task_group() as group:
            started = anyio.Event()
            group.start_soon(follow, storage, Board(), Bus("e", 0), (bug,), started.set)
            await started.wait()
            await storage.commit(batch(1))
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert [error.args for error in caught.value.exceptions] == [("bug",)]
    with anyio.fail_after(1):
        for seq in range(2, 3 * BOUND):
            await storage.commit(batch(seq))
