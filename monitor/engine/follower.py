"""Carries what was committed to all who read: first the board, then everybody who listens."""

from collections.abc import Callable, Sequence

import anyio

from monitor.engine.board import Board
from monitor.engine.bus import Bus
from monitor.storage.base import Batch, Storage


async def follow(
    storage: Storage, board: Board, bus: Bus, hooks: Sequence[Callable[[Batch], None]], started: Callable[[], None]
) -> None:
    """Run until the storage is sealed. `started` is called once nothing that is committed can be missed any more.

    A hook that raises ends it: that is a bug, and whoever reads the log must not miss it.
    """
    batches = storage.follow()
    try:
        started()
        async for batch in batches:
            board.apply(batch)
            bus.publish(batch.records)
            for hook in hooks:
                hook(batch)
    finally:
        with anyio.CancelScope(shield=True):
            await batches.aclose()  # or commits would wait for a reader that is gone
