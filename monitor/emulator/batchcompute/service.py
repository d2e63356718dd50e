"""The state of the emulated Batch Compute service, and what can be done to it."""

from dataclasses import dataclass
from random import Random

from monitor.emulator.batchcompute.book import Book, Job
from monitor.emulator.batchcompute.description import Description
from monitor.emulator.batchcompute.executed import Executed
from monitor.emulator.batchcompute.planned import Planned, Recipe
from monitor.emulator.batchcompute.refusals import conflict, not_found
from monitor.emulator.batchcompute.scheduler import Scheduler
from monitor.emulator.batchcompute.views import State
from monitor.emulator.clock import Clock
from monitor.emulator.requestlog import RequestLog

SECRET = "demo-secret"  # noqa: S105 - the published secret of the emulator
REST_SECONDS = 0.5  # emulated, and never more real ones: so long a job waits whatever room there is
RESTARTABLE = (State.FAILED, State.STOPPED)


@dataclass(slots=True)
class BatchCompute:
    """One emulated service."""

    clock: Clock
    chance: Random
    book: Book
    scheduler: Scheduler
    log: RequestLog

    def require(self, id_: str) -> Job:
        """The job. Raises ServiceError if there is none."""
        job = self.book.get(id_)
        if job is None:
            raise not_found()
        return job

    def submit(self, owner: int, description: Description, token: str = "") -> str:
        """Takes a job in whose programs will run; gives its id. A token that came before gives the id that it gave
        then, and takes nothing in."""
        mark = f"{owner}/{token}" if token else ""
        if mark and (known := self.book.token(mark)):
            return known
        job = self.book.add(owner, description.priority, lambda id_: Executed(id_, description))
        if mark:
            self.book.remember(mark, job.id)
        self._give_turn(job)
        return job.id

    def plan(self, owner: int, recipe: Recipe, priority: int = 0) -> str:
        """Takes a job in that follows a plan; gives its id."""
        return self.book.add(owner, priority, lambda id_: Planned(id_, recipe, self.clock)).id

    async def stop(self, job: Job) -> None:
        """Ends a live job; returns when nothing of it runs. Raises ServiceError if it has ended."""
        if job.course.state.final:
            raise conflict(job.course.state)
        if isinstance(job.course, Executed):
            job.course.stop(self.clock.wall())
        else:
            job.course.stop()
        self.book.ended(job)
        await self.scheduler.break_off(job)

    async def start(self, job: Job) -> None:
        """Runs again what did not finish of a job. Raises ServiceError unless it was stopped or has failed."""
        self._require_startable(job)
        await self.scheduler.break_off(job)  # what was told to end may not have ended yet
        self._require_startable(self.require(job.id))  # others may have been quicker
        job.course.restart()
        self.book.restarted(job)
        if isinstance(job.course, Executed):
            self._give_turn(job)

    def delete(self, job: Job) -> None:
        """Forgets a job. Raises ServiceError if it is live."""
        if not job.course.state.final:
            raise conflict(job.course.state)
        self.book.delete(job)

    def prioritise(self, job: Job, priority: int) -> None:
        """Gives a job another priority for when it is started again. Raises ServiceError unless it could be."""
        self._require_startable(job)
        job.priority = priority

    def _give_turn(self, job: Job) -> None:
        self.scheduler.begin(job, REST_SECONDS / max(1.0, self.clock.speed))

    def _require_startable(self, job: Job) -> None:
        if job.course.state not in RESTARTABLE:
            raise conflict(job.course.state)
