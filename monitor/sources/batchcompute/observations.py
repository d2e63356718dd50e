"""What the service's rows say in our terms. No I/O here; dates are told by our clock."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from monitor.core.events import Seen
from monitor.core.model import InstanceKey, Phase, Stage, Task
from monitor.core.text import clip
from monitor.sources.batchcompute.documents import JobRow, Metrics, Plan, PlannedTask, TaskRow, Text, read_time
from monitor.sources.batchcompute.words import RELEASED, Vocabulary
from monitor.sources.dates import ServiceClock
from monitor.sources.unknown import LONGEST_WORD

KIND = "batchcompute"
LONGEST_NAME = 256
_NOTHING = Metrics()


class Observer:
    """Makes observations of one source's rows."""

    def __init__(self, *, words: Vocabulary, clock: ServiceClock) -> None:
        self._words = words
        self._clock = clock

    def time(self, text: Text) -> datetime | None:
        """A date of the service's by our clock."""
        return self._clock.ours(read_time(text))

    def phase(self, row: JobRow) -> Phase | None:
        """What its state means, or None of a word that is not known."""
        return self._words.phase("job", row.state)

    def job(self, row: JobRow, phase: Phase | None, key: InstanceKey, at: datetime) -> Seen:
        """How a job stands. `phase` is what its state means."""
        metrics = row.instance_metrics or _NOTHING
        total = metrics.total
        ended = phase is not None and phase.is_terminal
        owner = row.owner_id if row.owner_id is not None else row.owner
        return Seen(
            key=key,
            at=at,
            kind=KIND,
            phase=phase,
            native_status=clip(row.state, LONGEST_WORD),
            name=clip(row.name or "", LONGEST_NAME),
            owner="" if owner is None else clip(str(owner), LONGEST_NAME),
            created_at=self.time(row.creation_time),
            started_at=self.time(row.start_time),
            ended_at=self.time(row.end_time) if ended else None,
            end_text=clip(row.end_time or "", LONGEST_WORD) if ended else "",
            # What was stopped did no work: of a job that failed, this says how far it came.
            progress=(metrics.finished_count + metrics.failed_count) / total if total else None,
            ended=ended,
            failed_workers=metrics.failed_count if row.instance_metrics is not None else None,
            workers=total or None,
            restarts=True,
        )

    def tasks(self, rows: Sequence[TaskRow], plan: Plan, retries: Mapping[str, int]) -> tuple[Task, ...]:
        """The tasks in the order in which they were submitted, each with its one stage."""
        told = {row.task_name: row for row in rows}
        planned = {task.name: task for task in plan.tasks}
        return tuple(
            self._task(name, told.get(name), planned.get(name), retries.get(name, 0)) for name in {**planned, **told}
        )

    def released(self, key: InstanceKey, at: datetime) -> Seen:
        """A job that succeeded and was deleted for that."""
        return Seen(
            key=key,
            at=at,
            kind=KIND,
            phase=Phase.SUCCEEDED,
            native_status=RELEASED,
            ended=True,
            restarts=True,
        )

    def _task(self, name: str, row: TaskRow | None, planned: PlannedTask | None, retries: int) -> Task:
        shown = clip(name, LONGEST_NAME)
        metrics = (row and row.instance_metrics) or _NOTHING
        total = metrics.total or (planned.instances if planned is not None else 0)
        phase = None if row is None else self._words.phase("task", row.state)
        stage = Stage(
            name=shown,
            running=metrics.running_count,
            terminated=metrics.over,
            total=total,
            percent=metrics.over * 100 // total if total else None,
            failed=metrics.failed_count,
            retries=retries,
        )
        return Task(
            name=shown,
            type="DAG",
            phase=phase,
            started_at=self.time(row.start_time) if row is not None else None,
            ended_at=self.time(row.end_time) if row is not None and phase is not None and phase.is_terminal else None,
            stages=(stage,),
            depends_on=tuple(clip(first, LONGEST_NAME) for first in planned.depends_on) if planned is not None else (),
        )
