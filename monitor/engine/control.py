"""What people do: register, stop, acknowledge, and ask for what only the service can tell."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from monitor.core.events import Gone, Seen
from monitor.core.model import InstanceKey
from monitor.engine.ledger import Observations
from monitor.sources.base import Detail, Priority, Source, SourceError
from monitor.storage.base import AlertRecord, Storage

_STOPPING = "the daemon is stopping: ask again when it is back"


class UnknownSourceError(Exception):
    """The key names a source, or a project of it, that is not configured."""


class StoppingError(Exception):
    """The daemon takes in nothing more."""


class Control:
    """Passes a person's wish to the source, and what the source answers into the same stream as every poll.

    Methods that ask a source raise SourceError as the source does, and UnknownSourceError for a key without one;
    those that change something raise StoppingError once the stream is closed.
    """

    def __init__(
        self,
        *,
        sources: Mapping[str, Source],
        stream: MemoryObjectSendStream[Observations],
        storage: Storage,
        now: Callable[[], datetime],
    ) -> None:
        self._sources = sources
        self._stream = stream
        self._storage = storage
        self._now = now

    async def register(self, key: InstanceKey) -> Seen | None:
        """Track this instance from now on; None if the service does not know it. Nobody would sweep a project that is
        not configured, so that is refused."""
        source = self._source(key)
        self._require_running()
        if key.project not in source.projects:
            known = ", ".join(source.projects)
            raise UnknownSourceError(f"{key.source!r} does not watch project {key.project!r}; configured: {known}")
        seen = await source.inspect(key, Detail.STAGES, Priority.WATCHED)
        if isinstance(seen, Gone):
            return None
        try:
            await self._stream.send((seen,))
        except anyio.ClosedResourceError:
            raise StoppingError(_STOPPING) from None
        return seen

    async def stop(self, key: InstanceKey) -> None:
        """Ask the service to end it, and look at once what became of it. A look that fails, or that nobody takes in any
        more, is left to the next poll: the wish was granted."""
        source = self._source(key)
        self._require_running()
        await source.stop(key)
        with suppress(SourceError, anyio.ClosedResourceError):
            await self._stream.send((await source.inspect(key, Detail.OUTCOME, Priority.WATCHED),))

    async def results(self, key: InstanceKey) -> dict[str, str]:
        """The result text of each task."""
        return await self._source(key).results(key)

    async def logview(self, key: InstanceKey, hours: int = 1) -> str:
        """A fresh address of the service's page about it. Hand it to the browser and forget it: it may hold a token."""
        return await self._source(key).logview(key, hours)

    async def acknowledge(self, alert: str, by: str) -> AlertRecord | None:
        """Note who took charge; None if there is no such alert."""
        return await self._storage.acknowledge(alert, by, self._now())

    def _require_running(self) -> None:
        if not self._stream.statistics().open_send_streams:
            raise StoppingError(_STOPPING)

    def _source(self, key: InstanceKey) -> Source:
        source = self._sources.get(key.source)
        if source is None:
            known = ", ".join(sorted(self._sources)) or "none"
            raise UnknownSourceError(f"no source is named {key.source!r}; configured: {known}")
        return source
