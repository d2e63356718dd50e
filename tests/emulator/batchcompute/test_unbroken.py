"""What is seen to its end although it is cancelled."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from monitor.emulator.batchcompute.unbroken import held, in_thread, unbroken


@pytest.mark.asyncio
async def test_a_cancellation_waits_for_the_thread() -> None:
    """However often it comes; what goes on in the thread has ended when it is raised."""
    begun, go_on, done = asyncio.Event(), threading.Event(), []
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait()
        done.append("work")

    async with asyncio.TaskGroup() as group:
        task = group.create_task(in_thread(work))
        await begun.wait()
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
    assert task.cancelled()
    assert done == ["work"]


@pytest.mark.asyncio
async def test_results_and_errors_come_through() -> None:
    """As if it had been awaited plainly."""
    assert await in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)


@pytest.mark.asyncio
async def test_an_error_after_a_cancellation_is_that_cancellation() -> None:
    """Who cancelled is answered; nobody is left to hear of the error, and it is no unheard one."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        begun.set()
        await go_on.wait()
        raise ValueError

    async with asyncio.TaskGroup() as group:
        task = group.create_task(unbroken(fail()))
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
    assert task.cancelled()


@pytest.mark.asyncio
async def test_a_held_context_is_left_also_if_its_entry_was_cancelled() -> None:
    """A file that was opened while nobody waited any more is closed."""
    begun, go_on, seen = asyncio.Event(), threading.Event(), []
    loop = asyncio.get_running_loop()

    @contextmanager
    def context() -> Iterator[str]:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait()
        seen.append("entered")
        yield "value"
        seen.append("left")

    async def use() -> None:
        async with held(context()) as value:
            seen.append(value)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(use())
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
    assert seen == ["entered", "left"]
    seen.clear()
    await use()
    assert seen == ["entered", "value", "left"]
