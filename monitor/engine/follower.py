"""Carries what was committed to all who read: first the board, then everybody who listens."""

from collections.abc import Callable, Sequence

from monitor.engine.board import Board
from monitor.engine.bus import Bus
from monitor.storage.base import Batch, Storage


async def follow(
    storage: Storage, board: Board, bus: Bus, hooks: Sequence[Callable[[Batch], None]], started: Callable[[], None]
) -> None:
    """Run until the storage is sealed. `started` is called once nothing that is committed can be missed any more."""
    batches = storage.follow()
    started()
    async for batch in batches:
        board.apply(batch)
        bus.publish(batch.records)
        for hook in hooks:
            hook(batch)
