"""Which events a subscriber must hear of: those about what it sees, what enters its sight, and what leaves it."""

from msgspec.structs import replace

from monitor.core.events import AnyEvent, Lost, PhaseChanged, SourceChanged
from monitor.core.filter import Filter
from monitor.core.model import InstanceKey, Phase
from monitor.storage.base import Record
from monitor.web.frames import After, Subscribe


class Subscription:
    """One client's standing question. `watched` are the instances whose stages are read for its sake."""

    __slots__ = ("_but_phase", "after", "detail", "id", "limit", "wanted", "watched")

    def __init__(self, asked: Subscribe) -> None:
        self.id: str = asked.id
        self.wanted: Filter = asked.wanted
        self.detail: bool = asked.detail
        self.after: After | None = asked.after
        self.limit: int | None = asked.limit
        self.watched: set[InstanceKey] = set()
        self._but_phase = replace(self.wanted, phase=frozenset())

    def concerns(self, record: Record) -> bool:
        """Whether the state before, the state after, or one passed through between them is asked for.

        Where the state before is not told, it counts as asked for: hearing once too often does no harm.
        """
        event, track, wanted = record.event, record.track, self.wanted
        if track is not None:
            return wanted.matches(track) or (
                bool(wanted.phase) and _passed(event, wanted.phase) and self._but_phase.matches(track)
            )
        if isinstance(event, SourceChanged):
            return self._covers(event.source, event.project)
        key = event.key
        if key is None:
            return True  # an alert about a source does not say which in the event: everybody may need to know
        return self._covers(key.source, key.project) and (not wanted.key or str(key) in wanted.key)

    def _covers(self, source: str, project: str) -> bool:
        """Whether instances of this project can be asked for."""
        wanted = self.wanted
        return (
            (not wanted.source or source in wanted.source)
            and (not wanted.project or project in wanted.project)
            and (not wanted.key or any(key.startswith(f"{source}/{project}/") for key in wanted.key))
        )


def _passed(event: AnyEvent, phases: frozenset[Phase]) -> bool:
    match event:
        case PhaseChanged(before=before, after=after):
            return before in phases or after in phases
        case Lost(before=before):
            return before in phases
        case _:
            return False
