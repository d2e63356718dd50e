"""Makes observations of lines: what a batch of them tells, about which instances."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from monitor.core.events import Seen
from monitor.core.model import TERMINAL, InstanceKey, Phase, Task
from monitor.sources.base import Heard
from monitor.sources.ingest.lines import TASK, Told, read_line
from monitor.sources.ingest.section import IngestSection

_NATIVE = {Phase.WAITING: "Job Queueing...", Phase.SUCCEEDED: "OK", Phase.FAILED: "FAILED", Phase.CANCELLED: "FAILED"}


class LineIntake:
    """Takes what MaxCompute's command line and pyodps print."""

    kind = "maxcompute"

    def __init__(self, section: IngestSection) -> None:
        self.name = section.name
        self.projects = section.projects
        self.silent_after = section.silent_after

    def read(self, lines: Sequence[str], *, project: str, instance: str | None, at: datetime) -> Heard:
        """What they tell. They are about `instance`, and from a line on that names another one, about that."""
        seen: list[Seen] = []
        telling = unclaimed = malformed = 0
        for line in lines:
            told = read_line(line)
            if told is None:
                continue
            telling += 1
            malformed += told.malformed
            instance = told.instance or instance
            if instance is None:
                unclaimed += 1
            else:
                seen.append(self._seen(told, InstanceKey(self.name, project, instance), at))
        return Heard(
            key=None if instance is None else InstanceKey(self.name, project, instance),
            seen=condensed(seen),
            telling=telling,
            unclaimed=unclaimed,
            malformed=malformed,
        )

    def _seen(self, told: Told, key: InstanceKey, at: datetime) -> Seen:
        # When it was made, began or ended is what a line tells by coming, as long as lines come as they are printed.
        return Seen(
            key=key,
            at=at,
            kind=self.kind,
            phase=told.phase,
            native_status=_NATIVE.get(told.phase, "Running") if told.phase else "",
            started_at=at if told.phase is Phase.RUNNING else None,
            tasks=None if told.stages is None else (Task(name=TASK, stages=told.stages),),
            stages_read=told.stages is not None,
            failure=told.failure,
            ended=told.phase in TERMINAL,
        )


def condensed(seen: Iterable[Seen]) -> tuple[Seen, ...]:
    """As few observations as say the same: of each instance how it stands by the last word, and each end that was told.

    What is sent a second time, because nobody heard that it had arrived, then says nothing new: no stage finishes again
    and nothing runs that has ended.
    """
    said: list[Seen] = []
    live: dict[InstanceKey, int] = {}  # where in `said`
    ends: dict[InstanceKey, set[Phase]] = {}
    for got in seen:
        told = ends.get(got.key)
        if got.phase is not None and got.phase in TERMINAL:
            if told is None or got.phase not in told:
                ends.setdefault(got.key, set()).add(got.phase)
                said.append(got)
        elif told is not None:
            continue
        elif got.key in live:
            said[live[got.key]] = _updated(said[live[got.key]], got)
        else:
            live[got.key] = len(said)
            said.append(got)
    return tuple(said)


def _updated(known: Seen, got: Seen) -> Seen:
    return replace(
        got,
        phase=got.phase or known.phase,
        native_status=got.native_status or known.native_status,
        started_at=known.started_at or got.started_at,
        tasks=known.tasks if got.tasks is None else got.tasks,
        stages_read=known.stages_read or got.stages_read,
    )
