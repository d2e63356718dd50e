"""Tasks beside a block."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that hands on what its block raises as it is, not wrapped in a group of one.

    Like every task group it ends only when its tasks have ended: whoever starts endless ones cancels them.
    """
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        try:
            yield tasks
        except Exception as error:  # noqa: BLE001 - raised again below, where nothing wraps it
            failure = error
    if failure is not None:
        raise failure
