"""Learns the names of jobs where `discover` asks for them, because only one of the listings tells them.

No failure may be missed because a listing said too little: who is not named by it is asked about, once, and whose name
cannot be had counts as asked for.
"""

import asyncio
from collections.abc import Iterable, Iterator

from monitor.core.events import Seen
from monitor.core.model import InstanceKey
from monitor.core.text import clip
from monitor.sources.base import Priority, Reason, SourceError
from monitor.sources.http import Reply
from monitor.sources.maxcompute.api import Api
from monitor.sources.maxcompute.calls import Calls
from monitor.sources.maxcompute.documents import LONGEST_NAME, read_job_name
from monitor.sources.refusing import FINAL

_REMEMBERED = 100_000  # instances; one that was forgotten and is listed again is asked about again
_AT_ONCE = 4

# What may be about either: the listing is tried again, and then goes on without the name.
_DOUBTFUL = frozenset({Reason.UNAVAILABLE, Reason.TIMEOUT})


class Names:
    """The job names of one source."""

    def __init__(self, *, api: Api, calls: Calls) -> None:
        self._api = api
        self._calls = calls
        self._names: dict[InstanceKey, str | None] = {}  # None: it cannot be had
        self._doubtful: set[InstanceKey] = set()

    def of(self, key: InstanceKey) -> str | None:
        """The name, empty of a job without one; None where nobody could tell."""
        return self._names.get(key)

    def note(self, told: Iterable[Seen]) -> None:
        """Remember what a listing says that tells names."""
        for seen in told:
            self._remember(seen.key, seen.name)

    async def learn(self, keys: Iterable[InstanceKey]) -> None:
        """Learn the names of these, as far as they can be had: one request for each that is not known yet.

        Raises SourceError where the service does not answer; what was learned until then is not asked for again.
        """
        missing = iter([key for key in keys if key not in self._names])
        faults: list[SourceError] = []
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._ask(missing, faults))
        if faults:
            raise faults[0]

    async def _ask(self, keys: Iterator[InstanceKey], faults: list[SourceError]) -> None:
        for key in keys:
            if faults:
                return
            try:
                name = await self._api.ask(self._calls.source(key), Priority.OUTCOME, _read)
            except SourceError as error:
                if error.reason in _DOUBTFUL and key not in self._doubtful:
                    self._doubtful.add(key)
                elif error.reason in FINAL | _DOUBTFUL:
                    self._remember(key, None)
                    continue
                faults.append(error)
            else:
                self._remember(key, name)

    def _remember(self, key: InstanceKey, name: str | None) -> None:
        self._names[key] = name
        self._doubtful.discard(key)
        if len(self._names) > _REMEMBERED:
            del self._names[next(iter(self._names))]


def _read(reply: Reply) -> str:
    return clip(read_job_name(reply.body), LONGEST_NAME)
