"""The JSON API: instances and sources as the board shows them, and what only the service or the storage can tell."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from monitor.core.model import InstanceKey, Phase, Track
from monitor.engine.board import BadCursorError
from monitor.sources.base import Reason, SourceError
from monitor.storage.base import AlertQuery, DeliveryState, Record
from monitor.web import wire, wire_alerts, wire_events
from monitor.web.errors import ApiError, bad_request, conflict, not_found
from monitor.web.parts import Parts
from monitor.web.query import FILTERS, Query

ShapeT = TypeVar("ShapeT")

LOGVIEW_HOURS = 24 * 7
ZIP_ASIDE = 32 << 10  # bytes: a larger body is compressed in a thread, so that the loop goes on
SHOWN_WITHIN = 10.0  # seconds from what the service said to what the board shows


class ResultForm(StrEnum):
    """How results are answered."""

    JSON = "json"
    CSV = "csv"


class Register(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The body that asks to watch one instance."""

    key: str


class Submit(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The body that asks to submit a job. `source` and `project` may be left out where there is one choice; a request
    that is sent again with the same `token` makes no second job."""

    job: dict[str, Any]  # Any: JSON of the service
    source: str | None = None
    project: str | None = None
    token: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,100}$")] | None = None


class Wish(Struct, frozen=True, gc=False):
    """Enough of a body to see which of the two it is."""

    job: msgspec.Raw | UnsetType = UNSET


class Acknowledge(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The body that takes charge of an alert."""

    by: Annotated[str, Meta(min_length=1, max_length=200)]


def answer(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer. Nothing here may be kept by a cache: it is out of date when it arrives."""
    return web.Response(
        status=status,
        body=wire.encode(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
        zlib_executor_size=ZIP_ASIDE,
    )


async def read_body(request: web.Request, shape: type[ShapeT]) -> ShapeT:
    """The JSON body in this shape, or 400 that says what is wrong with it."""
    body = await request.read()
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise bad_request(f"the body does not fit: {error}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise bad_request(f"send a JSON object: {error}") from None


class Api:
    """The handlers. A handler raises rather than returns a refusal: see `errors.py`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._board = parts.board

    # --- instances ---

    async def list_instances(self, request: web.Request) -> web.Response:
        """A page of instances, newest discovered first."""
        query = Query(request, allowed=(*FILTERS, "limit", "cursor"))
        limit = query.number("limit", default=100, least=1, most=1000)
        try:
            page = await self._board.select(query.filter(), limit=limit, cursor=query.text("cursor"))
        except BadCursorError as error:
            raise bad_request(str(error)) from None
        shown = await wire.instances(page.tracks, self._board)
        return answer(wire.InstancePage(shown, page.next, page.total))

    async def show_instance(self, request: web.Request) -> web.Response:
        """One instance with its history."""
        Query(request)
        track = self._track(request)
        records = await self._parts.storage.history(track.key)
        return answer(wire.instance(track, self._board, tuple(_past(record, track) for record in records)))

    async def take_in(self, request: web.Request) -> web.Response:
        """Watch one instance from now on, or submit a job and watch it; answered once the board shows it, so that a GET
        behind it finds it."""
        Query(request)
        wish = await read_body(request, Wish)
        key = await (self._register(request) if wish.job is UNSET else self._submit(request))
        track = await self._shown(key, lambda _track: True)
        if track is None:
            raise ApiError(
                503,
                "not_recorded",
                f"the service knows {key}, but it could not be recorded within {SHOWN_WITHIN:g} s: try again",
            )
        return answer(wire.instance(track, self._board), status=201, headers={"Location": _path(request, key)})

    async def _register(self, request: web.Request) -> InstanceKey:
        asked = await read_body(request, Register)
        try:
            key = InstanceKey.parse(asked.key)
        except ValueError as error:
            raise bad_request(str(error)) from None
        if await self._parts.control.register(key) is None:
            raise not_found(f"{key.source} knows no instance {key.id!r} in {key.project!r}")
        return key

    async def _submit(self, request: web.Request) -> InstanceKey:
        asked = await read_body(request, Submit)
        return await self._parts.control.submit(
            asked.job, source=asked.source, project=asked.project, token=asked.token or ""
        )

    async def _shown(self, key: InstanceKey, is_it: Callable[[Track], bool]) -> Track | None:
        """The track as soon as the board shows it so; None if it does not within SHOWN_WITHIN."""
        changed = asyncio.Event()
        with self._parts.bus.listening(lambda _records: changed.set()):
            try:
                async with asyncio.timeout(SHOWN_WITHIN):
                    while (track := self._board.get(key)) is None or not is_it(track):
                        changed.clear()
                        await changed.wait()
            except TimeoutError:
                return None
        return track

    async def results(self, request: web.Request) -> web.Response:
        """The result text of each task, or of one; as CSV the rows of one, as the service wrote them."""
        query = Query(request, allowed=("task", "format"))
        task, form = query.text("task"), query.word("format", ResultForm)
        track = self._track(request)
        if form is ResultForm.CSV and track.phase is not Phase.SUCCEEDED:
            # What a failed task leaves is a sentence, which would be taken for a table of one column.
            raise conflict(f"{track.key} has no rows: its phase is {track.phase}; without format=csv its text is told")
        results = await self._parts.control.results(track.key)
        if task is not None:
            if task not in results:
                raise not_found(f"{track.key} has no task {task[:100]!r}: its tasks are {', '.join(results) or 'none'}")
            results = {task: results[task]}
        if form is not ResultForm.CSV:
            return answer(wire.Results(results))
        if len(results) != 1:
            raise bad_request(f"{track.key} has not one task: choose with task=, of {', '.join(results) or 'none'}")
        (text,) = results.values()
        return web.Response(
            body=text.encode("utf-8", "replace"),
            content_type="text/csv",
            charset="utf-8",
            headers={"Cache-Control": "no-store", "Content-Disposition": "attachment"},
            zlib_executor_size=ZIP_ASIDE,
        )

    async def logview(self, request: web.Request) -> web.Response:
        """A fresh LogView address, or a redirect to it."""
        query = Query(request, allowed=("redirect", "hours"))
        redirect = query.flag("redirect")
        hours = query.number("hours", default=0, least=1, most=LOGVIEW_HOURS) or None
        url = await self._parts.control.logview(self._track(request).key, hours)
        if redirect:
            return answer(wire.LogView(url), status=302, headers={"Location": url})
        return answer(wire.LogView(url))

    async def stop(self, request: web.Request) -> web.Response:
        """Ask the service to end it. The end itself comes as an event."""
        Query(request)
        track = self._track(request)
        if track.phase.is_terminal:
            raise conflict(f"{track.key} has already ended: it {_ENDED[track.phase]}")
        try:
            await self._parts.control.stop(track.key)
        except SourceError as error:
            if error.reason is not Reason.CONFLICT:
                raise
            raise conflict(f"{track.key} has already ended, as the service says: {error}") from None
        return answer(wire.instance(self._board.get(track.key) or track, self._board), status=202)

    async def restart(self, request: web.Request) -> web.Response:
        """Ask the service to run again what did not finish; answered once the board shows the new attempt, so that who
        waits for the end does not take the old one for it."""
        Query(request)
        track = self._track(request)
        if track.phase is Phase.SUCCEEDED:
            raise conflict(f"{track.key} has succeeded: only what failed or was stopped can run again")
        before = track.attempt
        shown = None
        if await self._parts.control.restart(track.key):
            shown = await self._shown(track.key, lambda now: now.attempt > before or not now.phase.is_terminal)
        return answer(wire.instance(shown or self._board.get(track.key) or track, self._board), status=202)

    def _track(self, request: web.Request) -> Track:
        """The track that the address names, by its whole key or by an id that only one has."""
        named = request.match_info
        if "source" in named:
            key = InstanceKey(named["source"], named["project"], named["id"])
        else:
            keys = self._board.with_id(named["id"])
            if len(keys) > 1:
                raise conflict(f"{named['id']!r} is the id of several: {', '.join(sorted(map(str, keys)))}")
            if not keys:
                raise not_found(f"no instance with the id {named['id']!r} is watched: register it by its key")
            key = keys[0]
        track = self._board.get(key)
        if track is None:
            raise not_found(f"{key} is not watched: register it with POST /api/v1/instances")
        return track

    # --- sources ---

    async def list_sources(self, request: web.Request) -> web.Response:
        """How each project of each source stands."""
        Query(request)
        return answer(wire.projects(self._board, self._parts.now(), self._parts.hearing.places))

    # --- alerts ---

    async def list_alerts(self, request: web.Request) -> web.Response:
        """A page of alerts with every try to deliver them, newest first."""
        query = Query(request, allowed=("rule", "severity", "source", "project", "key", "state", "limit", "cursor"))
        limit = query.number("limit", default=100, least=1, most=1000)
        cursor = query.text("cursor")
        if cursor is not None and not (cursor.isascii() and cursor.isalnum() and len(cursor) <= 64):
            raise bad_request(f"{cursor[:40]!r} is not a cursor: pass the `next` of the page before, unchanged")
        wanted = AlertQuery(
            rule=query.text("rule"),
            severity=query.text("severity"),
            source=query.text("source"),
            project=query.text("project"),
            key=query.key("key"),
            state=query.word("state", DeliveryState),
            limit=limit + 1,  # one more than asked tells whether there is a page behind
            before=cursor,
        )
        records = await self._parts.storage.alerts(wanted)
        more = len(records) > limit
        alerts = tuple(map(wire_alerts.alert, records[:limit]))
        return answer(wire_alerts.AlertPage(alerts, alerts[-1].id if more else None))

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Take charge of an alert. The first one stays."""
        Query(request)
        asked = await read_body(request, Acknowledge)
        alert = request.match_info["id"]
        record = await self._parts.control.acknowledge(alert, asked.by)
        if record is None:
            raise not_found(f"there is no alert {alert!r}")
        return answer(wire_alerts.alert(record))


_ENDED = {"succeeded": "succeeded", "failed": "failed", "cancelled": "was cancelled"}


def _past(record: Record, track: Track) -> msgspec.Raw:
    return msgspec.Raw(wire.encode(wire_events.event(record, msgspec.UNSET, track=track, seq=record.seq)))


def _path(request: web.Request, key: InstanceKey) -> str:
    return str(request.app.router["instance"].url_for(source=key.source, project=key.project, id=key.id))
