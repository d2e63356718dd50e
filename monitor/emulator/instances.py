"""The book of instances: who was submitted, which plan each follows, which have ended.

Ends are not events here: a heap of the moments at which plans end is looked at whenever somebody asks, so that
thousands of live instances cost nothing in between.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf
from random import Random
from string import ascii_lowercase, digits

from monitor.emulator.clock import Clock, id_date
from monitor.emulator.jobs import Job
from monitor.emulator.plan import Phase, Plan

LINGER_SECONDS = 1.0  # emulated, for which an ended instance still shows among the live ones
_ID_LETTERS = ascii_lowercase + digits


@dataclass(frozen=True, slots=True)
class Result:
    """What a task ends with; `text` is the failure's message if it failed."""

    text: str = ""
    format: str = "text"


@dataclass(slots=True)
class Steps:
    """What makes an instance a workflow: its submission as XML, and the instances that it has started."""

    source: str
    begun: "list[Instance]" = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Instance:
    """One submission. `number` grows with every one; `submitted` counts emulated seconds."""

    id: str
    number: int
    project: str
    owner: str
    job: Job
    submitted: float
    plan: Plan
    result: Result = Result()
    stopped: bool = False
    hidden: bool = False
    notes: dict[str, str] = field(default_factory=dict)  # what `PUT ?info` left
    steps: Steps | None = None  # of a workflow
    queries: "list[Instance] | None" = None  # of a session
    accelerated: bool = False  # it runs beside the others
    quota_asked: float = -inf  # epoch seconds
    row: str = ""  # the unchanging part of its row in listings of live instances
    bell: asyncio.Event | None = None

    @property
    def ends(self) -> float:
        """The emulated second at which it ends as things stand."""
        return self.submitted + self.plan.ends


class Book:
    """All instances of all projects. Only the event loop touches it.

    At most `keep` ended instances, and `keep_bytes` of their results, are remembered; the oldest are forgotten first.
    """

    def __init__(self, clock: Clock, chance: Random, *, keep: int = 10_000, keep_bytes: int = 64_000_000) -> None:
        self.clock = clock
        self.chance = chance
        self.closing = False
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._numbers = count(1)
        self._pushes = count()  # decides between ends of the same moment
        self._all: dict[str, dict[str, Instance]] = {}  # by project and id, in the order of submission
        self._live: dict[str, dict[str, Instance]] = {}
        self._ends: list[tuple[float, int, Instance]] = []
        self._ended: deque[Instance] = deque()
        self._ended_bytes = 0

    def add(
        self, project: str, owner: str, job: Job, plan: Plan, result: Result = Result(), *, suffix: str = ""
    ) -> Instance:
        """Takes a submission in; its id ends with `suffix`."""
        now = self.clock.emulated()
        instance = Instance(self._new_id(suffix), next(self._numbers), project, owner, job, now, plan, result)
        self._all.setdefault(project, {})[instance.id] = instance
        self._live.setdefault(project, {})[instance.id] = instance
        self._expect_end(instance)
        return instance

    def get(self, project: str, id_: str) -> Instance | None:
        """The instance, unless it is unknown, forgotten or hidden."""
        self.settle()
        instance = self._all.get(project, {}).get(id_)
        return None if instance is None or instance.hidden else instance

    def find(self, id_: str) -> Instance | None:
        """The instance of that id in whichever project, hidden or not."""
        return next((of_project[id_] for of_project in self._all.values() if id_ in of_project), None)

    def all(self, project: str) -> dict[str, Instance]:
        """All remembered instances of a project by id, oldest first."""
        self.settle()
        return self._all.get(project, {})

    def live(self, project: str) -> dict[str, Instance]:
        """Those that have not ended, or have only just, oldest first."""
        self.settle()
        return self._live.get(project, {})

    def elapsed(self, instance: Instance) -> float:
        """Emulated seconds since its submission."""
        return self.clock.emulated() - instance.submitted

    def ended(self, instance: Instance) -> bool:
        """Whether it has ended."""
        return instance.plan.phase(self.elapsed(instance)) is Phase.ENDED

    def revise(self, instance: Instance, plan: Plan, result: Result | None = None) -> None:
        """Gives a live instance another fate."""
        instance.plan = plan
        if result is not None:
            instance.result = result
        self._expect_end(instance)
        self._ring(instance)

    async def wait_for_end(self, instance: Instance, at_most: float) -> None:
        """Returns when it has ended, or after that many real seconds, or when the emulator closes."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + at_most
        while not (self.ended(instance) or self.closing):
            left = min(deadline - loop.time(), self.clock.real_seconds_until(instance.ends) + 0.001)
            if loop.time() >= deadline:
                return
            instance.bell = instance.bell or asyncio.Event()
            try:
                async with asyncio.timeout(left if left < inf else None):
                    await instance.bell.wait()
            except TimeoutError:
                continue

    def turn_clock(self, turn: Callable[[], None]) -> None:
        """Changes the clock, and lets everybody who waits for an end look again."""
        turn()
        self._ring_all()

    def close(self) -> None:
        """Lets nobody wait any longer."""
        self.closing = True
        self._ring_all()

    def settle(self) -> None:
        """Takes those that have ended out of the live ones, and forgets the oldest."""
        now = self.clock.emulated()
        while self._ends and self._ends[0][0] + LINGER_SECONDS <= now:
            at, _, instance = heappop(self._ends)
            live = self._live[instance.project]
            if at == instance.ends and instance.id in live:
                del live[instance.id]
                instance.row = ""
                self._ended.append(instance)
                self._ended_bytes += len(instance.result.text)
        while len(self._ended) > self._keep or (self._ended_bytes > self._keep_bytes and self._ended):
            oldest = self._ended.popleft()
            self._ended_bytes -= len(oldest.result.text)
            del self._all[oldest.project][oldest.id]

    def _expect_end(self, instance: Instance) -> None:
        if instance.ends < inf:
            heappush(self._ends, (instance.ends, next(self._pushes), instance))

    def _new_id(self, suffix: str) -> str:
        date = id_date(self.clock.wall())
        while True:
            tail = "".join(self.chance.choices(_ID_LETTERS, k=self.chance.randint(6, 9)))
            id_ = f"{date}g{tail}{suffix}"
            if self.find(id_) is None:
                return id_

    def _ring_all(self) -> None:
        for of_project in self._live.values():
            for instance in of_project.values():
                self._ring(instance)

    def _ring(self, instance: Instance) -> None:
        if instance.bell:
            instance.bell.set()
            instance.bell = None
