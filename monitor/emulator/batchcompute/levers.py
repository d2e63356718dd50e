"""Levers for tests and demos: jobs made to a plan, and jobs that vanish as if the service had lost them."""

import asyncio
from collections.abc import Sequence
from math import inf
from typing import Literal, TypeAlias

import msgspec

from monitor.emulator.batchcompute.book import Job
from monitor.emulator.batchcompute.plan import Flaws, Part
from monitor.emulator.batchcompute.planned import Recipe
from monitor.emulator.batchcompute.service import BatchCompute
from monitor.emulator.batchcompute.views import State
from monitor.emulator.batchcompute.wire import owner_of
from monitor.emulator.errors import ServiceError

MAX_COUNT = 50_000
_A_TURN = 50  # jobs created before others have their turn
OutcomeWord: TypeAlias = Literal["finished", "failed", "stopped"]


class NewJobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST jobs`: how many planned jobs, and what becomes of them.

    Each has `tasks` tasks of `instances` instances: one alone, or one that splits the work, others that do it side by
    side, and one that merges. Times are emulated seconds: `wait` until the job begins, `seconds` from there to its
    `outcome`. Of the second task (the only one, if there is one) the last `failed` instances fail, after `retries`
    re-runs each; by default one if the job fails, else none. `fail_on_instance` follows from that if it is not given.
    `again` is the outcome after a restart.
    """

    count: int = 1
    name: str = "planned"
    priority: int = 0
    tasks: int = 1
    instances: int = 3
    wait: float = 1.0
    seconds: float = 60.0
    outcome: OutcomeWord = "finished"
    again: OutcomeWord = "finished"
    failed: int | None = None
    retries: int = 0
    message: str = ""
    auto_release: bool = False
    fail_on_instance: bool | None = None

    def __post_init__(self) -> None:
        if not 0 < self.count <= MAX_COUNT:
            raise ValueError(f"count must be between 1 and {MAX_COUNT}, not {self.count}")
        if not 0 < self.tasks <= 100 or not 0 < self.instances <= 10_000:
            raise ValueError("tasks must be between 1 and 100, instances between 1 and 10000")
        if not 0 <= self.wait < inf or not 0 < self.seconds < inf:
            raise ValueError("wait must be 0 or more, seconds above 0")
        if not 0 <= (self.failed or 0) <= self.instances or not 0 <= self.retries <= 1000:
            raise ValueError("failed must be between 0 and instances, retries between 0 and 1000")
        if not 0 <= self.priority <= 1000:
            raise ValueError("priority must be between 0 and 1000")
        fails = "failed" in (self.outcome, self.again)
        if fails and (self.failed == 0 or self.fail_on_instance is False):
            raise ValueError("outcome failed needs a failed instance, and fail_on_instance not to be false")
        if self.failed and not fails and self.fail_on_instance:
            raise ValueError("failed instances fail the job if fail_on_instance is true: say outcome failed")

    def recipe(self) -> Recipe:
        """What the service is to plan."""
        parts = lay_parts(self.tasks, self.instances)
        fails = "failed" in (self.outcome, self.again)
        failing = (1 if fails else 0) if self.failed is None else self.failed
        return Recipe(
            name=self.name,
            parts=parts,
            wait=self.wait,
            seconds=self.seconds,
            outcome=State(self.outcome.capitalize()),
            again=State(self.again.capitalize()),
            flaws=Flaws(parts[min(1, self.tasks - 1)].name, failing, self.retries) if failing or self.retries else None,
            fail_on_instance=(fails or not failing) if self.fail_on_instance is None else self.fail_on_instance,
            auto_release=self.auto_release,
            message=self.message,
        )


def lay_parts(tasks: int, instances: int) -> Sequence[Part]:
    """That many tasks: split, then some side by side of which the first is done soonest, then merge."""
    if tasks == 1:
        return (Part("count", (), instances),)
    split = Part("split", (), instances)
    if tasks == 2:
        return (split, Part("count", ("split",), instances))
    middle = [Part(f"count-{n}", ("split",), instances, 2.0 if n == 1 else 2.5) for n in range(1, tasks - 1)]
    return (split, *middle, Part("merge", tuple(part.name for part in middle), instances))


class Levers:
    """What tests and demos can do to one service without asking it."""

    def __init__(self, service: BatchCompute) -> None:
        self._service = service

    async def create(self, wanted: NewJobs) -> list[str]:
        """Planned jobs; gives their ids."""
        recipe, ids = wanted.recipe(), []
        for number in range(1, wanted.count + 1):
            ids.append(self._service.plan(owner_of("emulator"), recipe, wanted.priority))
            if number % _A_TURN == 0:
                await asyncio.sleep(0)
        return ids

    def hide(self, id_: str) -> None:
        """Makes the service deny that it knows the job. Raises ServiceError if it never did."""
        self._job(id_).hidden = True

    def show(self, id_: str) -> None:
        """Lets a hidden job come back. Raises ServiceError if the service never knew it."""
        self._job(id_).hidden = False

    def _job(self, id_: str) -> Job:
        job = self._service.book.find(id_)
        if job is None:
            raise ServiceError(404, "not_found", f"no job '{id_}'")
        return job
