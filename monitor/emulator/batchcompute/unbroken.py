"""Awaiting what must not be left half done.

Cancelling an await on a thread leaves the thread at work, in a directory that is being removed, say. Here whoever
cancels waits for the end instead.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def unbroken(work: Coroutine[Any, Any, _T]) -> _T:
    """Sees the work to its end. A cancellation that comes meanwhile is raised then, and what the work gave is lost."""
    task = asyncio.ensure_future(work)  # awaited right here, whatever comes
    interruption: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            interruption = error
    if interruption is not None:
        if not task.cancelled():
            task.exception()
        raise interruption
    return task.result()


async def in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Does blocking work in a thread, to its end."""
    return await unbroken(asyncio.to_thread(function, *args, **kwargs))


@asynccontextmanager
async def held(manager: AbstractContextManager[_T]) -> AsyncIterator[_T]:
    """A context whose entry and exit block, both done in a thread."""
    stack = ExitStack()
    try:
        yield await in_thread(stack.enter_context, manager)
    finally:
        await in_thread(stack.close)
