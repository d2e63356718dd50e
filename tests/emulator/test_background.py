import asyncio

import pytest

from monitor.emulator.background import task_group


@pytest.mark.asyncio
async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    """Not in a group, and only after the tasks have ended."""
    ended = []

    async def work() -> None:
        await asyncio.sleep(0)
        ended.append(True)

    async def block() -> None:
        async with task_group() as tasks:
            tasks.create_task(work())
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await block()
    assert ended == [True]


@pytest.mark.asyncio
async def test_a_task_that_fails_ends_the_block() -> None:
    """Nothing fails unseen."""

    async def fail() -> None:
        raise RuntimeError("broken")

    async def block() -> None:
        async with task_group() as tasks:
            tasks.create_task(fail())
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as raised:
        await block()
    assert isinstance(raised.value.exceptions[0], RuntimeError)
