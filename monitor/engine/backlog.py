"""What the listings of a project's ended instances brought up and nobody has answered yet.

Rules of this file: pure; the checkpoint never passes a lead that is open, so that a crash forgets none, while the next
listing begins where the last one ended, so that one stubborn lead does not make every listing longer than the last.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from monitor.core.model import InstanceKey


@dataclass(slots=True, eq=False)
class _Pass:
    """One listing: everything that ended up to `upto` is known when nothing of it is open any more."""

    upto: datetime
    open: set[InstanceKey]


class Backlog:
    """The open leads of one project, by the listing that found them."""

    def __init__(self, upto: datetime) -> None:
        self.listed_upto = self._told = upto
        self._passes: list[_Pass] = []  # oldest first; only the first may be without an open lead
        self._open: dict[InstanceKey, _Pass] = {}

    def __contains__(self, key: InstanceKey) -> bool:
        return key in self._open

    def add(self, upto: datetime, leads: Iterable[InstanceKey]) -> None:
        """A listing was read to its end; each of `leads` must be asked what became of it."""
        self.listed_upto = max(self.listed_upto, upto)
        found = _Pass(self.listed_upto, {lead for lead in leads if lead not in self._open})
        self._open.update(dict.fromkeys(found.open, found))
        self._passes.append(found)
        self._fold(found)

    def answer(self, key: InstanceKey) -> None:
        """It is known what became of it."""
        found = self._open.pop(key, None)
        if found is not None:
            found.open.discard(key)
            self._fold(found)

    def checkpoint(self) -> datetime | None:
        """How far everything is known now; None if that is no farther than was told before."""
        if not self._passes or self._passes[0].open:
            return None
        upto = self._passes.pop(0).upto
        if upto <= self._told:
            return None
        self._told = upto
        return upto

    def _fold(self, done: _Pass) -> None:
        """A listing without open leads is over when the one before it is: both become one."""
        place = self._passes.index(done)
        if not done.open and place > 0:
            self._passes[place - 1].upto = done.upto
            del self._passes[place]
