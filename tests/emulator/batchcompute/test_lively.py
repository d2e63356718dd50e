import asyncio
from random import Random
from typing import Any

import pytest

from monitor.emulator.batchcompute import lively
from monitor.emulator.batchcompute.description import check_description
from monitor.emulator.batchcompute.executed import Executed
from monitor.emulator.batchcompute.views import State
from tests.emulator.batchcompute.client import asking


@pytest.mark.asyncio
async def test_planned_jobs_are_of_many_kinds(visit: Any) -> None:
    """Of several tasks, with failures, stops, retries, partial failures, and some that are gone at once."""
    async with asking(visit, speed=0) as client:
        service = client.site.emulator.batchcompute
        chance = Random(3)
        for _ in range(300):
            service.plan(*lively._planned(chance))
        assert len(service.book.live()) == 300
        service.clock.advance(200)
        views = [job.course.view() for job in service.book.all()]
        assert {view.state for view in views} == {State.FINISHED, State.FAILED, State.STOPPED}
        assert len(views) < 300
        assert {len(view.tasks) for view in views} == {1, 3, 4, 5}
        failed = [sum(task.instances.failed for task in view.tasks) for view in views if view.state is State.FINISHED]
        assert 0 < sum(map(bool, failed)) < len(failed) / 5
        assert any(
            one.retries
            for job in service.book.all()
            for task in job.course.view().tasks
            for one in job.course.instances(task.name)
        )


def test_jobs_that_run_programs_are_small() -> None:
    """A few shell commands in three tasks, now and then one that fails."""
    sources = [lively._real(Random(seed)) for seed in range(40)]
    jobs = [check_description(source) for source in sources]
    assert {tuple(task.instances for task in job.tasks) for job in jobs} == {(1, 3, 1)}
    failing = [job for job in jobs if "exit 3" in job.tasks[1].command_line]
    assert 0 < len(failing) < 20


@pytest.mark.asyncio
async def test_the_same_seed_makes_the_same_jobs() -> None:
    """And another seed makes others."""
    first, same, other = (Random(seed) for seed in (1, 1, 2))
    assert lively._planned(first) == lively._planned(same) != lively._planned(other)


@pytest.mark.asyncio
async def test_a_screen_looks_alive_at_once(visit: Any) -> None:
    """Right after the start jobs are there, some at work, and one that runs programs."""
    async with asking(visit, lively=True, speed=50) as client:
        book = client.site.emulator.batchcompute.book
        async with asyncio.timeout(5):
            while True:
                live = book.live()
                at_work = [one for one in live if one.course.state is State.RUNNING]
                if len(live) >= lively.AT_ONCE and len(at_work) >= 4:
                    break
                await client.get("/jobs")
        assert any(isinstance(job.course, Executed) for job in book.all())
