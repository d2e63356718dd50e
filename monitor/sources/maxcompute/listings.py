"""Observes many instances with one request: what is live, what has ended, and only what changed since the last look."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct
from msgspec.structs import replace
from multidict import istr

from monitor.core.events import Seen
from monitor.core.model import InstanceKey, Phase
from monitor.core.text import clip
from monitor.sources.base import Page, Priority, Reason, SourceError
from monitor.sources.dates import ServiceClock, read_http_date
from monitor.sources.http import RefusedError, Reply
from monitor.sources.maxcompute.api import Api
from monitor.sources.maxcompute.calls import Call, Calls
from monitor.sources.maxcompute.documents import Row, is_instance_id, read_listing, read_queueing
from monitor.sources.maxcompute.markup import malformed
from monitor.sources.maxcompute.names import Names
from monitor.sources.maxcompute.queueing import Entry, observe, read_entries, read_start_time
from monitor.sources.maxcompute.words import SUSPENDED, TERMINATED, Vocabulary
from monitor.sources.unknown import LONGEST_WORD

_LOOK_AGAIN = timedelta(minutes=10)  # at the better listing, where it was refused: rights get granted
_MOST_PAGES = 1_000
_DATE = istr("Date")


class _Told(Struct, frozen=True, gc=False):
    """The last entry of an instance, and what we said of it."""

    entry: Entry | Row
    seen: Seen


Known = dict[str, _Told]  # by id


class _Read(Struct, gc=False):
    """A page as read. `listed` are the ids of all its entries, of which `page.ids` leaves out what has ended."""

    body: bytes
    marker: str
    listed: tuple[str, ...]
    page: Page


class _Project:
    """What is remembered of a project between two sweeps."""

    __slots__ = ("known", "pages", "refused_until")

    def __init__(self) -> None:
        self.known: Known = {}
        self.pages: list[_Read] = []  # of the better listing, by position
        self.refused_until: datetime | None = None


class Listings:
    """All listings of one source. `names` are those of jobs, where somebody asks for them."""

    def __init__(
        self,
        source: str,
        *,
        api: Api,
        calls: Calls,
        words: Vocabulary,
        names: Names | None,
        now: Callable[[], datetime],
        clock: ServiceClock,
    ) -> None:
        self._source = source
        self._api = api
        self._calls = calls
        self._words = words
        self._names = names
        self._now = now
        self._clock = clock
        self._projects: dict[str, _Project] = {}

    async def sweep(self, project: str) -> AsyncIterator[Page]:
        """What is live, from the listing that tells most; for a while from the coarse one where that is refused."""
        state = self._projects.setdefault(project, _Project())
        listed: set[str] = set()
        if state.refused_until is None or self._now() >= state.refused_until:
            try:
                async for page in self._detailed(project, state, listed):
                    yield page
            except RefusedError as error:
                if listed or not _is_not_offered(error):
                    raise
                state.refused_until = self._now() + _LOOK_AGAIN
                state.pages.clear()
            else:
                state.refused_until = None
                _forget_absent(state, listed)
                return
        for status in ("Running", "Suspended"):
            read = partial(self._read_rows, project, state.known)
            async for got in self._walk(partial(self._calls.live, project, status), Priority.SWEEP, read):
                listed.update(got.listed)
                try:
                    page = await self._named(got.page)
                except SourceError:
                    for seen in got.page.seen:
                        del state.known[seen.key.id]  # nobody was told of them
                    raise
                yield page
        _forget_absent(state, listed)

    async def ended(self, project: str, since: datetime) -> AsyncIterator[Page]:
        """What has ended of all that was submitted since. Every entry is told, every time."""
        while True:
            asked = self._clock.theirs(since)
            call = partial(self._calls.ended, project, asked)
            async with aclosing(self._walk(call, Priority.OUTCOME, partial(self._read_ended, project))) as pages:
                async for got in pages:
                    if self._clock.theirs(since) < asked:
                        break  # its clock is behind what we believed: we asked for too little
                    yield await self._named(got.page, since)
                else:
                    return

    async def _named(self, page: Page, since: datetime | None = None) -> Page:
        """The page with the names of jobs, where those matter: not of what had ended before `since`."""
        if self._names is None:
            return page
        matter = [seen.key for seen in page.seen if not (since and seen.ended_at and seen.ended_at < since)]
        await self._names.learn(matter)
        return replace(page, seen=tuple(replace(seen, name=self._names.of(seen.key) or "") for seen in page.seen))

    async def _detailed(self, project: str, state: _Project, listed: set[str]) -> AsyncIterator[Page]:
        position = 0

        def read(reply: Reply) -> _Read:
            last = state.pages[position] if position < len(state.pages) else None
            if last is not None and last.body == reply.body:
                return _Read(last.body, last.marker, last.listed, Page(reply.at, last.page.ids, ()))
            return self._read_entries(project, state.known, reply)

        async for got in self._walk(partial(self._calls.queueing, project), Priority.SWEEP, read):
            state.pages[position : position + 1] = [got]
            position += 1
            listed.update(got.listed)
            yield got.page
        del state.pages[position:]

    async def _walk(
        self, call: Callable[[str], Call], priority: Priority, read: Callable[[Reply], _Read]
    ) -> AsyncGenerator[_Read, None]:
        """Page after page, as long as there is a marker to the next."""

        def read_dated(reply: Reply) -> _Read:
            self._clock.compare(read_http_date(reply.headers.get(_DATE, "")))
            return read(reply)

        marker = ""
        followed: set[str] = set()
        while True:
            got = await self._api.ask(call(marker), priority, read_dated)
            marker = got.marker
            yield got
            if not marker:
                return
            if marker in followed or len(followed) == _MOST_PAGES:
                raise malformed(f"{self._source}: the listing does not end: a marker came twice, or too many came")
            followed.add(marker)

    def _read_entries(self, project: str, known: Known, reply: Reply) -> _Read:
        marker, content = read_queueing(reply.body)
        read = read_entries(content)
        ids = list(read.named)
        listed = list(read.named)
        changed = []
        reply.skipped = read.skipped
        word, status = "", self._words.instance("")
        for entry in read.entries:
            name = entry.instance_id
            before = known.get(name)
            if before is None:
                if not is_instance_id(name):
                    reply.skipped += 1
                    continue
                key = InstanceKey(self._source, project, name)
                created_at = self._clock.ours(read_start_time(entry.start_time))
            else:
                last, seen = before.entry, before.seen
                if last == entry:
                    listed.append(name)
                    if not seen.ended:
                        ids.append(name)
                    continue
                key = seen.key
                same_start = isinstance(last, Entry) and last.start_time == entry.start_time
                created_at = seen.created_at if same_start else self._clock.ours(read_start_time(entry.start_time))
            if entry.status != word:  # nearly all of a page say the same
                word = entry.status
                status = self._words.instance(word)
            seen = observe(entry, status, key=key, created_at=created_at, at=reply.at)
            known[name] = _Told(entry, seen)
            changed.append(seen)
            listed.append(name)
            if not seen.ended:
                ids.append(name)
        if self._names is not None:
            self._names.note(changed)
        return _Read(reply.body, marker, tuple(listed), Page(reply.at, tuple(ids), tuple(changed)))

    def _read_rows(self, project: str, known: Known, reply: Reply) -> _Read:
        listing = read_listing(reply.body)
        reply.skipped = listing.skipped
        ids = []
        changed = []
        for row in listing.rows:
            before = known.get(row.id)
            seen = before.seen if before is not None and before.entry == row else None
            if seen is None:
                seen = self._observe_row(project, row, reply.at)
                known[row.id] = _Told(row, seen)
                changed.append(seen)
            if not seen.ended:
                ids.append(row.id)
        listed = tuple(row.id for row in listing.rows)
        return _Read(b"", listing.marker, listed, Page(reply.at, tuple(ids), tuple(changed)))

    def _read_ended(self, project: str, reply: Reply) -> _Read:
        listing = read_listing(reply.body)
        reply.skipped = listing.skipped
        every = (self._observe_row(project, row, reply.at) for row in listing.rows)
        over = tuple(seen for seen in every if seen.ended)  # a filter that the service may not know is not relied on
        ids = tuple(seen.key.id for seen in over)
        return _Read(b"", listing.marker, ids, Page(reply.at, ids, over))

    def _observe_row(self, project: str, row: Row, at: datetime) -> Seen:
        """What a row says: of a running one not whether it waits, of an ended one not how."""
        status = self._words.instance(row.status)
        return Seen(
            key=InstanceKey(self._source, project, row.id),
            at=at,
            kind="maxcompute",
            phase=Phase.SUSPENDED if status == SUSPENDED else None,
            native_status=clip(row.status, LONGEST_WORD),
            owner=row.owner,
            created_at=self._clock.ours(row.created_at),
            ended_at=self._clock.ours(row.ended_at) if status == TERMINATED else None,
            ended=status == TERMINATED,
        )


def _is_not_offered(error: RefusedError) -> bool:
    return (
        error.reason in {Reason.FORBIDDEN, Reason.NOT_FOUND} or error.status == 405 or error.code == "MethodNotAllowed"
    )


def _forget_absent(state: _Project, listed: set[str]) -> None:
    if len(state.known) > len(listed):
        state.known = {name: last for name, last in state.known.items() if name in listed}
