"""Jobs as they were submitted: each is asked for once, and remembered.

A plan names the tasks, so that most jobs need no other request; and it alone tells that the service deletes a job once
it has succeeded, which must be known before the job is gone.
"""

import asyncio

from msgspec import Struct

from monitor.core.model import InstanceKey, Phase
from monitor.sources.base import Priority, Reason, SourceError
from monitor.sources.batchcompute.api import Api
from monitor.sources.batchcompute.calls import Calls
from monitor.sources.batchcompute.documents import Plan, malformed, read_plan
from monitor.sources.batchcompute.recent import Recent
from monitor.sources.batchcompute.refusals import names_no_job
from monitor.sources.http import RefusedError, Reply
from monitor.sources.refusing import FINAL

_REMEMBERED = 300_000  # jobs, tasks and dependencies together
_FINAL = FINAL - {Reason.NOT_FOUND}  # a 404 that is not about the job is somebody else's, and passes
_LARGE = 64 * 1024  # bytes; a job has hundreds of tasks then, and reading it would hold up the loop
_LARGEST = 4 * 1024 * 1024  # no service takes such a job
_UNKNOWN = Plan()


class _Kept(Struct):
    plan: Plan
    runs: bool = False  # when it was seen last


class Plans:
    """The plans of one source."""

    def __init__(self, *, api: Api, calls: Calls) -> None:
        self._api = api
        self._calls = calls
        self._kept: Recent[_Kept] = Recent(_REMEMBERED)

    def known(self, job: str) -> Plan | None:
        """The plan, if it was asked for."""
        kept = self._kept.get(job)
        return None if kept is None else kept.plan

    async def learn(self, key: InstanceKey, priority: Priority) -> Plan:
        """The plan; an empty one where it cannot be had or read, or the job is gone. Raises SourceError where the
        service does not answer."""
        plan = self.known(key.id)
        if plan is None:
            try:
                plan = await self._ask(key, priority)
            except SourceError as error:
                if error.reason is Reason.MALFORMED or (isinstance(error, RefusedError) and names_no_job(error)):
                    return _UNKNOWN  # for now: something else may have answered
                if error.reason not in _FINAL:
                    raise
                plan = _UNKNOWN
            self._kept.put(key.id, _Kept(plan), plan.size)
        return plan

    async def _ask(self, key: InstanceKey, priority: Priority) -> Plan:
        read = await self._api.ask(self._calls.description(key), priority, _read)
        return read if isinstance(read, Plan) else await asyncio.to_thread(read_plan, read)

    def saw(self, job: str, phase: Phase | None) -> None:
        """Note how it stands."""
        kept = self._kept.get(job)
        if kept is not None:
            kept.runs = phase is Phase.RUNNING

    def was_released(self, job: str) -> bool:
        """Of a job that is gone: whether it ran when it was seen last, and goes when it has succeeded."""
        kept = self._kept.get(job)
        return kept is not None and kept.plan.released and kept.runs

    def forget(self, job: str) -> None:
        """It is over."""
        self._kept.forget(job)


def _read(reply: Reply) -> Plan | bytes:
    """The plan; of a large one the body, to be read beside the loop."""
    size = len(reply.body)
    if size > _LARGEST:
        raise malformed(f"the description is larger than {_LARGEST // 2**20} MiB")
    return read_plan(reply.body) if size <= _LARGE else reply.body
