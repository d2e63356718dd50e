"""Why a job failed: its tasks that failed, the first of their instances that did, and what its program said last."""

import re
from collections.abc import Sequence

from msgspec.structs import replace

from monitor.core.model import Category, Failure, InstanceKey, Phase
from monitor.core.text import MARK, clip
from monitor.sources.base import Priority, SourceError
from monitor.sources.batchcompute.documents import InstanceRow, JobRow, Metrics, Result, TaskRow
from monitor.sources.batchcompute.instances import Instances
from monitor.sources.batchcompute.objects import Objects
from monitor.sources.batchcompute.observations import LONGEST_NAME
from monitor.sources.batchcompute.words import Vocabulary
from monitor.sources.refusing import FINAL

_LONGEST_LINE = 1_000
_LONGEST_DETAIL = 4_000
_MOST_TASKS = 3  # whose instances are asked for the reason, one task after the other until one is found

_NOTHING, _NO_RESULT = Metrics(), Result()

# Who has to act: the first pattern that is found. The service publishes no list of codes, so words have to do.
_SAID_BY_PROGRAM = (
    (re.compile(r"out of memory|MemoryError|OutOfMemory|No space left|Cannot allocate memory"), Category.RESOURCES),
    (re.compile(r"Permission denied|PermissionError|AccessDenied"), Category.PERMISSION),
)
_SAID_BY_SERVICE = (
    (re.compile(r"time.?(d.?)?out|quota|out.?of.?memory|\bOOM|disk.*full|no space", re.IGNORECASE), Category.RESOURCES),
    (re.compile(r"access.?denied|forbidden|permission|not.?authorized", re.IGNORECASE), Category.PERMISSION),
    (re.compile(r"NoSuchKey|NoSuchBucket|InputMapping|OutputMapping", re.IGNORECASE), Category.DATA),
)
_BLAMES_SERVICE = re.compile(r"internal|service.?unavailable|cluster|\bnode\b|\bVM\b", re.IGNORECASE)
_KILLED = frozenset({137, -9})  # by the system, which does that when memory runs out


class Failures:
    """Explains the failures of one source's jobs."""

    def __init__(self, *, instances: Instances, objects: Objects | None, words: Vocabulary) -> None:
        self._instances = instances
        self._objects = objects
        self._words = words

    async def explain(self, key: InstanceKey, row: JobRow, tasks: Sequence[TaskRow], priority: Priority) -> Failure:
        """The reason as far as the service has one. Raises SourceError where it may have, and does not answer."""
        failed = sorted(filter(self._has_failed, tasks), key=_end)
        task, instance, unread = failed[0].task_name if failed else "", None, ""
        for suspect in failed[:_MOST_TASKS]:
            try:
                rows = await self._instances.failed(key, suspect.task_name, priority)
            except SourceError as error:
                if error.reason not in FINAL:
                    raise
                unread = str(error)
                continue
            if rows:
                task, instance = suspect.task_name, await self._with_detail(min(rows, key=_end), priority)
                break
        more = _failed_instances(row, tasks) - 1
        return _told(task, row, instance, more, unread)

    async def _with_detail(self, instance: InstanceRow, priority: Priority) -> InstanceRow:
        """With the end of its stderr, where the service does not tell it and we know where it is kept."""
        result = instance.result or _NO_RESULT
        place = instance.stderr_redirect_path
        if self._objects is None or not place or (result.detail and result.detail.strip()):
            return instance
        try:
            detail = await self._objects.end_of(place, priority)
        except SourceError:
            return instance  # the failure is told without it: no alert waits for a log
        return replace(instance, result=replace(result, detail=detail))

    def _has_failed(self, task: TaskRow) -> bool:
        metrics = task.instance_metrics or _NOTHING
        return metrics.failed_count > 0 or self._words.phase("task", task.state) is Phase.FAILED


def end_of(text: str, limit: int) -> str:
    """The last `limit` characters: a program says last why it gave up."""
    text = text.strip()
    return text if len(text) <= limit else MARK + text[len(MARK) - limit :]


def describe(instance: InstanceRow) -> str:
    """One line of how an instance ended."""
    result = instance.result or _NO_RESULT
    said = " ".join((result.error_message or "").split())
    line = f"instance {instance.instance_id}"
    means = result.exit_code or not result.error_code  # what never ran, or ran too long, has no exit code but this 0
    if result.exit_code is not None and means and f"exit code {result.exit_code}" not in said:
        line += f": exit code {result.exit_code}"
    line += f": {said}" if said else ""
    if instance.retry_count:
        line += f" (after {instance.retry_count} {'retry' if instance.retry_count == 1 else 'retries'})"
    return clip(line, _LONGEST_LINE)


def _told(task: str, row: JobRow, instance: InstanceRow | None, more: int, unread: str) -> Failure:
    said = clip(" ".join((row.message or "").split()), _LONGEST_LINE)
    lines = []
    result = _NO_RESULT
    if instance is not None:
        result = instance.result or _NO_RESULT
        lines.append(describe(instance))
        lines.append(end_of(result.detail or "", _LONGEST_DETAIL))
        if more > 0:
            lines.append(f"and {more} more {'instance' if more == 1 else 'instances'} failed")
    told = result.error_message or result.error_code
    if not (told and told in said):  # what it says of the same instance is no news
        lines.append(said)
    if unread and instance is None:
        lines.append(f"its failed instances could not be read: {unread}")
    return Failure(
        task=clip(task, LONGEST_NAME),
        code=clip(result.error_code or "", LONGEST_NAME),
        message="\n".join(filter(None, lines)) or "the service left no text about this failure",
        category=_category(result, said),
    )


def _category(result: Result, said: str) -> Category:
    by_service = f"{result.error_code or ''} {result.error_message or ''}".strip() or said
    for text, patterns in ((result.detail or "", _SAID_BY_PROGRAM), (by_service, _SAID_BY_SERVICE)):
        for pattern, category in patterns:
            if pattern.search(text):
                return category
    if result.exit_code in _KILLED:
        return Category.RESOURCES
    if result.exit_code:
        return Category.CODE
    return Category.SYSTEM if _BLAMES_SERVICE.search(by_service) else Category.UNKNOWN


def _failed_instances(row: JobRow, tasks: Sequence[TaskRow]) -> int:
    if row.instance_metrics is not None:
        return row.instance_metrics.failed_count
    return sum((task.instance_metrics or _NOTHING).failed_count for task in tasks)


def _end(row: TaskRow | InstanceRow) -> tuple[bool, str]:
    """By when it ended, as the service writes it; what has no end comes last."""
    return not row.end_time, row.end_time or ""
