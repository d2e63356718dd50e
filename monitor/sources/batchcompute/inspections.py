"""Asks about one job: how it stands, why it failed, and how far its tasks are.

As few requests as it takes: none where the last sweep has told everything, one as a rule, one more for the tasks of a
job that has several and has changed. The last look at a job that ended tells all that people will want to know of it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from monitor.core.events import Gone, Seen
from monitor.core.model import InstanceKey, Phase
from monitor.sources.base import Detail, Priority, SourceError
from monitor.sources.batchcompute.api import Api
from monitor.sources.batchcompute.calls import Calls, is_job_id
from monitor.sources.batchcompute.documents import JobRow, Plan, TaskRow, row_reader
from monitor.sources.batchcompute.failures import Failures
from monitor.sources.batchcompute.instances import Instances
from monitor.sources.batchcompute.listings import Listings
from monitor.sources.batchcompute.observations import Observer
from monitor.sources.batchcompute.plans import Plans
from monitor.sources.batchcompute.refusals import names_no_job
from monitor.sources.batchcompute.tasks import Tasks
from monitor.sources.dates import ServiceClock, read_http_date
from monitor.sources.http import RefusedError, Reply
from monitor.sources.refusing import FINAL

_read_job = row_reader(JobRow)


class Inspections:
    """All questions about single jobs of one source."""

    def __init__(
        self,
        *,
        api: Api,
        calls: Calls,
        observer: Observer,
        plans: Plans,
        tasks: Tasks,
        instances: Instances,
        failures: Failures,
        listings: Listings,
        now: Callable[[], datetime],
        clock: ServiceClock,
    ) -> None:
        self._api = api
        self._calls = calls
        self._observer = observer
        self._plans = plans
        self._tasks = tasks
        self._instances = instances
        self._failures = failures
        self._listings = listings
        self._now = now
        self._clock = clock

    async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
        """How it stands, and as much more as is wanted."""
        if not is_job_id(key.id):
            return Gone(key, self._now())
        call = self._calls.job(key)  # refuses what is no project of ours
        # Nobody waits for what attention has planned: the last sweep is as good as an answer of now.
        told = self._listings.latest(key.id) if want is Detail.STAGES and priority is Priority.ATTENTION else None
        try:
            row, at = told if told is not None else await self._api.ask(call, priority, self._read)
        except RefusedError as error:
            if not names_no_job(error):
                raise
            # One answer may be wrong, and a success is the last word: no sweep may list it either.
            released = self._plans.was_released(key.id) and not self._listings.is_live(key.id)
            return self._observer.released(key, self._now()) if released else Gone(key, self._now())
        phase = self._observer.phase(row)
        seen = self._observer.job(row, phase, key, at)
        self._plans.saw(key.id, phase)
        if want is Detail.PHASE or not (seen.ended or want is Detail.STAGES):
            return seen
        return await self._look(row, seen, priority)

    async def _look(self, row: JobRow, seen: Seen, priority: Priority) -> Seen:
        """Its tasks, and of a failure the reason."""
        key = seen.key
        plan = await self._plans.learn(key, priority)
        self._plans.saw(key.id, seen.phase)
        try:
            tasks: Sequence[TaskRow] | None = await self._tasks.of(key, row, plan, priority)
        except SourceError as error:
            if error.reason not in FINAL:
                raise
            tasks = None
        if seen.phase is Phase.FAILED:
            seen = replace(seen, failure=await self._failures.explain(key, row, tasks or (), priority))
        if tasks is not None:
            await self._count_retries(seen, row, tasks, plan, priority)
            shown = self._observer.tasks(tasks, plan, self._instances.retries(row))
            seen = replace(seen, tasks=shown, stages_read=True)
        if seen.ended:  # thousands end in a day, and hardly one is asked about again
            self._plans.forget(key.id)
            self._instances.forget(key.id)
            self._tasks.forget(key.id)
        return seen

    async def _count_retries(
        self, seen: Seen, row: JobRow, tasks: Sequence[TaskRow], plan: Plan, priority: Priority
    ) -> None:
        if not seen.ended and priority is not Priority.WATCHED:
            return
        try:
            await self._instances.count_retries(seen.key, row, tasks, plan, priority, ended=seen.ended)
        except SourceError:
            return  # what is known of them will do: the rest does not wait for it

    def _read(self, reply: Reply) -> tuple[JobRow, datetime]:
        self._clock.compare(read_http_date(reply.headers.get("Date", "")))
        row, maimed = _read_job(reply.body)
        reply.skipped = int(maimed)
        return row, reply.at
