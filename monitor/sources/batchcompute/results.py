"""What instances left behind, as text for people: how each ended, and where its output is.

The service keeps no output and has no page about a job: stdout and stderr are objects in the account's own buckets.
"""

from collections.abc import Sequence

from monitor.core.model import InstanceKey
from monitor.sources.base import NotOfferedError, Priority
from monitor.sources.batchcompute.documents import InstanceRow, TaskRow
from monitor.sources.batchcompute.failures import describe, end_of
from monitor.sources.batchcompute.instances import Instances
from monitor.sources.batchcompute.tasks import Tasks

_MOST_INSTANCES = 1_000  # of a task
_MOST_PLACES = 5
_LONGEST_DETAIL = 1_000


class Results:
    """Reads what one source's jobs left behind."""

    def __init__(self, source: str, *, tasks: Tasks, instances: Instances) -> None:
        self._source = source
        self._tasks = tasks
        self._instances = instances

    async def texts(self, key: InstanceKey) -> dict[str, str]:
        """One text for each task, a few lines for each instance."""
        texts = {}
        for task in await self._tasks.read(key, Priority.WATCHED):
            rows = await self._instances.some(key, task.task_name, _MOST_INSTANCES, Priority.WATCHED)
            lines = [_text(row) for row in rows[:_MOST_INSTANCES]]
            total = task.instance_metrics.total if task.instance_metrics is not None else len(rows)
            if more := max(0, total - len(lines)):
                lines.append(f"and {more} more {'instance' if more == 1 else 'instances'}")
            texts[task.task_name] = "\n".join(lines)
        return texts

    async def refuse_page(self, key: InstanceKey) -> NotOfferedError:
        """With the places where the output is: of instances that failed, or else of the first ones."""
        failed: list[str] = []
        others: list[str] = []
        for task in await self._tasks.read(key, Priority.WATCHED):
            if len(failed) >= _MOST_PLACES:
                break
            has_failed = task.instance_metrics is not None and task.instance_metrics.failed_count > 0
            if has_failed:
                failed += _places(task, await self._instances.failed(key, task.task_name, Priority.WATCHED))
            elif not failed and len(others) < _MOST_PLACES:
                others += _places(task, await self._instances.some(key, task.task_name, 1, Priority.WATCHED))
        places = "; ".join((failed or others)[:_MOST_PLACES]) or "no instance has any yet"
        text = f"{self._source}: Batch Compute has no page about a job; its output is in OSS: {places}"
        return NotOfferedError(text)


def _text(row: InstanceRow) -> str:
    lines = [f"{describe(row)} - {row.state or 'state unknown'}"]
    if row.result is not None and row.result.error_code:
        lines.append(f"  error: {row.result.error_code}")
    if row.result is not None and row.result.detail:
        lines += (f"  | {line}" for line in end_of(row.result.detail, _LONGEST_DETAIL).splitlines())
    lines += (f"  {name}: {path}" for name, path in _paths(row))
    return "\n".join(lines)


def _places(task: TaskRow, rows: Sequence[InstanceRow]) -> list[str]:
    return [
        f"instance {row.instance_id} of {task.task_name}: " + ", ".join(f"{name} {path}" for name, path in paths)
        for row in rows
        if (paths := _paths(row))
    ]


def _paths(row: InstanceRow) -> list[tuple[str, str]]:
    both = (("stdout", row.stdout_redirect_path), ("stderr", row.stderr_redirect_path))
    return [(name, path) for name, path in both if path]
