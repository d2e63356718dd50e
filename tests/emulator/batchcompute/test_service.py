import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from monitor.emulator.background import task_group
from monitor.emulator.batchcompute.book import Book, Job
from monitor.emulator.batchcompute.description import check_description
from monitor.emulator.batchcompute.plan import Flaws, Part
from monitor.emulator.batchcompute.planned import Recipe
from monitor.emulator.batchcompute.scheduler import Scheduler
from monitor.emulator.batchcompute.service import BatchCompute
from monitor.emulator.batchcompute.views import State
from monitor.emulator.clock import Clock
from monitor.emulator.errors import ServiceError
from monitor.emulator.requestlog import RequestLog
from tests.emulator.batchcompute.client import job
from tests.emulator.batchcompute.hand import BADLY, HandExecutor, Ticks

FAILING = Recipe(name="n", parts=(Part("count"),), wait=0.0, seconds=5.0, outcome=State.FAILED, flaws=Flaws("count", 1))


class Site:
    """A service whose executor and whose clock are moved by hand; its real rests are short."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.ticks, self.hand = Ticks(), HandExecutor()
        clock = Clock(1000.0, ticks=self.ticks)
        book = Book(clock)
        self.scheduler = Scheduler(book, self.hand, tasks, clock)
        self.service = BatchCompute(clock, Random(1), book, self.scheduler, RequestLog(self.ticks))

    def submit(self, token: str = "", owner: int = 1, **fields: Any) -> str:
        return self.service.submit(owner, check_description(job(**fields)), token)

    def require(self, id_: str) -> Job:
        return self.service.require(id_)


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Taken down at the end, as by the server."""
    async with task_group() as tasks:
        made = Site(tasks)
        try:
            yield made
        finally:
            made.hand.buried.set()
            await made.scheduler.close()


@pytest.mark.asyncio
async def test_the_same_token_gives_the_same_job() -> None:
    """To the same account, also when the job was deleted; nobody has a token that is empty."""
    async with site() as one:
        first = one.submit("a")
        assert one.submit("a", Name="other") == first
        others = {one.submit("b"), one.submit("a", owner=2), one.submit(), one.submit()}
        assert len(others - {first}) == 4
        await one.service.stop(one.require(first))
        one.service.delete(one.require(first))
        assert one.submit("a") == first
        with pytest.raises(ServiceError, match="not found"):
            one.require(first)


@pytest.mark.asyncio
async def test_a_stop_returns_when_no_program_is_left() -> None:
    """Whoever looks meanwhile finds the job stopped."""
    async with site() as one:
        made = one.require(one.submit())
        await one.hand.count(3)
        one.hand.buried.clear()
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(one.service.stop(made))
            await asyncio.sleep(0)
            assert (made.course.state, stopping.done()) == (State.STOPPED, False)
            one.hand.buried.set()
        assert (one.hand.alive, one.service.book.live()) == ([], [])


@pytest.mark.asyncio
async def test_a_restart_waits_for_what_still_dies() -> None:
    """No instance runs twice at a time; of two who restart, the second is too late."""
    async with site() as one:
        made = one.require(one.submit())
        runs = await one.hand.count(3)
        one.hand.buried.clear()
        runs[0].end.set_result(BADLY)
        await runs[2].killed.wait()
        assert made.course.state is State.FAILED
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(one.service.start(made))
            second = tasks.create_task(_refused(one, made))
            await asyncio.sleep(0)
            assert (made.course.state, first.done()) == (State.FAILED, False)
            one.hand.buried.set()
        assert "waiting" in second.result()
        runs = await one.hand.count(6)
        assert [(run.order.instance, run.order.attempt) for run in runs[3:]] == [(0, 1), (1, 1), (2, 1)]
        assert one.service.book.live() == [made]


@pytest.mark.asyncio
async def test_a_restart_finds_the_job_gone() -> None:
    """If somebody deletes it while it dies."""
    async with site() as one:
        made = one.require(one.submit())
        runs = await one.hand.count(3)
        one.hand.buried.clear()
        runs[0].end.set_result(BADLY)
        await runs[2].killed.wait()
        async with asyncio.TaskGroup() as tasks:
            starting = tasks.create_task(_refused(one, made))
            await asyncio.sleep(0)
            one.service.delete(made)
            one.hand.buried.set()
        assert "not found" in starting.result()


async def _refused(one: Site, made: Job) -> str:
    with pytest.raises(ServiceError) as caught:
        await one.service.start(made)
    return caught.value.message


@pytest.mark.asyncio
async def test_what_a_state_does_not_allow_is_a_conflict() -> None:
    """It names the state."""
    async with site() as one:
        made = one.require(one.service.plan(1, FAILING))
        for refused in (one.service.delete, lambda it: one.service.prioritise(it, 5)):
            with pytest.raises(ServiceError, match="The current resource state is running") as caught:
                refused(made)
            assert (caught.value.status, caught.value.code) == (409, "StateConflict")
        assert "running" in await _refused(one, made)
        one.ticks.at = 5.0
        with pytest.raises(ServiceError, match="The current resource state is failed"):
            await one.service.stop(made)
        one.service.prioritise(made, 5)
        assert made.priority == 5
        await one.service.start(made)
        one.ticks.at = 10.0
        assert "finished" in await _refused(one, made)
        one.service.delete(made)
        assert one.service.book.all() == []


@pytest.mark.asyncio
async def test_planned_jobs_stop_and_start_like_others() -> None:
    """Without an executor."""
    async with site() as one:
        made = one.require(one.service.plan(1, FAILING, 3))
        await one.service.stop(made)
        assert (made.course.state, made.priority, one.service.book.live()) == (State.STOPPED, 3, [])
        await one.service.start(made)
        assert (made.course.state, one.service.book.live(), one.hand.runs) == (State.RUNNING, [made], [])
