"""The live part of `follow`."""

import anyio
import pytest

from monitor.storage.base import Batch
from monitor.storage.tail import Tail

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both loops."""
    return str(request.param)


def batches(count: int) -> list[Batch]:
    return [Batch(checkpoints={("s", str(number)): None}) for number in range(count)]  # type: ignore[dict-item]


async def test_every_follower_gets_every_batch_in_order() -> None:
    """Followers do not take from each other, and a later one begins later."""
    tail, sent = Tail(), batches(4)
    early = tail.follow()
    tail.publish(sent[0])
    late = tail.follow()
    for batch in sent[1:]:
        tail.publish(batch)
    tail.seal()
    assert [batch async for batch in early] == sent
    assert [batch async for batch in late] == sent[1:]


async def test_a_waiting_follower_wakes_up() -> None:
    """It gets what comes while it waits, and its end when the tail is sealed."""
    tail, got = Tail(), list[Batch]()
    following = tail.follow()

    async def read() -> None:
        async for batch in following:
            got.append(batch)

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        tail.publish(Batch())
        await anyio.wait_all_tasks_blocked()
        assert got == [Batch()]
        tail.seal()


async def test_room_is_there_when_the_slowest_has_room() -> None:
    """The publisher waits for the one that lags most, and only as long as it lags."""
    tail = Tail(bound=2)
    quick, slow = tail.follow(), tail.follow()
    for batch in batches(2):
        await tail.room()
        tail.publish(batch)
    await anext(quick)
    done = anyio.Event()

    async def publish() -> None:
        await tail.room()
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(publish)
        await anyio.wait_all_tasks_blocked()
        assert not done.is_set()
        await anext(slow)
        with anyio.fail_after(5):
            await done.wait()


@pytest.mark.parametrize("way", ["closed", "cancelled", "sealed"])
async def test_nobody_waits_for_a_follower_that_left(way: str) -> None:
    """Neither for one that closed, nor for one whose reading was cancelled, nor after the end."""
    tail = Tail(bound=1)
    following = tail.follow()
    if way == "cancelled":
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(following)
    tail.publish(Batch())
    if way == "closed":
        await following.aclose()
    elif way == "sealed":
        tail.seal()
    with anyio.fail_after(5):
        await tail.room()
    if way != "sealed":
        with pytest.raises(StopAsyncIteration):
            await anext(following)
