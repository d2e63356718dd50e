import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from monitor.emulator.background import task_group
from monitor.emulator.batchcompute.book import Book, Job
from monitor.emulator.batchcompute.description import check_description
from monitor.emulator.batchcompute.executed import Executed
from monitor.emulator.batchcompute.scheduler import Scheduler
from monitor.emulator.batchcompute.views import State
from tests.emulator.batchcompute.client import job
from tests.emulator.batchcompute.hand import BADLY, WELL, HandExecutor, stopped_clock


@dataclass
class Bench:
    """A scheduler over an executor that is moved by hand."""

    book: Book
    scheduler: Scheduler
    hand: HandExecutor

    def submit(self, *, rest: float = 0.0, **fields: Any) -> Job:
        description = check_description(job(**fields))
        made = self.book.add(1, description.priority, lambda id_: Executed(id_, description))
        self.scheduler.begin(made, rest)
        return made

    async def settled(self) -> None:
        """Lets everybody have a few turns."""
        for _ in range(5):
            await asyncio.sleep(0)

    def states(self, one: Job, task: str = "count") -> str:
        """The first letters of the states of its instances."""
        return "".join(view.state[0] for view in one.course.instances(task))


@asynccontextmanager
async def bench(at_once: int = 64) -> AsyncIterator[Bench]:
    """Taken down at the end, as by the server."""
    clock, _ = stopped_clock()
    book, hand = Book(clock), HandExecutor()
    async with task_group() as tasks:
        scheduler = Scheduler(book, hand, tasks, clock, at_once=at_once)
        try:
            yield Bench(book, scheduler, hand)
        finally:
            hand.buried.set()
            await scheduler.close()


@pytest.mark.asyncio
async def test_a_job_waits_before_its_turn() -> None:
    """Clients find a new job waiting, however much room there is."""
    async with bench() as one:
        resting, begun = one.submit(rest=60.0), one.submit()
        await one.hand.count(3)
        assert (one.states(resting), one.states(begun)) == ("WWW", "RRR")


@pytest.mark.asyncio
async def test_what_has_no_room_waits() -> None:
    """And begins as soon as there is some."""
    async with bench(at_once=2) as one:
        made = one.submit()
        runs = await one.hand.count(2)
        assert one.states(made) == "RRW"
        runs[0].end.set_result(WELL)
        await one.hand.count(3)
        assert one.states(made) == "FRR"


@pytest.mark.asyncio
async def test_the_urgent_go_first_and_then_the_oldest() -> None:
    """Priority counts when there is room, not before."""
    async with bench(at_once=1) as one:
        first = one.submit(InstanceCount=2)
        runs = await one.hand.count(1)
        low, high, also_high = (one.submit(InstanceCount=1, Priority=priority) for priority in (0, 9, 9))
        await one.settled()
        for number in range(5):
            runs = await one.hand.count(number + 1)
            runs[number].end.set_result(WELL)
        await one.settled()
        order = [run.order.job_id for run in runs]
        assert order == [first.id, high.id, also_high.id, first.id, low.id]


@pytest.mark.asyncio
async def test_tasks_follow_one_another_to_the_end() -> None:
    """The end of the last ends the job in the book."""
    async with bench() as one:
        made = one.submit(tasks=("split", "merge"), InstanceCount=1, AutoRelease=True)
        for number in range(2):
            runs = await one.hand.count(number + 1)
            assert one.book.live() == [made]
            runs[number].end.set_result(WELL)
        await one.settled()
        assert (made.course.state, one.book.all()) == (State.FINISHED, [])


@pytest.mark.asyncio
async def test_a_failure_kills_the_others_of_its_job() -> None:
    """And of no other."""
    async with bench() as one:
        failing, other = one.submit(), one.submit(InstanceCount=1)
        runs = await one.hand.count(4)
        runs[1].end.set_result(BADLY)
        await one.settled()
        assert [run.killed.is_set() for run in runs] == [True, False, True, False]
        assert (one.states(failing), one.states(other)) == ("SFS", "R")
        assert one.book.live() == [other]


@pytest.mark.asyncio
async def test_a_failed_instance_is_run_again_at_once() -> None:
    """If there is room."""
    async with bench() as one:
        made = one.submit(InstanceCount=1, MaxRetryCount=1)
        (run,) = await one.hand.count(1)
        run.end.set_result(BADLY)
        again = (await one.hand.count(2))[1]
        assert (again.order.attempt, one.states(made)) == (1, "R")


@pytest.mark.asyncio
async def test_breaking_off_returns_when_nothing_is_left() -> None:
    """Also what has not taken its first step; a job without runs is no work."""
    async with bench() as one:
        made, other = one.submit(), one.submit(InstanceCount=1)
        await one.hand.count(4)
        one.hand.buried.clear()
        async with asyncio.TaskGroup() as tasks:
            breaking = tasks.create_task(one.scheduler.break_off(made))
            await one.settled()
            assert not breaking.done()
            one.hand.buried.set()
        assert one.hand.alive == [("count", 0)]
        assert [run.order.job_id for run in one.hand.runs if not run.gone] == [other.id]
        await one.scheduler.break_off(made)


@pytest.mark.asyncio
async def test_nothing_begins_after_the_close() -> None:
    """What ran was killed, and its room is given to nobody."""
    async with bench(at_once=1) as one:
        made = one.submit()
        await one.hand.count(1)
        await one.scheduler.close()
        one.submit()
        await one.settled()
        assert (one.hand.alive, len(one.hand.runs), one.states(made)) == ([], 1, "RWW")
