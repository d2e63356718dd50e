"""What people do: submit, register, stop, restart, acknowledge, and ask for what only the service can tell."""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from monitor.core.events import Gone, Seen
from monitor.core.model import InstanceKey
from monitor.engine.ledger import Observations
from monitor.sources.base import Detail, NotOfferedError, Priority, Source, SourceError
from monitor.storage.base import AlertRecord, Storage

JOBS = "batchcompute"  # the kind of the sources that take jobs
_STOPPING = "the daemon is stopping: ask again when it is back"


class UnknownSourceError(Exception):
    """The key names a source, or a project of it, that is not configured."""


class UnclearTargetError(Exception):
    """There are several places where this could be done, or none; the message names them."""


class StoppingError(Exception):
    """The daemon takes in nothing more."""


class Control:
    """Passes a person's wish to the source, and what the source answers into the same stream as every poll.

    Methods that ask a source raise SourceError as the source does, NotOfferedError for one named in `heard`, and
    UnknownSourceError for a key without one; those that change something raise StoppingError once the stream is closed.
    """

    def __init__(
        self,
        *,
        sources: Mapping[str, Source],
        stream: MemoryObjectSendStream[Observations],
        storage: Storage,
        now: Callable[[], datetime],
        heard: Collection[str] = (),
    ) -> None:
        self._sources = sources
        self._heard = frozenset(heard)
        self._stream = stream
        self._storage = storage
        self._now = now

    async def register(self, key: InstanceKey) -> Seen | None:
        """Track this instance from now on; None if the service does not know it. Nobody would sweep a project that is
        not configured, so that is refused."""
        source = self._source(key)
        self._require_running()
        _require_project(source, key.project)
        seen = await source.inspect(key, Detail.STAGES, Priority.WATCHED)
        if isinstance(seen, Gone):
            return None
        try:
            await self._stream.send((seen,))
        except anyio.ClosedResourceError:
            raise StoppingError(_STOPPING) from None
        return seen

    async def submit(
        self,
        job: Mapping[str, Any],  # Any: JSON of the service
        *,
        source: str | None = None,
        project: str | None = None,
        token: str = "",
    ) -> InstanceKey:
        """Submit a job and track it from now on. `source` and `project` may be left out where there is one choice.

        A look that fails changes nothing about that: the service took the job, so it is tracked as far as it is known.
        The same token again gives the same job, so what is not sure to have been submitted can be asked for again.
        """
        target = self._target(source)
        self._require_running()
        if project is None:
            if len(target.projects) > 1:
                known = ", ".join(target.projects)
                raise UnclearTargetError(f"{target.name!r} has several projects: name one of {known}")
            (project,) = target.projects
        _require_project(target, project)
        key = await target.submit(project, job, token)
        seen: Seen | Gone = Gone(key, self._now())
        with suppress(SourceError):
            seen = await target.inspect(key, Detail.STAGES, Priority.WATCHED)
        if isinstance(seen, Gone):  # or the look failed: a service may take a moment to know its own jobs
            seen = Seen(key=key, at=self._now(), kind=target.kind, phase=None)
        try:
            await self._stream.send((seen,))
        except anyio.ClosedResourceError:
            raise StoppingError(f"{key} was submitted, but the daemon stops: register it when it is back") from None
        return key

    async def stop(self, key: InstanceKey) -> None:
        """Ask the service to end it, and look at once what became of it. A look that fails, or that nobody takes in any
        more, is left to the next poll: the wish was granted."""
        source = self._source(key)
        self._require_running()
        await source.stop(key)
        await self._look(source, key)

    async def restart(self, key: InstanceKey) -> bool:
        """Ask the service to run again what did not finish. Whether the look that follows is taken in; if not, the next
        poll tells of the new attempt."""
        source = self._source(key)
        self._require_running()
        await source.restart(key)
        return await self._look(source, key)

    async def _look(self, source: Source, key: InstanceKey) -> bool:
        with suppress(SourceError, anyio.ClosedResourceError):
            await self._stream.send((await source.inspect(key, Detail.OUTCOME, Priority.WATCHED),))
            return True
        return False

    async def results(self, key: InstanceKey) -> dict[str, str]:
        """The result text of each task."""
        return await self._source(key).results(key)

    async def logview(self, key: InstanceKey, hours: int | None = None) -> str:
        """A fresh address of the service's page about it. Hand it to the browser and forget it: it may hold a token."""
        return await self._source(key).logview(key, hours)

    async def acknowledge(self, alert: str, by: str) -> AlertRecord | None:
        """Note who took charge; None if there is no such alert."""
        return await self._storage.acknowledge(alert, by, self._now())

    def _require_running(self) -> None:
        if not self._stream.statistics().open_send_streams:
            raise StoppingError(_STOPPING)

    def _source(self, key: InstanceKey) -> Source:
        return self._named(key.source)

    def _named(self, name: str) -> Source:
        source = self._sources.get(name)
        if name in self._heard:
            text = f"{name!r} only hears what `stagewatch ingest` sends: its service cannot be asked for this"
            raise NotOfferedError(text)
        if source is None:
            raise UnknownSourceError(f"no source is named {name!r}; configured: {_listed(self._sources)}")
        return source

    def _target(self, name: str | None) -> Source:
        """Where a job goes to."""
        if name is not None:
            return self._named(name)
        fit = {name: source for name, source in self._sources.items() if source.kind == JOBS}
        if len(fit) > 1:
            raise UnclearTargetError(f"several sources take jobs: name one of {_listed(fit)}")
        if not fit:
            raise UnclearTargetError(
                f"no source takes jobs: configure one of type {JOBS}; configured: {_listed(self._sources)}"
            )
        return next(iter(fit.values()))


def _require_project(source: Source, project: str) -> None:
    if project not in source.projects:
        known = ", ".join(source.projects)
        raise UnknownSourceError(f"{source.name!r} does not watch project {project!r}; configured: {known}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
