"""The loop's lateness, on a clock that only moves when we say so."""

import anyio
import pytest
from trio.testing import MockClock

from monitor.engine.lag import LOOK_EVERY, watch_loop

pytestmark = pytest.mark.anyio


async def watched(clock: MockClock, *, block_at: float, block_for: float, until: float) -> list[float]:
    """What is reported in `until` seconds in which the loop stood still once."""
    seen: list[float] = []
    async with anyio.create_task_group() as group:
        group.start_soon(watch_loop, seen.append)
        await anyio.sleep(block_at)
        clock.jump(block_for)  # time passes, and nobody gets a turn
        await anyio.sleep(until - block_at - block_for)
        group.cancel_scope.cancel()
    return seen


async def test_a_free_loop_is_never_late(clock: MockClock) -> None:
    """Four looks a second, each in time."""
    seen = await watched(clock, block_at=1.1, block_for=0, until=2.1)
    assert seen == [0.0] * 8


async def test_a_blocked_loop_is_late_by_what_was_left_of_the_block(clock: MockClock) -> None:
    """Blocked at 0.6 s for 2 s, the look that was due at 0.75 s comes 1.85 s late, and the next is in time again."""
    seen = await watched(clock, block_at=0.6, block_for=2.0, until=3.2)
    assert seen[2] == pytest.approx(1.85)
    assert seen[3:] == [0.0, 0.0]


async def test_a_block_longer_than_a_look_is_always_seen(clock: MockClock) -> None:
    """Whenever it begins, a block of twice the time between looks shows at least half of itself."""
    seen = await watched(clock, block_at=1.01, block_for=2 * LOOK_EVERY, until=3)
    assert max(seen) >= LOOK_EVERY
