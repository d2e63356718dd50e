"""Observes a hundred jobs with one request: what is live, what has ended, and only what changed since the last look."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct
from msgspec.structs import replace
from multidict import istr

from monitor.core.events import Seen
from monitor.core.model import InstanceKey
from monitor.sources.base import Page, Priority, SourceError
from monitor.sources.batchcompute.api import Api
from monitor.sources.batchcompute.calls import Calls, is_job_id
from monitor.sources.batchcompute.documents import JobRow, page_reader
from monitor.sources.batchcompute.instances import Instances
from monitor.sources.batchcompute.observations import Observer
from monitor.sources.batchcompute.plans import Plans
from monitor.sources.batchcompute.tasks import only_task
from monitor.sources.batchcompute.words import LIVE, OVER
from monitor.sources.dates import ServiceClock, read_http_date
from monitor.sources.http import Reply

_READ_WHOLE_EVERY = timedelta(hours=1)  # the listings of what has ended, for what was started again long after
_AT_ONCE = 4
_DATE = istr("Date")

_read_jobs = page_reader(JobRow)


class Told(Struct, frozen=True, gc=False):
    """The last row of a job, and what we said of it."""

    row: JobRow
    seen: Seen


class _Read(Struct, gc=False):
    """A page as read. `created` are the times of all its rows, in their order."""

    body: bytes
    marker: str
    page: Page
    created: tuple[datetime | None, ...] = ()


class Listings:
    """All listings of one source.

    matters        whether a job is worth a request of its own
    learn_a_sweep  how many plans may be asked for with each sweep
    older_pages    how many pages of what was submitted earlier may be read with each listing of what has ended
    fresh_for      how long a row counts as how its job stands
    """

    def __init__(
        self,
        source: str,
        *,
        api: Api,
        calls: Calls,
        observer: Observer,
        plans: Plans,
        instances: Instances,
        matters: Callable[[Seen], bool],
        learn_a_sweep: int,
        older_pages: int,
        fresh_for: timedelta,
        now: Callable[[], datetime],
        clock: ServiceClock,
    ) -> None:
        self._source = source
        self._api = api
        self._calls = calls
        self._observer = observer
        self._plans = plans
        self._instances = instances
        self._matters = matters
        self._learn_a_sweep = learn_a_sweep
        self._older_pages = older_pages
        self._fresh_for = fresh_for
        self._now = now
        self._clock = clock
        self._known: dict[str, Told] = {}  # what the last sweeps listed, by id
        self._pages: dict[str, list[_Read]] = {}  # by state, by position
        self._unplanned: dict[str, InstanceKey] = {}
        self._swept_at: datetime | None = None  # when the last complete sweep got its first answer
        self._read_whole_at: datetime | None = None

    async def sweep(self, project: str) -> AsyncIterator[Page]:
        """What is live. In the order in which a job passes through the states: one that moves on meanwhile is listed
        twice and not missed."""
        listed: set[str] = set()
        first: datetime | None = None
        twice = False
        for state in LIVE:
            async for page in self._list_live(project, state):
                twice = twice or not listed.isdisjoint(page.ids)
                listed.update(page.ids)
                first = first or page.at
                yield page
        if twice:
            self._pages.clear()  # a page that comes again may be older than what was read after it
        self._forget_absent(listed)
        self._swept_at = first
        await self._learn_plans()

    async def ended(self, project: str, since: datetime) -> AsyncIterator[Page]:
        """What has ended of all that was submitted since, and of what is older as much as costs little, because a job
        of long ago may have been started again; sometimes of all that there is. Every row is told, every time."""
        now = self._now()
        whole = self._read_whole_at is None or now - self._read_whole_at >= _READ_WHOLE_EVERY
        listed: set[str] = set()
        older = self._older_pages
        for state in OVER:
            order = _Order()
            read = partial(self._read_ended, project)
            async with aclosing(
                self._api.walk(partial(self._calls.ended, project, state), Priority.OUTCOME, read)
            ) as pages:
                async for got in pages:
                    fresh = tuple(seen for seen in got.page.seen if seen.key.id not in listed)
                    listed.update(got.page.ids)
                    yield Page(got.page.at, tuple(seen.key.id for seen in fresh), fresh)
                    if order.has_passed(got.created, since) and not whole:
                        if not older:
                            break
                        older -= 1
        if whole:
            self._read_whole_at = now

    def is_live(self, job: str) -> bool:
        """Whether the last sweep listed it."""
        return job in self._known

    def latest(self, job: str) -> tuple[JobRow, datetime] | None:
        """The row of the last complete sweep, and when it was true; None where that is too long ago."""
        told = self._known.get(job)
        if told is None or self._swept_at is None:
            return None
        at = max(self._swept_at, told.seen.at)
        return (told.row, at) if self._now() - at <= self._fresh_for else None

    async def _list_live(self, project: str, state: str) -> AsyncIterator[Page]:
        """The pages of one state. One that came before, letter by letter, is not read again."""
        pages = self._pages.setdefault(state, [])
        position = 0

        def read(reply: Reply) -> _Read:
            self._compare(reply)
            last = pages[position] if position < len(pages) else None
            if last is not None and last.body == reply.body:
                return _Read(last.body, last.marker, Page(reply.at, last.page.ids, ()))
            return self._read_live(project, reply)

        async for got in self._api.walk(partial(self._calls.live, project, state), Priority.SWEEP, read):
            pages[position : position + 1] = [got]
            position += 1
            yield got.page
        del pages[position:]

    def _read_live(self, project: str, reply: Reply) -> _Read:
        listing = _read_jobs(reply.body)
        reply.skipped = listing.skipped
        known = self._known
        ids: list[str] = []
        changed: list[Seen] = []
        for row in listing.rows:
            before = known.get(row.id)
            if before is None:
                if not is_job_id(row.id):
                    reply.skipped += 1
                    continue
                key = InstanceKey(self._source, project, row.id)
            elif before.row == row:
                ids.append(row.id)
                continue
            else:
                key = before.seen.key
            phase = self._observer.phase(row)
            if phase is not None and phase.is_terminal:
                continue  # a filter that the service may not know is not relied on
            seen = self._with_stages(row, self._observer.job(row, phase, key, reply.at))
            known[row.id] = Told(row, seen)
            self._plans.saw(row.id, phase)
            if before is None and self._plans.known(row.id) is None and self._matters(seen):
                self._unplanned[row.id] = key
            changed.append(seen)
            ids.append(row.id)
        return _Read(reply.body, listing.marker, Page(reply.at, tuple(ids), tuple(changed)))

    def _with_stages(self, row: JobRow, seen: Seen) -> Seen:
        """Of a job with one task the row tells all."""
        plan = self._plans.known(row.id)
        task = only_task(row, plan)
        if plan is None or task is None:
            return seen
        tasks = self._observer.tasks((task,), plan, self._instances.retries(row))
        return replace(seen, tasks=tasks, stages_read=True)

    def _read_ended(self, project: str, reply: Reply) -> _Read:
        self._compare(reply)
        listing = _read_jobs(reply.body)
        reply.skipped = listing.skipped
        over: list[Seen] = []
        for row in listing.rows:
            if not is_job_id(row.id):
                reply.skipped += 1
                continue
            phase = self._observer.phase(row)
            if phase is not None and phase.is_terminal:
                over.append(self._observer.job(row, phase, InstanceKey(self._source, project, row.id), reply.at))
        page = Page(reply.at, tuple(seen.key.id for seen in over), tuple(over))
        return _Read(b"", listing.marker, page, tuple(self._observer.time(row.creation_time) for row in listing.rows))

    def _compare(self, reply: Reply) -> None:
        self._clock.compare(read_http_date(reply.headers.get(_DATE, "")))

    def _forget_absent(self, listed: set[str]) -> None:
        if len(self._known) > len(listed):
            self._known = {job: told for job, told in self._known.items() if job in listed}
        self._unplanned = {job: key for job, key in self._unplanned.items() if job in listed}

    async def _learn_plans(self) -> None:
        """Ask for some of the plans that are not known. The sweep itself is complete without them."""
        some = [key for _, key in zip(range(self._learn_a_sweep), self._unplanned.values(), strict=False)]
        if not some:
            return
        missing = iter(some)
        faults: list[SourceError] = []
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(_AT_ONCE, len(some))):
                tasks.create_task(self._learn(missing, faults))

    async def _learn(self, keys: Iterator[InstanceKey], faults: list[SourceError]) -> None:
        for key in keys:
            if faults:
                return  # the service has trouble: the next sweep asks for the rest
            try:
                await self._plans.learn(key, Priority.SWEEP)
            except SourceError as error:
                faults.append(error)
                return
            self._unplanned.pop(key.id, None)
            told = self._known.get(key.id)
            if told is not None:
                self._plans.saw(key.id, told.seen.phase)


class _Order:
    """Whether a listing really comes newest first, as it was asked to, and how far back it is."""

    def __init__(self) -> None:
        self._holds = True
        self._last: datetime | None = None

    def has_passed(self, created: tuple[datetime | None, ...], since: datetime) -> bool:
        """Whether nothing that follows this page can have been created after `since`."""
        for moment in created:
            if moment is None or (self._last is not None and moment > self._last):
                self._holds = False
            self._last = moment
        return self._holds and bool(created) and all(moment is not None and moment < since for moment in created)
