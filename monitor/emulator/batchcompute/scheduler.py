"""Runs the instances of executed jobs: those of the highest priority first, and never too many at once."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from monitor.emulator.batchcompute.book import Book, Job
from monitor.emulator.batchcompute.executed import Executed, Instance, Task
from monitor.emulator.batchcompute.orders import Executor, Order
from monitor.emulator.clock import Clock


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    job: Job
    course: Executed
    task: Task
    instance: Instance
    order: Order


class Scheduler:
    """Gives at most `at_once` orders to the executor at a time; what has no room waits."""

    def __init__(
        self, book: Book, executor: Executor, tasks: asyncio.TaskGroup, clock: Clock, *, at_once: int = 64
    ) -> None:
        self._book = book
        self._executor = executor
        self._tasks = tasks
        self._clock = clock
        self._at_once = at_once
        self._closing = False
        self._resting: set[str] = set()  # jobs that have only just been submitted
        self._runs: dict[_Run, asyncio.Task[None]] = {}

    def begin(self, job: Job, rest: float) -> None:
        """Lets a job have its turn, in that many real seconds."""
        self._resting.add(job.id)
        asyncio.get_running_loop().call_later(rest, self._rested, job)

    async def break_off(self, job: Job) -> None:
        """Kills what runs of a job, and returns when nothing of it is left."""
        await self._kill(run for run in self._runs if run.job is job)

    async def close(self) -> None:
        """Begins nothing any more, and kills all that runs."""
        self._closing = True
        await self._kill(self._runs)

    def _rested(self, job: Job) -> None:
        self._resting.discard(job.id)
        self._fill()

    def _fill(self) -> None:
        room = 0 if self._closing else self._at_once - len(self._runs)
        if room <= 0:
            return
        jobs = [(job, course) for job, course in self._book.programs() if job.id not in self._resting]
        for job, course in sorted(jobs, key=lambda it: (-it[0].priority, it[0].number)):
            for task, instance in course.ready(room):
                order = course.begin(task, instance, self._clock.wall())
                run = _Run(job, course, task, instance, order)
                self._runs[run] = self._tasks.create_task(self._see_through(run))
                self._runs[run].add_done_callback(partial(self._gone, run))
                room -= 1
            if not room:
                return

    async def _see_through(self, run: _Run) -> None:
        ending = await self._executor.run(run.order)
        run.course.end(run.task, run.instance, ending, self._clock.wall())
        if run.course.state.final:
            self._book.ended(run.job)
            for other, task in self._runs.items():
                if other.job is run.job and other is not run:
                    task.cancel()

    def _gone(self, run: _Run, _task: asyncio.Task[None]) -> None:
        """Also called for a run that was killed before it took its first step."""
        del self._runs[run]
        self._fill()

    async def _kill(self, runs: Iterable[_Run]) -> None:
        killed = [self._runs[run] for run in runs]
        for task in killed:
            task.cancel()
        if killed:
            await asyncio.wait(killed)
