"""The book of jobs: who was submitted, which are live, which token gave which.

The ends of planned jobs are not events: a heap of the moments at which they end is looked at whenever somebody asks.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from monitor.emulator.batchcompute.executed import Executed
from monitor.emulator.batchcompute.planned import Planned
from monitor.emulator.batchcompute.views import State
from monitor.emulator.clock import Clock

MAX_TOKENS = 10_000  # remembered at a time


@dataclass(slots=True, eq=False)
class Job:
    """One submission. `number` grows with every one; `owner` is an account's number; `created` in epoch seconds."""

    id: str
    number: int
    owner: int
    priority: int
    created: float
    course: Executed | Planned
    hidden: bool = False


class Book:
    """All jobs. Only the event loop touches it. At most `keep` ended ones are remembered; the oldest go first."""

    def __init__(self, clock: Clock, *, keep: int = 10_000) -> None:
        self._clock = clock
        self._keep = keep
        self._numbers = count(1)
        self._pushes = count()  # decides between ends of the same moment
        self._all: dict[str, Job] = {}  # in the order of submission
        self._live: dict[int, Job] = {}  # by number, in that order too
        self._ended: dict[str, Job] = {}  # in the order of their ends
        self._ends: list[tuple[float, int, Job]] = []
        self._tokens: OrderedDict[str, str] = OrderedDict()

    def add(self, owner: int, priority: int, course: Callable[[str], Executed | Planned]) -> Job:
        """Takes a job in; `course` makes what it does from its id."""
        number, now = next(self._numbers), self._clock.wall()
        id_ = f"job-{int(now) & 0xFFFFFFFF:016X}{number:016X}"
        job = Job(id_, number, owner, priority, now, course(id_))
        self._all[id_] = self._live[number] = job
        self._expect_end(job)
        return job

    def get(self, id_: str) -> Job | None:
        """The job, unless it is unknown, deleted, forgotten or hidden."""
        self.settle()
        job = self._all.get(id_)
        return None if job is None or job.hidden else job

    def find(self, id_: str) -> Job | None:
        """The job, hidden or not."""
        self.settle()
        return self._all.get(id_)

    def all(self) -> list[Job]:
        """All that are remembered, oldest first."""
        self.settle()
        return list(self._all.values())

    def live(self) -> list[Job]:
        """Those that have not ended, oldest first."""
        self.settle()
        return list(self._live.values())

    def programs(self) -> Iterator[tuple[Job, Executed]]:
        """Live jobs that run programs, oldest first."""
        for job in self._live.values():
            if isinstance(job.course, Executed):
                yield job, job.course

    def ended(self, job: Job) -> None:
        """A job has come to an end, for now: one that succeeded may have asked to be deleted then."""
        if self._live.pop(job.number, None) is None:
            return
        if job.course.state is State.FINISHED and job.course.auto_release:
            self.delete(job)
            return
        self._ended[job.id] = job
        while len(self._ended) > self._keep:
            oldest = next(iter(self._ended.values()))
            self.delete(oldest)

    def restarted(self, job: Job) -> None:
        """A job that had ended is live again."""
        del self._ended[job.id]
        self._live[job.number] = job
        self._live = dict(sorted(self._live.items()))
        self._expect_end(job)

    def delete(self, job: Job) -> None:
        """Forgets a job that has ended."""
        self._all.pop(job.id, None)
        self._ended.pop(job.id, None)

    def token(self, token: str) -> str | None:
        """The id of the job that was submitted with that token."""
        return self._tokens.get(token)

    def remember(self, token: str, id_: str) -> None:
        """Keeps which job a token gave, also when the job is deleted."""
        self._tokens[token] = id_
        if len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)

    def settle(self) -> None:
        """Takes planned jobs that have ended out of the live ones."""
        now = self._clock.emulated()
        while self._ends and self._ends[0][0] <= now:
            at, _, job = heappop(self._ends)
            if isinstance(job.course, Planned) and job.course.ends == at:
                self.ended(job)

    def _expect_end(self, job: Job) -> None:
        if isinstance(job.course, Planned):
            heappush(self._ends, (job.course.ends, next(self._pushes), job))
