"""What people do: register, stop, acknowledge, and ask for what only the service can tell."""

from collections.abc import Callable, Mapping
from datetime import datetime

from anyio.streams.memory import MemoryObjectSendStream

from monitor.core.events import Gone, Observation, Seen, SourceObservation
from monitor.core.model import InstanceKey
from monitor.sources.base import Detail, Priority, Source
from monitor.storage.base import AlertRecord, Storage

Stream = MemoryObjectSendStream[Observation | SourceObservation]


class UnknownSourceError(Exception):
    """The key names a source that is not configured."""


class Control:
    """Passes a person's wish to the source, and what the source answers into the same stream as every poll.

    Methods that ask a source raise SourceError as the source does, and UnknownSourceError for a key without one.
    """

    def __init__(
        self, *, sources: Mapping[str, Source], stream: Stream, storage: Storage, now: Callable[[], datetime]
    ) -> None:
        self._sources = sources
        self._stream = stream
        self._storage = storage
        self._now = now

    async def register(self, key: InstanceKey) -> Seen | None:
        """Track this instance from now on; None if the service does not know it."""
        seen = await self._source(key).inspect(key, Detail.STAGES, Priority.WATCHED)
        if isinstance(seen, Gone):
            return None
        await self._stream.send(seen)
        return seen

    async def stop(self, key: InstanceKey) -> None:
        """Ask the service to end it, and look at once what became of it."""
        source = self._source(key)
        await source.stop(key)
        await self._stream.send(await source.inspect(key, Detail.OUTCOME, Priority.WATCHED))

    async def results(self, key: InstanceKey) -> dict[str, str]:
        """The result text of each task."""
        return await self._source(key).results(key)

    async def logview(self, key: InstanceKey, hours: int = 1) -> str:
        """A fresh address of the service's page about it. Hand it to the browser and forget it: it may hold a token."""
        return await self._source(key).logview(key, hours)

    async def acknowledge(self, alert: str, by: str) -> AlertRecord | None:
        """Note who took charge; None if there is no such alert."""
        return await self._storage.acknowledge(alert, by, self._now())

    def _source(self, key: InstanceKey) -> Source:
        source = self._sources.get(key.source)
        if source is None:
            known = ", ".join(sorted(self._sources)) or "none"
            raise UnknownSourceError(f"no source is named {key.source!r}; configured: {known}")
        return source
