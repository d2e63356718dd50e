"""What is special about the memory driver; what it promises is in tests/contracts/test_storage.py."""

import threading
from datetime import UTC, datetime, timedelta

import anyio
import pytest
import trio.testing

from monitor.core.model import InstanceKey, Phase, Track
from monitor.storage.base import Batch
from monitor.storage.memory import MemoryStorage

AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_it_runs_on_a_mock_clock_without_threads() -> None:
    """A day passes in no time, and no thread is started."""
    threads = threading.active_count()

    async def a_day() -> float:
        storage = MemoryStorage()
        began = anyio.current_time()
        for _ in range(24):
            await storage.commit(Batch(checkpoints={("s", "p"): AT}))
            await storage.claim("ops", 1, AT, timedelta(minutes=1), "courier")
            await anyio.sleep(3600)
        assert threading.active_count() == threads
        await storage.aclose()
        return anyio.current_time() - began

    clock = trio.testing.MockClock(autojump_threshold=0)
    assert anyio.run(a_day, backend="trio", backend_options={"clock": clock}) == pytest.approx(86400)


@pytest.mark.asyncio
async def test_size_counts_a_track_once() -> None:
    """Saving the same track again does not make the store look larger."""
    storage = MemoryStorage()
    track = Track(InstanceKey("s", "p", "i"), "maxcompute", Phase.RUNNING)
    await storage.commit(Batch(save=(track,)))
    once = await storage.size()
    await storage.commit(Batch(save=(track, track)))
    assert await storage.size() == once > 0
