"""Instances come and go: what stays in memory is what is kept, not what has been.

In this process, on a clock that jumps; `memory.py` beside it does the same with the real daemon.
"""

import gc
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import anyio
import pytest
from trio.testing import MockClock

from monitor.core.alerting import Trigger
from monitor.core.events import Gone, Seen
from monitor.core.model import InstanceKey, Phase
from monitor.core.retention import Retention
from monitor.core.schedule import Pace
from monitor.engine.upkeep import keep_compact
from monitor.sources.base import Detail, Page, Priority
from tests.e2e.size import sized
from tests.engine.line import Line, running_line
from tests.engine.scripted import ScriptedNotifier, ScriptedSource, key, moment, now, rules

PER_SECOND = 40
LASTS = 15.0  # seconds: one sweep or two see it
FIRST, LAST = sized((6_000, 15_000), (20_000, 200_000))  # the first fill what remembers a fixed number
KEPT = timedelta(seconds=40)


class Passing(ScriptedSource):
    """A service whose instances are all alike and follow from the time: number n begins at n / PER_SECOND and lasts
    LASTS seconds; one in fifty fails. It remembers nothing, so that only the line's memory is measured."""

    def _began(self, number: int) -> float:
        return number / PER_SECOND

    def _seen(self, number: int) -> Seen:
        at = anyio.current_time()
        over = at >= self._began(number) + LASTS
        phase = (Phase.FAILED if number % 50 == 0 else Phase.SUCCEEDED) if over else Phase.RUNNING
        return Seen(
            key=key(f"i{number}"),
            at=now(),
            kind=self.kind,
            phase=phase,
            ended=over,
            created_at=moment(self._began(number)),
            ended_at=moment(self._began(number) + LASTS) if over else None,
        )

    async def _pages(self, first: float, last: float) -> AsyncIterator[Page]:
        numbers = range(max(0, int(first * PER_SECOND) + 1), int(last * PER_SECOND) + 1)
        yield Page(now(), tuple(f"i{number}" for number in numbers), tuple(map(self._seen, numbers)))

    def sweep(self, project: str) -> AsyncIterator[Page]:  # noqa: ARG002 - there is one
        at = anyio.current_time()
        return self._pages(at - LASTS, at)

    def ended(self, project: str, since: datetime) -> AsyncIterator[Page]:  # noqa: ARG002 - there is one
        first = (since - moment(0)).total_seconds() - LASTS
        return self._pages(first, anyio.current_time() - LASTS)

    async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:  # noqa: ARG002 - it has no details
        return self._seen(int(key.id.removeprefix("i")))


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, MockClock]]:
    return "trio", {"clock": MockClock(autojump_threshold=0)}


def forget_the_record(line: Line, channel: ScriptedNotifier) -> None:
    """The test's own notes are not what is measured."""
    for notes in (line.observed, line.batches, line.records, line.reports, channel.taken):
        notes.clear()


@pytest.mark.anyio
@pytest.mark.timeout(sized(120, 1800))
async def test_memory_does_not_grow_with_what_has_been() -> None:
    """After many times as many instances the line holds at most a fifth more than before."""
    channel, passed = ScriptedNotifier(), 0
    held: list[int] = []  # objects, of which each needs memory
    gc.collect()
    before = sys.getallocatedblocks()
    retention = Retention(successes=KEPT, failures=KEPT)
    async with (
        running_line(
            Passing(),
            channels=[channel],
            rules=rules(Trigger.FAILED),
            retention=retention,
            pace=Pace(sweep_every=timedelta(seconds=5), overlap=timedelta(seconds=20), requests_per_second=50),
        ) as line,
        anyio.create_task_group() as group,
    ):
        group.start_soon(keep_compact, line.storage, retention, now)
        for upto in (FIRST, LAST):
            while anyio.current_time() < upto / PER_SECOND:
                await anyio.sleep(10)
                passed += len(channel.taken)
                forget_the_record(line, channel)
            gc.collect()
            held.append(sys.getallocatedblocks() - before)
            assert len(line.board) < FIRST * 2
        group.cancel_scope.cancel()
    print(f"objects held after {FIRST}: {held[0]}, after {LAST}: {held[1]}; {passed} alerts")
    assert passed >= LAST / 50 * 0.9
    assert held[1] <= held[0] * 1.2
