"""Parts that a test moves by hand: time, and an executor whose runs end when the test says so."""

import asyncio
from dataclasses import dataclass, field

from monitor.emulator.batchcompute.orders import Ending, Order
from monitor.emulator.clock import Clock

WELL = Ending(0, "", "", "")
BADLY = Ending(3, "ProgramFailed", "exit code 3", "bad input\n")


class Ticks:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def stopped_clock() -> tuple[Clock, Ticks]:
    """A clock and what moves it; both count from the same moment, 2027-01-15T08:00:00Z."""
    ticks = Ticks()
    return Clock(wall=lambda: 1_800_000_000.0 + ticks.at, ticks=ticks), ticks


@dataclass(eq=False)
class Run:
    """One run, in progress or over."""

    order: Order
    end: asyncio.Future[Ending] = field(default_factory=asyncio.Future)
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    gone: bool = False


class HandExecutor:
    """Runs last until the test ends them; killed ones last until `buried` is set, which it is at first."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.begun = asyncio.Condition()
        self.buried = asyncio.Event()
        self.buried.set()

    async def run(self, order: Order) -> Ending:
        """See `Executor`."""
        run = Run(order)
        self.runs.append(run)
        async with self.begun:
            self.begun.notify_all()
        try:
            return await run.end
        except asyncio.CancelledError:
            run.killed.set()
            await self.buried.wait()
            raise
        finally:
            run.gone = True

    async def count(self, number: int) -> list[Run]:
        """Waits until so many runs have begun in all; gives them."""
        async with asyncio.timeout(5), self.begun:
            await self.begun.wait_for(lambda: len(self.runs) >= number)
        return self.runs

    @property
    def alive(self) -> list[tuple[str, int]]:
        """Task and instance of those that go on."""
        return [(run.order.task, run.order.instance) for run in self.runs if not run.gone]
