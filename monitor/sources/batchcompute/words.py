"""The service's words for states, and what they mean in ours. No other file compares a native word.

Jobs, tasks and instances share the five; the service's own tools take them in any case.
"""

from monitor.core.model import Phase
from monitor.sources.unknown import UnknownWords

WAITING, RUNNING = "Waiting", "Running"
FINISHED, FAILED, STOPPED = "Finished", "Failed", "Stopped"
LIVE = (WAITING, RUNNING)  # in the order in which a job passes through them
OVER = (FAILED, STOPPED, FINISHED)  # what matters most first: of the last there are most
RELEASED = "AutoRelease"  # not a state: the key of a description under which a job is deleted once it has succeeded

_PHASES = {
    WAITING: Phase.WAITING,
    RUNNING: Phase.RUNNING,
    FINISHED: Phase.SUCCEEDED,
    FAILED: Phase.FAILED,
    STOPPED: Phase.CANCELLED,
}
_IN_ANY_CASE = {word.lower(): phase for word, phase in _PHASES.items()}


class Vocabulary:
    """Reads states; one that is not known is said once in the log, and then only kept as text."""

    def __init__(self, source: str) -> None:
        self._unknown = UnknownWords(source)

    def phase(self, of: str, word: str) -> Phase | None:
        """What it means of a job, task or instance, or None of a word that is not known."""
        phase = _PHASES.get(word)
        if phase is None and word:
            phase = _IN_ANY_CASE.get(word.lower())
            if phase is None:
                self._unknown.note(of, word)
        return phase
