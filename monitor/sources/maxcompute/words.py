"""The service's words, and what they mean in ours. No other file compares a native word.

The instance says only `Running`, `Suspended` or `Terminated`; how it ended is known from its tasks alone.
"""

from collections.abc import Sequence

from monitor.core.model import Phase
from monitor.sources.unknown import UnknownWords

RUNNING = "running"
SUSPENDED = "suspended"
TERMINATED = "terminated"
_INSTANCE = frozenset({RUNNING, SUSPENDED, TERMINATED})

_TASK = {
    "waiting": Phase.WAITING,
    "running": Phase.RUNNING,
    "suspended": Phase.SUSPENDED,
    "success": Phase.SUCCEEDED,
    "failed": Phase.FAILED,
    "cancelled": Phase.CANCELLED,
    "canceled": Phase.CANCELLED,
}

_STAGE = frozenset({"READY", "WAITING", "RUNNING", "SUSPENDED", "FAILED", "TERMINATED", "CANCELLED", "CANCELLING"})


def stage_status(word: str) -> str | None:
    """The status word of a stage in capitals, or None of a word that stages do not have."""
    word = word.upper()
    return word if word in _STAGE else None


def decide(status: str, tasks: Sequence[Phase | None]) -> Phase | None:
    """The phase of an instance from its status word and its tasks' phases; None where they do not tell.

    While the service calls it running, a failed task is not the end: the other tasks go on, and so does a listing
    that says so. Without tasks nothing is known: they appear some time after the submission.
    """
    if not tasks:
        return Phase.SUSPENDED if status == SUSPENDED else None
    if status == RUNNING:
        return Phase.WAITING if all(phase is Phase.WAITING for phase in tasks) else Phase.RUNNING
    if status == SUSPENDED:
        return Phase.SUSPENDED
    if Phase.FAILED in tasks:
        return Phase.FAILED
    if Phase.CANCELLED in tasks:
        return Phase.CANCELLED
    if status == TERMINATED and all(phase is Phase.SUCCEEDED for phase in tasks):
        return Phase.SUCCEEDED
    return None


class Vocabulary:
    """Reads status words; one that is not known is said once in the log, and then only kept as text."""

    def __init__(self, source: str) -> None:
        self._unknown = UnknownWords(source)

    def instance(self, word: str) -> str:
        """The word in lower case."""
        word = word.lower()
        if word not in _INSTANCE and word:
            self._unknown.note("instance", word)
        return word

    def task(self, word: str) -> Phase | None:
        """The phase of a task, or None of a word that is not known."""
        phase = _TASK.get(word.lower())
        if phase is None and word:
            self._unknown.note("task", word)
        return phase
