"""Our own HTTP API and feed as an async client: what the command line, the screens and other programs use."""

import asyncio
import getpass
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

from msgspec import Struct

from monitor.client.alerts import Alert
from monitor.client.differences import changes, gone, inferred
from monitor.client.endings import Status, endings
from monitor.client.errors import ClientError
from monitor.client.feed import PATIENCE, Away, Event, Feed, Snapshot
from monitor.client.model import Instance, Outcome, Projects
from monitor.client.sending import Ingested
from monitor.client.transport import Transport
from monitor.client.wanted import Wanted, Words

PAGE = 1000


class _Page(Struct):
    """One answer of a listing."""

    instances: list[Instance]
    next: str | None


class _Alerts(Struct):
    """One answer of a listing."""

    alerts: list[Alert]
    next: str | None


class _Results(Struct):
    results: dict[str, str]


class _LogView(Struct):
    url: str


class Stagewatch:
    """A daemon at `url`, used as `async with Stagewatch(url) as daemon:`. Every method raises ClientError.

    A `key` is `source/project/id`, or a bare id where it is unique. Filters are one word, words with commas between,
    or several; an empty one asks for all. `q` is a part of an id, a name or an owner.

    `patience` is how long, in seconds, a daemon may be away in the middle of `wait` or `events` before that is an
    error. One that cannot be reached in the first place is an error at once.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE, chance: Callable[[], float] = random.random) -> None:
        self._transport = Transport(url)
        self._patience = patience
        self._chance = chance

    async def __aenter__(self) -> Self:
        await self._transport.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    @property
    def url(self) -> str:
        """Where the daemon is, without a slash at the end, and without a password that stands in it."""
        return self._transport.name

    # --- what there is ---

    async def instances(
        self,
        *,
        source: Words = (),
        project: Words = (),
        phase: Words = (),
        owner: Words = (),
        key: Words = (),
        q: str = "",
    ) -> AsyncIterator[Instance]:
        """Every instance that matches, newest first."""
        wanted = Wanted.of(source=source, project=project, phase=phase, owner=owner, key=key, q=q)
        query = {"limit": str(PAGE), **wanted.query()}
        while True:
            page = await self._transport.ask(_Page, "/api/v1/instances", query=query)
            for instance in page.instances:
                yield instance
            if not page.next:
                return
            query["cursor"] = page.next

    async def instance(self, key: str) -> Instance:
        """One instance, whole, with its history."""
        return await self._transport.ask(Instance, _path(key))

    async def find(self, key: str) -> Instance:
        """The same, also of one that is not watched yet, and is from now on: too new for a listing, too old, or in
        none at all. That takes a whole key."""
        try:
            return await self.instance(key)
        except ClientError as error:
            if error.code != "not_found" or key.count("/") != 2:
                raise
        try:
            return await self.register(key)
        except ClientError as error:
            raise ClientError(error.code, f"{key} is not watched, and {error}") from error

    async def sources(self) -> Projects:
        """How each project of each source stands, and the daemon's clock."""
        return await self._transport.ask(Projects, "/api/v1/sources")

    async def results(self, key: str) -> dict[str, str]:
        """The result text of each task, by the task's name."""
        return (await self._transport.ask(_Results, f"{_path(key)}/results")).results

    async def logview(self, key: str, *, hours: int | None = None) -> str:
        """A fresh address of the service's own page, good for so many hours (1 to 168; None: as the config says).

        It may hold a token: use it and forget it. `logview_link` is one that can be kept.
        """
        asked = {} if hours is None else {"hours": str(hours)}
        return (await self._transport.ask(_LogView, f"{_path(key)}/logview", query=asked)).url

    def logview_link(self, key: str) -> str:
        """An address at the daemon that leads to a fresh LogView whenever it is opened."""
        return f"{self.url}{_path(key)}/logview?redirect"

    # --- what happens ---

    async def wait(
        self,
        key: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - what waiting functions call it everywhere
        status: Status | None = None,
    ) -> Outcome:
        """How it ended, as soon as it has: succeeded, failed, cancelled, or lost. At once if it is over already.

        One that is not watched yet is from now on: see `find`. It misses nothing: over a restart of the daemon it goes
        on, and a daemon that kept nothing is asked to watch the instance again. `timeout` is in seconds; TimeoutError
        says that it is over. `status` hears of everything that the feed tells meanwhile, `Away` and `Back` among it; it
        may be async.
        """
        async with asyncio.timeout(timeout):
            return await anext(self.outcomes([key], status=status))

    def outcomes(
        self, keys: Iterable[str], *, detail: bool = False, status: Status | None = None
    ) -> AsyncGenerator[Outcome, None]:
        """Wait for several: each one's outcome as it comes, those that are over already first. See `wait`.

        `detail` has their stages read with priority, for who looks at them in `status`.
        """
        return endings(self, keys, detail=detail, status=status)

    async def events(
        self,
        *,
        source: Words = (),
        project: Words = (),
        phase: Words = (),
        owner: Words = (),
        key: Words = (),
        q: str = "",
        detail: bool = False,
    ) -> AsyncGenerator[Event, None]:
        """Everything that happens, from the first step on, to instances that match, that come to, or that cease to.

        Across lost connections and restarts of the daemon it goes on by itself: it connects anew, with longer and
        longer pauses, and resumes behind the last event. Where the daemon cannot tell any more what was missed, the
        states before and after are compared, and what must have happened is told by events with `inferred` set: which
        instances were discovered or removed, phases, progress, verdicts. So no failure is missed; what cannot be
        inferred is what came and went in the gap, and its alerts: see `alerts`.

        `detail` has the stages of live instances that match (up to fifty) read with priority.
        """
        wanted = Wanted.of(source=source, project=project, phase=phase, owner=owner, key=key, q=q)
        known: dict[str, Instance] = {}
        unclear: dict[str, Instance] = {}  # seen before a gap, and not in the snapshot behind it
        seq = 0
        async with aclosing(self.feed(wanted, detail=detail).news()) as news:
            async for heard in news:
                match heard:
                    case Event(seq=seq):
                        _remember(known, wanted, heard)
                        unclear.pop(heard.key or "", None)
                        yield heard
                    case Snapshot(why="new", instances=shown, seq=seq):
                        known = {one.key: one for one in shown}
                    case Snapshot(instances=shown, seq=seq):
                        before, known = known, {one.key: one for one in shown}
                        unclear |= {name: one for name, one in before.items() if name not in known}
                        for event in inferred({**before, **unclear}, heard):
                            unclear.pop(event.key or "", None)
                            yield event
                for name in () if isinstance(heard, Away) else tuple(unclear):
                    for event in await self._what_became_of(unclear, name, seq):
                        yield event

    async def _what_became_of(self, unclear: dict[str, Instance], key: str, seq: int) -> Iterable[Event]:
        """It matches no more, or is forgotten. A daemon that goes away again is asked once it is back."""
        try:
            now = await self.instance(key)
        except ClientError as error:
            return (gone(unclear.pop(key), seq),) if error.code == "not_found" else ()
        return tuple(changes(unclear.pop(key), now, seq))

    def feed(self, wanted: Wanted | None = None, *, detail: bool = False) -> Feed:
        """The feed as it is, for screens: its `news` also tell snapshots, and when the daemon cannot be heard."""
        wanted = wanted or Wanted()
        return Feed(self._transport, wanted.frame(), detail=detail, patience=self._patience, chance=self._chance)

    # --- what people do ---

    async def register(self, key: str) -> Instance:
        """Have an instance watched from now on. `key` is whole: its source is asked whether it knows the instance."""
        return await self._transport.ask(Instance, "/api/v1/instances", method="POST", body={"key": key})

    async def stop(self, key: str) -> Instance:
        """Ask the service to end it, and return it as it stands. Its end comes as an event: see `wait`."""
        return await self._transport.ask(Instance, f"{_path(key)}/stop", method="POST")

    async def submit(
        self, job: Mapping[str, Any], source: str | None = None, token: str | None = None
    ) -> Instance:  # Any: JSON of the service
        """Submit a job description and have the job watched. `source` may be left out where only one takes jobs.

        The same `token` again gives the same job. Without one a new one is taken, for this call alone: so an answer
        that was lost on the way makes no second job, and the request is sent once more.
        """
        given = {"source": source, "token": token or uuid4().hex}
        body = {"job": job, **{name: value for name, value in given.items() if value}}
        try:
            return await self._transport.ask(Instance, "/api/v1/instances", method="POST", body=body)
        except ClientError as error:
            if error.code not in {"unreachable", "not_recorded"}:
                raise
        return await self._transport.ask(Instance, "/api/v1/instances", method="POST", body=body)

    async def restart(self, key: str) -> Instance:
        """Have the service run again what did not finish of an instance that failed or was stopped: a new attempt of
        the same key, which is returned as soon as it shows."""
        return await self._transport.ask(Instance, f"{_path(key)}/restart", method="POST")

    async def ingest(self, lines: Sequence[str], *, source: str = "", project: str = "", key: str = "") -> Ingested:
        """Tell the daemon what a job's own tool has printed, where it cannot ask the service: see `sources` of type
        ingest. The lines are about the instance `key` (whole, or project/id, or an id) until one of them names another;
        the `key` of the answer is for those that follow. Once answered they are kept; the same lines again change
        nothing."""
        given = {"source": source, "project": project, "key": key}
        body = {"lines": lines, **{name: value for name, value in given.items() if value}}
        return await self._transport.ask(Ingested, "/api/v1/ingest", method="POST", body=body)

    # --- alerts ---

    async def alerts(
        self, *, rule: str = "", severity: str = "", source: str = "", project: str = "", key: str = "", state: str = ""
    ) -> AsyncIterator[Alert]:
        """Every alert that matches, newest first, with every try to deliver it. `key` is whole."""
        given = {"rule": rule, "severity": severity, "source": source, "project": project, "key": key, "state": state}
        query = {"limit": str(PAGE), **{name: value for name, value in given.items() if value}}
        while True:
            page = await self._transport.ask(_Alerts, "/api/v1/alerts", query=query)
            for alert in page.alerts:
                yield alert
            if not page.next:
                return
            query["cursor"] = page.next

    async def acknowledge(self, alert: str, *, by: str = "") -> Alert:
        """Take charge of the alert with this id, in the name of `by` (default: who runs this). The first one stays."""
        path = f"/api/v1/alerts/{quote(alert, safe='')}/ack"
        return await self._transport.ask(Alert, path, method="POST", body={"by": by or getpass.getuser()})


def _remember(known: dict[str, Instance], wanted: Wanted, event: Event) -> None:
    if event.instance is not None and wanted.matches(event.instance):
        known[event.instance.key] = event.instance
    elif event.key is not None and event.kind != "alert":
        known.pop(event.key, None)


def _path(key: str) -> str:
    """Where an instance stands in the API."""
    parts = key.split("/", 2)
    if len(parts) == 2 or not all(parts):
        raise ClientError("bad_request", f"{key!r} is not a key: write source/project/id, or a bare id")
    return "/api/v1/instances/" + "/".join(quote(part, safe="") for part in parts)
