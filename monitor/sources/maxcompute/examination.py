"""Looks whether an account has what watching a MaxCompute project takes: the way there, the key, and each right."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

from monitor.core.model import InstanceKey
from monitor.sources.base import Check, Priority, Reason, SourceError
from monitor.sources.examining import Examiner, granted, refused, untried
from monitor.sources.maxcompute.api import Api
from monitor.sources.maxcompute.calls import Calls
from monitor.sources.maxcompute.documents import read_listing, read_queueing, read_task_status

_LOOK_BACK = timedelta(days=30)  # for an instance that can be read

LIST, QUEUEING = "odps:List on instances", "odps:List on cachedinstances"
READ, LOGVIEW, STOP = "odps:Read on an instance", "LogView of an instance", "odps:Write on an instance"


class Examination:
    """Of one account on one endpoint. `account` says in words whose key it is; `page` makes an address of the service's
    page about an instance."""

    def __init__(
        self,
        source: str,
        endpoint: str,
        *,
        account: str,
        api: Api,
        calls: Calls,
        page: Callable[[InstanceKey, int], Awaitable[str]],
        now: Callable[[], datetime],
    ) -> None:
        self._source = source
        self._endpoint = endpoint
        self._account = account
        self._api = api
        self._calls = calls
        self._page = page
        self._now = now

    async def examine(self, project: str) -> AsyncIterator[Check]:
        """All checks; ends early where nothing behind a failed one can be tried."""
        examiner = Examiner(self._endpoint, self._account, self._now)

        async def ask() -> None:
            call = self._calls.live(project, "Running", "")
            await self._api.ask(call, Priority.WATCHED, examiner.dated(lambda reply: read_listing(reply.body)))

        missing = Check(
            name="project",
            ok=False,
            detail=f"the service knows no project {project!r}",
            fix="check `projects` of this source, and that `endpoint` has its path (usually /api)",
        )
        async for check in examiner.begin(ask, project=missing):
            yield check
            if check.ok is False and check.name != "clock":
                return
        async for check in self._rights(project):
            yield check

    async def _rights(self, project: str) -> AsyncIterator[Check]:
        instance = None
        try:
            instance = await self._some_instance(project)
            yield granted(LIST)
        except SourceError as error:
            yield refused(LIST, error, f"grant odps:List on projects/{project}/instances: without it nothing is found")
        yield await self._queueing(project)
        if instance is None:
            why = "no instance of the last 30 days is listed"
            yield untried(READ, why)
            yield untried(LOGVIEW, why)
        else:
            yield await self._read(instance)
            yield await self._logview(instance)
        yield untried(STOP, "it would end an instance. It is needed by `stagewatch stop` alone")

    async def _some_instance(self, project: str) -> InstanceKey | None:
        since = self._now() - _LOOK_BACK
        for call in (self._calls.live(project, "Running", ""), self._calls.ended(project, since, "")):
            listing = await self._api.ask(call, Priority.WATCHED, lambda reply: read_listing(reply.body))
            if listing.rows:
                return InstanceKey(self._source, project, listing.rows[0].id)
        return None

    async def _queueing(self, project: str) -> Check:
        call = self._calls.queueing(project, "")
        try:
            await self._api.ask(call, Priority.WATCHED, lambda reply: read_queueing(reply.body))
        except SourceError as error:
            if error.reason in {Reason.NOT_FOUND, Reason.REJECTED}:
                return untried(QUEUEING, "the service does not offer this listing, and sweeps do with the other one")
            why = "sweeps do with the other listing, which tells no progress, no queue and no names of jobs"
            return refused(QUEUEING, error, f"grant odps:List on projects/{project}/cachedinstances: without it {why}")
        return granted(QUEUEING)

    async def _read(self, key: InstanceKey) -> Check:
        try:
            await self._api.ask(
                self._calls.task_status(key), Priority.WATCHED, lambda reply: read_task_status(reply.body)
            )
        except SourceError as error:
            fix = f"grant odps:Read on projects/{key.project}/instances/*: without it nobody learns how one ends"
            return refused(READ, error, fix)
        return granted(READ)

    async def _logview(self, key: InstanceKey) -> Check:
        try:
            await self._page(key, 1)
        except SourceError as error:
            fix = (
                f"let this account sign tokens (POST projects/{key.project}/authorization), or set logview_version: v2 "
                "and region, whose pages take none"
            )
            return refused(LOGVIEW, error, fix)
        return granted(LOGVIEW)
