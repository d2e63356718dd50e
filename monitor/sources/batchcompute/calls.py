"""What we ask the service, as values: every address and parameter that we use stands here."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from monitor.core.model import InstanceKey
from monitor.core.text import clip
from monitor.sources.base import Reason, SourceError
from monitor.sources.batchcompute.signing import Params, query

PAGE_SIZE = 100  # the largest that is allowed
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Call(Struct, frozen=True, gc=False):
    """A question. `target` stands below the endpoint, encoded for the wire. What is `repeatable` may be sent twice."""

    operation: str
    target: str
    method: str = "GET"
    body: bytes | None = None
    repeatable: bool = True


def is_job_id(text: str) -> bool:
    """Whether the service could have made this id. Others would not survive a URL or a key of ours."""
    return _JOB_ID.fullmatch(text) is not None


class Calls:
    """The questions of one source, whose one project is its region."""

    def __init__(self, source: str, region: str) -> None:
        self._source = source
        self._region = region

    def live(self, project: str, state: str, marker: str) -> Call:
        """A page of the jobs in one of the live states."""
        self._check(project)
        return Call("sweep", "/jobs" + query((*_paging(marker), ("State", state))))

    def ended(self, project: str, state: str, marker: str) -> Call:
        """A page of the jobs that ended so, the newest first."""
        self._check(project)
        newest_first = (("OrderBy", "CreationTime"), ("IsReverse", "True"))
        return Call("ended", "/jobs" + query((*_paging(marker), ("State", state), *newest_first)))

    def job(self, key: InstanceKey) -> Call:
        """How a job stands."""
        return Call("inspect", self._job(key))

    def description(self, key: InstanceKey) -> Call:
        """The job as it was submitted."""
        return Call("description", self._job(key) + "?description")

    def tasks(self, key: InstanceKey, marker: str) -> Call:
        """A page of a job's tasks."""
        return Call("stages", self._job(key) + "/tasks" + query(_paging(marker)))

    def instances(self, key: InstanceKey, task: str, marker: str, *, state: str = "") -> Call:
        """A page of a task's instances, perhaps only of those in one state."""
        only: Params = (("State", state),) if state else ()
        return Call(
            "instances", f"{self._job(key)}/tasks/{_segment(task)}/instances" + query((*_paging(marker), *only))
        )

    def stop(self, key: InstanceKey) -> Call:
        """End it."""
        return Call("stop", self._job(key) + "/stop", method="POST", repeatable=False)

    def restart(self, key: InstanceKey) -> Call:
        """Run again what did not finish."""
        return Call("restart", self._job(key) + "/start", method="POST", repeatable=False)

    def submit(self, project: str, job: Mapping[str, Any], token: str) -> Call:  # Any: JSON
        """Submit it; a token makes that repeatable."""
        self._check(project)
        target = "/jobs" + query((("IdempotentToken", token),) if token else ())
        return Call("submit", target, "POST", msgspec.json.encode(job), repeatable=bool(token))

    def _job(self, key: InstanceKey) -> str:
        self._check(key.project)
        if not is_job_id(key.id):
            raise SourceError(Reason.NOT_FOUND, f"{self._source}: {clip(key.id, 80)!r} cannot be an id of a job")
        return "/jobs/" + key.id

    def _check(self, project: str) -> None:
        if project != self._region:
            text = f"{self._source}: {clip(project, 80)!r} is not one of its projects: it has one, its `region`"
            raise SourceError(Reason.NOT_FOUND, f"{text} {self._region}")


def _paging(marker: str) -> Params:
    return (("Marker", marker), ("MaxItemCount", str(PAGE_SIZE)))


def _segment(name: str) -> str:
    """A part of a path; dots alone would lead elsewhere."""
    return quote(name, safe="") if name.strip(".") else "%2E" * len(name)
