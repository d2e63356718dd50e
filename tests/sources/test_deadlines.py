"""Time limits with one timer, on the real loop: a limit of a twentieth of a second."""

import asyncio
import time

import pytest

from monitor.sources.deadlines import Deadlines

SHORT = 0.05


@pytest.mark.asyncio
async def test_who_stays_too_long_is_cancelled_and_told_why() -> None:
    """The wait ends, the limit says that it was its doing, and the task goes on as if never cancelled."""
    deadlines = Deadlines(SHORT, time.monotonic)
    task = deadlines.begin(time.monotonic())
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    assert deadlines.was_passed(task)
    deadlines.end(task)
    assert time.monotonic() - began >= SHORT
    assert not task.cancelling()


@pytest.mark.asyncio
async def test_who_leaves_in_time_is_left_alone() -> None:
    """After the end the timer finds nothing: a wait four times as long is ended by its own limit."""
    deadlines = Deadlines(SHORT, time.monotonic)
    deadlines.end(deadlines.begin(time.monotonic()))
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(4 * SHORT):
            await asyncio.Event().wait()
    assert time.monotonic() - began >= 4 * SHORT


@pytest.mark.asyncio
async def test_another_cancellation_is_not_the_limits() -> None:
    """A task that is cancelled from outside is cancelled: the limit does not claim it."""
    deadlines = Deadlines(60.0, time.monotonic)
    waiting = asyncio.Event()
    claimed: list[bool] = []

    async def work() -> None:
        task = deadlines.begin(time.monotonic())
        try:
            waiting.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            claimed.append(deadlines.was_passed(task))
            raise
        finally:
            deadlines.end(task)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work())
        await waiting.wait()
        task.cancel()
    assert task.cancelled()
    assert claimed == [False]


@pytest.mark.asyncio
async def test_limits_of_many_tasks_are_their_own() -> None:
    """Of many tasks only those that stay too long are cancelled."""
    deadlines = Deadlines(SHORT, time.monotonic)
    ended: dict[int, bool] = {}

    async def work(number: int) -> None:
        task = deadlines.begin(time.monotonic())
        try:
            if number % 2:
                await asyncio.Event().wait()
            ended[number] = False
        except asyncio.CancelledError:
            ended[number] = deadlines.was_passed(task)
        finally:
            deadlines.end(task)

    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(work(number))
    assert ended == {number: bool(number % 2) for number in range(20)}
