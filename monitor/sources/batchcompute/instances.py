"""The instances of tasks, and how often they were run again.

Reading them is what costs most, a request for every hundred: it is done for what failed, and for what may be run again.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial

from msgspec import Struct

from monitor.core.model import InstanceKey, Phase
from monitor.sources.base import Priority
from monitor.sources.batchcompute.api import Api
from monitor.sources.batchcompute.calls import Calls
from monitor.sources.batchcompute.documents import InstanceRow, JobRow, Listing, Metrics, Plan, TaskRow, page_reader
from monitor.sources.batchcompute.recent import Recent
from monitor.sources.batchcompute.words import FAILED, Vocabulary
from monitor.sources.http import Reply

_REMEMBERED = 200_000  # jobs and tasks together
_MOST_COUNTED = 10_000  # instances of a task, at the end
_MOST_WATCHED = 1_000  # and while somebody looks, every few seconds

_read_instances = page_reader(InstanceRow)


class _Counted(Struct, frozen=True):
    """What was counted of a run of a job, by task, and how the task stood then."""

    start_time: str | None
    tasks: Mapping[str, tuple[Metrics, int]]


class Instances:
    """Reads the instances of one source's jobs."""

    def __init__(self, *, api: Api, calls: Calls, words: Vocabulary) -> None:
        self._api = api
        self._calls = calls
        self._words = words
        self._counted: Recent[_Counted] = Recent(_REMEMBERED)

    async def failed(self, key: InstanceKey, task: str, priority: Priority) -> Sequence[InstanceRow]:
        """Some that failed, or none. A filter that the service may not know is not relied on."""
        async with aclosing(self._walk(key, task, priority, FAILED)) as pages:
            async for page in pages:
                failed = [row for row in page.rows if self._words.phase("instance", row.state) is Phase.FAILED]
                if failed:
                    return failed
        return ()

    async def some(self, key: InstanceKey, task: str, most: int, priority: Priority) -> Sequence[InstanceRow]:
        """At least `most` of them if there are so many, in the order of the listing."""
        rows: dict[str, InstanceRow] = {}  # a page may repeat what was on the one before
        async with aclosing(self._walk(key, task, priority)) as pages:
            async for page in pages:
                rows.update((str(row.instance_id), row) for row in page.rows)
                if len(rows) >= most:
                    break
        return tuple(rows.values())

    def retries(self, row: JobRow) -> dict[str, int]:
        """How often instances were run again, by task, as far as that was counted in this run of the job."""
        return {name: retries for name, (_, retries) in self._known(row).items()}

    async def count_retries(
        self, key: InstanceKey, row: JobRow, tasks: Sequence[TaskRow], plan: Plan, priority: Priority, *, ended: bool
    ) -> None:
        """Count them of each task that may be run again and moved since it was counted."""
        known = dict(self._known(row))
        metrics = {task.task_name: task.instance_metrics for task in tasks}
        most = _MOST_COUNTED if ended else _MOST_WATCHED
        for planned in plan.tasks:
            now, before = metrics.get(planned.name), known.get(planned.name)
            begun = now is not None and now.waiting_count < now.total
            if not planned.retries or now is None or not begun or now.total > most or (before and before[0] == now):
                continue
            rows = await self.some(key, planned.name, most, priority)
            known[planned.name] = (now, sum(one.retry_count for one in rows))
            self._counted.put(key.id, _Counted(row.start_time, known), 1 + len(known))

    def forget(self, job: str) -> None:
        """It is over."""
        self._counted.forget(job)

    def _known(self, row: JobRow) -> Mapping[str, tuple[Metrics, int]]:
        counted = self._counted.get(row.id)
        return counted.tasks if counted is not None and counted.start_time == row.start_time else {}

    def _walk(
        self, key: InstanceKey, task: str, priority: Priority, state: str = ""
    ) -> AsyncGenerator[Listing[InstanceRow], None]:
        return self._api.walk(partial(self._calls.instances, key, task, state=state), priority, _read)


def _read(reply: Reply) -> Listing[InstanceRow]:
    listing = _read_instances(reply.body)
    reply.skipped = listing.skipped
    return listing
