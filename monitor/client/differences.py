"""What must have happened between two looks at the same instances."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from monitor.client.feed import Event, Snapshot
from monitor.client.model import Instance
from monitor.core.model import Phase


def inferred(before: Mapping[str, Instance], now: Snapshot) -> Iterator[Event]:
    """What must have happened to those that the snapshot shows."""
    for one in now.instances:
        yield from changes(before.get(one.key), one, now.seq)


def changes(old: Instance | None, new: Instance, seq: int) -> Iterator[Event]:
    """The events between two states of one instance, as far as states can tell."""

    def event(kind: str, **details: object) -> Event:
        return Event(kind=kind, at=_when(new), seq=seq, key=new.key, instance=new, details=details, inferred=True)

    if old is None:
        yield event("discovered")
    if old is None or (old.phase, old.attempt) != (new.phase, new.attempt):
        before = old.phase if old else None
        if new.phase is Phase.LOST:
            yield event("lost", **{"from": before, "to": new.phase})
        else:
            yield event("phase", **{"from": before, "to": new.phase, "attempt": new.attempt})
    elif (old.progress, old.tasks, old.failure) != (new.progress, new.tasks, new.failure):
        yield event("progress", progress=new.progress)
    known = frozenset(old.verdicts if old else ())
    for verdict in sorted(known ^ frozenset(new.verdicts)):
        yield event("verdict", verdict=verdict, raised=verdict not in known, evidence="")


def gone(old: Instance, seq: int) -> Event:
    """The daemon does not know it any more."""
    return Event(kind="removed", at=_when(old), seq=seq, key=old.key, instance=None, details={}, inferred=True)


def _when(one: Instance) -> datetime | None:
    """The best that a state tells about when it came to be."""
    known = [at for at in (one.phase_since, one.stages_at, one.ended_at, one.started_at, one.created_at) if at]
    return max(known, default=None)
