"""What is known of workflows (XFlow): which instances are their steps, and how those were when last heard of.

A workflow has no stages and leaves no text: both are those of its steps. What listings and inspections say of a step is
remembered here anyway, so that a workflow as a whole costs one request more than another instance.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from monitor.core.events import Seen
from monitor.core.model import Failure, InstanceKey, Phase, Task
from monitor.core.progress import ratio
from monitor.core.text import clip
from monitor.sources.base import Page
from monitor.sources.maxcompute.documents import Step, TaskRow
from monitor.sources.maxcompute.failures import LONGEST_TEXT

_REMEMBERED = 20_000  # steps, and as many instances that are no workflows

# Tasks that are known to start no instances. What a service calls the task of a workflow is not written anywhere.
_ORDINARY = frozenset(
    {"sql", "sqlcost", "sqlrt", "lot", "cupid", "graph", "merge", "copy", "maxframe", "xlib", "algotask"}
)


class _Known(Struct, gc=False):
    """A step: who started it, and the last that was heard of it."""

    parent: str
    step: Step
    last: Seen | None = None


class Workflows:
    """The workflows of one source. Forgets the oldest steps first; who asks about their workflow tells them again."""

    def __init__(self) -> None:
        self._known: dict[InstanceKey, _Known] = {}
        self._ordinary: dict[InstanceKey, None] = {}

    def may_be(self, key: InstanceKey, rows: Sequence[TaskRow]) -> bool:
        """Whether it is worth asking for its steps."""
        known = self._known.get(key)
        if known is not None and known.step.is_workflow:
            return True
        return key not in self._ordinary and any(row.type.lower() not in _ORDINARY for row in rows)

    def is_none(self, key: InstanceKey) -> None:
        """The service says that this is no workflow."""
        self._ordinary[key] = None
        _shorten(self._ordinary)

    def learn(self, key: InstanceKey, steps: Iterable[Step]) -> None:
        """These are its steps so far."""
        for step in steps:
            child = replace(key, id=step.id)
            known = self._known.get(child)
            if known is None:
                self._known[child] = _Known(key.id, step)
        _shorten(self._known)

    def placed(self, seen: Seen) -> Seen:
        """The same with who started it, as far as that is known."""
        known = self._known.get(seen.key)
        return seen if known is None else replace(seen, parent=known.parent, step=known.step.name)

    def note(self, seen: Seen) -> None:
        """Remember what is said of a step. The last word stays, and what is not said is as it was."""
        known = self._known.get(seen.key)
        if known is None:
            return
        last = known.last
        if last is None:
            known.last = seen
        elif seen.at >= last.at and (seen.phase in _OVER or last.phase not in _OVER):
            known.last = replace(
                seen,
                phase=seen.phase or last.phase,
                progress=last.progress if seen.progress is None else seen.progress,
                tasks=_with_stages(last.tasks, seen.tasks),
                failure=seen.failure or last.failure,
            )

    def read(self, page: Page) -> Page:
        """A page of a listing, which may speak of steps."""
        if not self._known:
            return page
        seen = tuple(map(self.placed, page.seen))
        for one in seen:
            self.note(one)
        return replace(page, seen=seen)

    def last(self, key: InstanceKey) -> Seen | None:
        """The last that was heard of a step."""
        known = self._known.get(key)
        return None if known is None else known.last

    def rolled_up(self, seen: Seen, steps: Sequence[Step]) -> Seen:
        """The workflow with its steps as its tasks, and their mean progress where all of them have been heard of."""
        lasts = [self.last(replace(seen.key, id=step.id)) for step in steps]
        shares = [_progress(last) for last in lasts]
        known = [share for share in shares if share is not None]
        return replace(
            seen,
            children=tuple((step.name, step.id) for step in steps),
            tasks=tuple(map(_task, steps, lasts)) or seen.tasks,
            progress=sum(known) / len(known) if known and len(known) == len(shares) else None,
        )


def step_failure(step: Step, failure: Failure) -> Failure:
    """The failure of a workflow: that of its step, which it names."""
    return replace(failure, task=step.name, message=clip(f"{step.name} ({step.id}): {failure.message}", LONGEST_TEXT))


_OVER = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})


def _task(step: Step, last: Seen | None) -> Task:
    if last is None:
        return Task(step.name)
    tasks = last.tasks or ()
    return Task(
        name=step.name,
        type=tasks[0].type if len(tasks) == 1 else "",
        phase=last.phase,
        started_at=last.started_at,
        ended_at=last.ended_at,
        stages=tuple(stage for task in tasks for stage in task.stages),
    )


def _progress(last: Seen | None) -> float | None:
    """Of a step: what the service says, or what its workers say; nothing yet where neither was told."""
    if last is None or last.phase is None:
        return None
    if last.phase is Phase.SUCCEEDED:
        return 1.0
    said = last.progress
    if said is None:
        said = ratio([stage for task in last.tasks or () for stage in task.stages])
    return min(1.0, max(0.0, said or 0.0))


def _with_stages(known: tuple[Task, ...] | None, said: tuple[Task, ...] | None) -> tuple[Task, ...] | None:
    if not known or not said:
        return said or known
    before = {task.name: task.stages for task in known}
    return tuple(replace(task, stages=task.stages or before.get(task.name, ())) for task in said)


def _shorten(remembered: dict[InstanceKey, _Known] | dict[InstanceKey, None]) -> None:
    while len(remembered) > _REMEMBERED:
        del remembered[next(iter(remembered))]
