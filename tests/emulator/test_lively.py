import asyncio
from random import Random
from typing import Any

import pytest

from monitor.emulator import lively
from monitor.emulator.plan import Outcome, Phase


@pytest.mark.asyncio
async def test_the_workload_is_steady_varied_and_fails_now_and_then(visit: Any) -> None:
    """About forty alive at any time over half an emulated hour, of many kinds, remembered up to a bound."""
    async with visit(speed=0, keep=100) as site:
        service = site.emulator.maxcompute
        chance = Random(3)
        seen = {}
        for _ in range(120):
            for _ in range(min(lively.A_TURN * 10, lively.LIVE - len(service.book.live("demo")))):
                instance = lively._submit(service, "demo", chance)
                seen[instance.id] = await site.drafted(instance.id)
            assert len(service.book.live("demo")) <= lively.LIVE
            service.clock.advance(15)
        assert len(seen) > 200
        assert len(service.book.all("demo")) <= 100 + lively.LIVE
        assert {instance.plan.outcome for instance in seen.values()} == set(Outcome)
        assert any("ODPS-0130131" in instance.result.text for instance in seen.values())
        assert len({instance.owner for instance in seen.values()}) > 4
        assert len({instance.job.name for instance in seen.values()}) > 50


@pytest.mark.asyncio
async def test_a_screen_looks_alive_at_once(visit: Any) -> None:
    """Right after the start there are instances, some of them at work."""
    async with visit(lively=True, speed=50) as site:
        book = site.emulator.maxcompute.book

        def at_work() -> int:
            live = book.live("demo").values()
            return sum(one.plan.phase(book.elapsed(one)) is Phase.RUNNING for one in live)

        async with asyncio.timeout(5):
            while at_work() < 5:
                await site.get("/tenants")
        assert len(book.all("demo")) >= lively.AT_ONCE
