"""Instances are read where it matters, and as few as possible."""

import msgspec
import pytest

from monitor.sources.base import Priority
from monitor.sources.batchcompute.documents import JobRow, Plan, PlannedTask, TaskRow
from monitor.sources.batchcompute.driver import BatchComputeSource
from monitor.sources.batchcompute.instances import Instances
from monitor.sources.batchcompute.words import Vocabulary
from tests.sources.batchcompute.jobs import KEY, instance, job, page, task, watching
from tests.sources.scripted import serving

PLAN = Plan((PlannedTask("count", 3, retries=2), PlannedTask("merge", 1)))


def instances(source: BatchComputeSource) -> Instances:
    """A reader behind the source's own requests."""
    return Instances(api=source._api, calls=source._calls, words=Vocabulary("render"))


def row(start: str = "2025-01-24T07:30:01.000001Z") -> JobRow:
    """A job's row."""
    return msgspec.convert(job("Running", StartTime=start), JobRow)


def counts(*told: int, name: str = "count") -> TaskRow:
    """A task's row."""
    return msgspec.convert(task(name, "Running", told), TaskRow)


@pytest.mark.asyncio
async def test_those_that_failed() -> None:
    """The service is asked for them alone, the first page that has any will do, and its filter is not relied on."""
    async with serving() as service, watching(service) as source:
        service.on("Marker&", page(instance(0, "Finished"), instance(1, "Running"), marker="2"))
        service.on("Marker=2&", page(instance(2, "Failed"), instance(3, "Finished"), marker="4"))
        failed = await instances(source).failed(KEY, "count", Priority.OUTCOME)
    assert [one.instance_id for one in failed] == [2]
    assert [asked.target.endswith("State=Failed") for asked in service.asked] == [True, True]


@pytest.mark.asyncio
async def test_none_that_failed() -> None:
    """An empty listing is an answer."""
    async with serving() as service, watching(service) as source:
        service.on("/instances", page(marker=0))
        assert await instances(source).failed(KEY, "count", Priority.OUTCOME) == ()


@pytest.mark.asyncio
async def test_some_of_many() -> None:
    """Pages are read until there are enough; a number may lead to the next one."""
    async with serving() as service, watching(service) as source:
        service.on("Marker&", page(instance(0, "Finished"), instance(1, "Running"), marker=1))
        service.on("Marker=1&", page(instance(1, "Finished"), instance(2, "Running"), marker=3))
        some = await instances(source).some(KEY, "count", 3, Priority.OUTCOME)
    assert [(one.instance_id, one.state) for one in some] == [(0, "Finished"), (1, "Finished"), (2, "Running")]
    assert len(service.asked) == 2


@pytest.mark.asyncio
async def test_retries_are_counted_when_a_task_moves() -> None:
    """Of tasks that may be run again and have begun; not again before their counters change; and not of another run."""
    async with serving() as service, watching(service) as source:
        service.on("/instances", page(instance(0, "Running", retries=2), instance(1, "Finished", retries=1)))
        reader = instances(source)

        async def count(*told: int, ended: bool = False, at: JobRow = row()) -> dict[str, int]:  # noqa: B008
            tasks = (counts(*told), counts(0, 1, name="merge"))
            await reader.count_retries(KEY, at, tasks, PLAN, Priority.WATCHED, ended=ended)
            return reader.retries(at)

        assert await count(3) == {}
        assert service.asked == []
        assert await count(1, 2) == {"count": 3}
        assert await count(1, 2) == {"count": 3}
        assert len(service.asked) == 1
        assert await count(0, 2, 1) == {"count": 3}
        assert len(service.asked) == 2
        assert await count(0, 0, 3, ended=True) == {"count": 3}
        assert len(service.asked) == 3
        assert reader.retries(row("2025-01-24T09:00:00.000001Z")) == {}
        reader.forget(KEY.id)
        assert reader.retries(row()) == {}


@pytest.mark.asyncio
async def test_a_task_of_many_thousands_is_counted_at_the_end_only() -> None:
    """While somebody looks every other second, a hundred pages each time would be too much."""
    async with serving() as service, watching(service) as source:
        service.on("/instances", page(instance(0, "Running", retries=2)))
        reader = instances(source)
        await reader.count_retries(KEY, row(), [counts(0, 5_000)], PLAN, Priority.WATCHED, ended=False)
        assert service.asked == []
        await reader.count_retries(KEY, row(), [counts(0, 0, 5_000)], PLAN, Priority.OUTCOME, ended=True)
        assert reader.retries(row()) == {"count": 2}
        await reader.count_retries(KEY, row(), [counts(0, 0, 50_000)], PLAN, Priority.OUTCOME, ended=True)
    assert len(service.asked) == 1
