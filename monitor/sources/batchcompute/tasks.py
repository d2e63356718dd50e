"""The tasks of jobs: asked for where a job has several, and not again until its row has changed."""

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from monitor.core.model import InstanceKey
from monitor.sources.base import Priority
from monitor.sources.batchcompute.api import Api
from monitor.sources.batchcompute.calls import Calls
from monitor.sources.batchcompute.documents import JobRow, Listing, Plan, TaskRow, page_reader
from monitor.sources.batchcompute.recent import Recent
from monitor.sources.http import Reply

_REMEMBERED = 200_000  # jobs and tasks together

_read_page = page_reader(TaskRow)


class _Looked(Struct, frozen=True, gc=False):
    """The tasks of a job, and its row when they were read."""

    row: JobRow
    tasks: tuple[TaskRow, ...]


def only_task(row: JobRow, plan: Plan | None) -> TaskRow | None:
    """The one task of a job that has one: it stands as its job does. None of others, and where that is not known."""
    if plan is None or len(plan.tasks) != 1 or row.instance_metrics is None:
        return None
    return TaskRow(
        task_name=plan.tasks[0].name,
        state=row.state,
        start_time=row.start_time,
        end_time=row.end_time,
        instance_metrics=row.instance_metrics,
    )


class Tasks:
    """Reads the tasks of one source's jobs."""

    def __init__(self, *, api: Api, calls: Calls) -> None:
        self._api = api
        self._calls = calls
        self._looked: Recent[_Looked] = Recent(_REMEMBERED)

    async def of(self, key: InstanceKey, row: JobRow, plan: Plan, priority: Priority) -> Sequence[TaskRow]:
        """As they are when the job's row is this one."""
        if (only := only_task(row, plan)) is not None:
            return (only,)
        looked = self._looked.get(key.id)
        if looked is None or looked.row != row:
            looked = _Looked(row, await self.read(key, priority))
            self._looked.put(key.id, looked, 1 + len(looked.tasks))
        return looked.tasks

    async def read(self, key: InstanceKey, priority: Priority) -> tuple[TaskRow, ...]:
        """As they are now."""
        tasks: dict[str, TaskRow] = {}  # a page may repeat what was on the one before
        async for page in self._api.walk(partial(self._calls.tasks, key), priority, _read):
            tasks.update((task.task_name, task) for task in page.rows)
        return tuple(tasks.values())

    def forget(self, job: str) -> None:
        """It is over."""
        self._looked.forget(job)


def _read(reply: Reply) -> Listing[TaskRow]:
    listing = _read_page(reply.body)
    reply.skipped = listing.skipped
    return listing
