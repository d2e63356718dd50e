"""When tasks are asked for, and when not."""

import msgspec
import pytest

from monitor.sources.base import Priority
from monitor.sources.batchcompute.documents import JobRow, Plan, PlannedTask
from monitor.sources.batchcompute.tasks import Tasks, only_task
from tests.sources.batchcompute.jobs import KEY, Answer, job, page, task, watching
from tests.sources.scripted import serving

ONE, TWO = Plan((PlannedTask("count", 2),)), Plan((PlannedTask("split"), PlannedTask("count")))


def row(state: str = "Running", running: int = 2) -> JobRow:
    """A job's row."""
    return msgspec.convert(job(state, (0, running)), JobRow)


def test_the_only_task_stands_as_its_job() -> None:
    """With its name from the plan; there is none where the plan has several, or none, or is not known."""
    task_row = only_task(row(), ONE)
    assert task_row is not None
    assert (task_row.task_name, task_row.state, task_row.instance_metrics) == (
        "count",
        "Running",
        row().instance_metrics,
    )
    assert only_task(row(), TWO) is None
    assert only_task(row(), Plan()) is None
    assert only_task(row(), None) is None
    assert only_task(msgspec.convert(job("Running", InstanceMetrics=None), JobRow), ONE) is None


@pytest.mark.asyncio
async def test_tasks_are_asked_for_when_the_job_has_changed() -> None:
    """Once for a row, again for the next, and again after they were forgotten; never for a job with one task."""
    async with serving() as service, watching(service) as source:
        service.on("/tasks?", page(task("split", "Finished"), task("count", "Running")))
        tasks = Tasks(api=source._api, calls=source._calls)
        assert [one.task_name for one in await tasks.of(KEY, row(), ONE, Priority.WATCHED)] == ["count"]
        assert service.asked == []
        for _ in range(3):
            assert len(await tasks.of(KEY, row(), TWO, Priority.WATCHED)) == 2
        assert len(service.asked) == 1
        await tasks.of(KEY, row(running=1), TWO, Priority.WATCHED)
        assert len(service.asked) == 2
        tasks.forget(KEY.id)
        await tasks.of(KEY, row(running=1), TWO, Priority.WATCHED)
    assert len(service.asked) == 3


@pytest.mark.asyncio
async def test_pages_of_tasks() -> None:
    """To the last one; what stands on two pages is there once, as it was told last."""
    first: Answer = page(task("a", "Waiting"), task("b", "Waiting"), marker="b")
    async with serving() as service, watching(service) as source:
        service.on("/tasks?Marker&", first)
        service.on("/tasks?Marker=b&", page(task("b", "Running"), task("c", "Waiting")))
        rows = await Tasks(api=source._api, calls=source._calls).read(KEY, Priority.WATCHED)
    assert [(one.task_name, one.state) for one in rows] == [("a", "Waiting"), ("b", "Running"), ("c", "Waiting")]
