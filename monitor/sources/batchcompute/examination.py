"""Looks whether an account has what watching Batch Compute jobs takes: the way there, the key, and each right."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime

from monitor.core.model import InstanceKey
from monitor.sources.base import Check, Priority, SourceError
from monitor.sources.batchcompute.api import Api
from monitor.sources.batchcompute.calls import Call, Calls
from monitor.sources.batchcompute.documents import JobRow, TaskRow, page_reader
from monitor.sources.batchcompute.words import LIVE, OVER
from monitor.sources.examining import Examiner, granted, refused, untried

_read_jobs = page_reader(JobRow)
_read_tasks = page_reader(TaskRow)

_LOSES = {
    "ListJobs": "nothing is found",
    "GetJob": "nobody learns how a job ends",
    "GetJobDescription": "the graph of a job is not shown, and stages have no totals",
    "ListTasks": "stages are not shown",
    "ListInstances": "nobody learns why a job failed",
}
_CHANGING = "CreateJob, StopJob, StartJob"


class Examination:
    """Of one account on one endpoint. `account` says in words whose key it is."""

    def __init__(
        self, source: str, endpoint: str, *, account: str, api: Api, calls: Calls, now: Callable[[], datetime]
    ) -> None:
        self._source = source
        self._endpoint = endpoint
        self._account = account
        self._api = api
        self._calls = calls
        self._now = now

    async def examine(self, project: str) -> AsyncIterator[Check]:
        """All checks; ends early where nothing behind a failed one can be tried."""
        examiner = Examiner(self._endpoint, self._account, self._now)

        async def ask() -> None:
            call = self._calls.live(project, LIVE[0], "")
            await self._api.ask(call, Priority.WATCHED, examiner.dated(lambda reply: _read_jobs(reply.body)))

        missing = Check(
            name="answer",
            ok=False,
            detail="what answers there does not know jobs",
            fix="check `endpoint`, which has no path as a rule",
        )
        async for check in examiner.begin(ask, project=missing):
            yield check
            if check.ok is False and check.name != "clock":
                return
        async for check in self._rights(project):
            yield check

    async def _rights(self, project: str) -> AsyncIterator[Check]:
        job = None
        try:
            job = await self._some_job(project)
            yield granted("ListJobs")
        except SourceError as error:
            yield _missing("ListJobs", error)
        if job is None:
            for name in list(_LOSES)[1:]:
                yield untried(name, "no job is listed")
        else:
            yield await self._use("GetJob", self._calls.job(job))
            yield await self._use("GetJobDescription", self._calls.description(job))
            async for check in self._rights_to_tasks(job):
                yield check
        yield untried(
            _CHANGING, "they would change something. They are needed by `run-job`, `stop` and `restart` alone"
        )

    async def _rights_to_tasks(self, job: InstanceKey) -> AsyncIterator[Check]:
        try:
            listing = await self._api.ask(
                self._calls.tasks(job, ""), Priority.WATCHED, lambda reply: _read_tasks(reply.body)
            )
        except SourceError as error:
            yield _missing("ListTasks", error)
            yield untried("ListInstances", "the name of a task is needed for it")
            return
        yield granted("ListTasks")
        if listing.rows:
            yield await self._use("ListInstances", self._calls.instances(job, listing.rows[0].task_name, ""))
        else:
            yield untried("ListInstances", "the job has no task yet")

    async def _some_job(self, project: str) -> InstanceKey | None:
        calls = (
            *(self._calls.live(project, state, "") for state in reversed(LIVE)),
            *(self._calls.ended(project, state, "") for state in OVER),
        )
        for call in calls:
            listing = await self._api.ask(call, Priority.WATCHED, lambda reply: _read_jobs(reply.body))
            if listing.rows:
                return InstanceKey(self._source, project, listing.rows[0].id)
        return None

    async def _use(self, name: str, call: Call) -> Check:
        try:
            await self._api.ask(call, Priority.WATCHED, lambda _reply: None)
        except SourceError as error:
            return _missing(name, error)
        return granted(name)


def _missing(name: str, error: SourceError) -> Check:
    return refused(name, error, f"grant this account batchcompute:{name}: without it {_LOSES[name]}")
