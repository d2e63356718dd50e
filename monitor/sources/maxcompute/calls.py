"""What we ask the service, as values: every address and parameter that we use stands here."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from monitor.core.model import InstanceKey
from monitor.sources.base import Reason, SourceError
from monitor.sources.maxcompute.documents import split_id
from monitor.sources.maxcompute.signing import Params, Query, query

_PAGE_SIZE = "1000"
_XML = "application/xml"
_JSON = "application/json"
_STOP = b"<Instance><Status>Terminated</Status></Instance>"


class Call(Struct, frozen=True, gc=False):
    """A question. `path` stands below the endpoint, as it is signed; `quoted` is the same for the wire."""

    operation: str
    path: str
    quoted: str
    words: Query
    method: str = "GET"
    content_type: str = ""
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()  # besides those that every request carries; names in lower case


class _Project(Struct, frozen=True):
    """The parts of questions about a project that are always the same."""

    path: str
    quoted: str
    plain: Query
    task_status: Query
    results: Query
    source: Query
    steps: Query


class Calls:
    """The questions about the projects of one source."""

    def __init__(self, source: str, projects: Iterable[str], *, only_own: bool) -> None:
        self._source = source
        self._projects = {
            project: _Project(
                path=f"/projects/{project}",
                quoted=f"/projects/{quote(project, safe='')}",
                plain=_words(project),
                task_status=_words(project, ("taskstatus", "")),
                results=_words(project, ("result", "")),
                source=_words(project, ("source", "")),
                steps=_words(project, ("xresult", "")),
            )
            for project in projects
        }
        self._owner = ("onlyowner", "yes" if only_own else "no")

    def queueing(self, project: str, marker: str) -> Call:
        """A page of what is queued or runs, with progress."""
        return self._listing("sweep", project, "/cachedinstances", (), marker)

    def live(self, project: str, status: str, marker: str) -> Call:
        """A page of what has one of the live statuses, whatever it does."""
        return self._listing("sweep", project, "/instances", (("status", status),), marker)

    def ended(self, project: str, since: datetime, marker: str) -> Call:
        """A page of what has ended of all that was submitted since; a second early rather than a fraction late."""
        span = ("daterange", f"{int(since.timestamp())}:")
        return self._listing("ended", project, "/instances", (("status", "Terminated"), span), marker)

    def task_status(self, key: InstanceKey) -> Call:
        """How an instance and its tasks stand."""
        project = self._project(key.project)
        return self._instance("inspect", project, key, project.task_status)

    def status(self, key: InstanceKey) -> Call:
        """How an instance stands."""
        project = self._project(key.project)
        return self._instance("inspect", project, key, project.plain)

    def progress(self, key: InstanceKey, task: str) -> Call:
        """The stages of a task."""
        words = _words(key.project, ("instanceprogress", task), ("taskname", task))
        return self._instance("stages", self._project(key.project), key, words)

    def results(self, key: InstanceKey) -> Call:
        """The result texts of all tasks."""
        project = self._project(key.project)
        return self._instance("results", project, key, project.results)

    def source(self, key: InstanceKey) -> Call:
        """The job as it was submitted."""
        project = self._project(key.project)
        return self._instance("source", project, key, project.source)

    def steps(self, key: InstanceKey) -> Call:
        """What a workflow has started so far."""
        project = self._project(key.project)
        return self._instance("steps", project, key, project.steps)

    def query(self, key: InstanceKey, task: str, number: str) -> Call:
        """How a query of a session stands, and its result."""
        words = _words(key.project, ("info", ""), ("taskname", task), ("key", f"result_{number}"))
        return self._instance("inspect", self._project(key.project), key, words)

    def connection(self, project: str, quota: str | None) -> Call:
        """How to reach the query acceleration (MCQA v2) of a project."""
        self._project(project)
        words = _words(project, ("project", project), *((("quota", quota),) if quota else ()))
        return Call("inspect", "/connection/mcqa", "/connection/mcqa", words)

    def quota(self, project: str, quota: str) -> Call:
        """The same where the service tells it of the quota instead, in a header."""
        words = _words(project, ("project", project), ("version", "wlm"))
        return Call("inspect", f"/quotas/{quota}", f"/quotas/{quote(quota, safe='')}", words)

    def stop(self, key: InstanceKey) -> Call:
        """End it."""
        project = self._project(key.project)
        call = self._instance("stop", project, key, project.plain)
        return replace(call, method="PUT", content_type=_XML, body=_STOP)

    def token(self, key: InstanceKey, hours: int) -> Call:
        """A token that shows this instance to whoever holds it."""
        project = self._project(key.project)
        allowed = self._instance("logview", project, key, project.plain)
        statement = {"Action": ["odps:Read"], "Effect": "Allow", "Resource": f"acs:odps:*:{allowed.path[1:]}"}
        body = {"expires_in_hours": hours, "policy": {"Statement": [statement], "Version": "1"}}
        return Call(
            "logview",
            project.path + "/authorization",
            project.quoted + "/authorization",
            _words(key.project, ("sign_bearer_token", "")),
            method="POST",
            content_type=_JSON,
            body=msgspec.json.encode(body),
        )

    def host(self, of: str) -> Call:
        """Where a page of the service is: of `logview` or of `webconsole`."""
        return Call("logview", f"/{of}/host", f"/{of}/host", query(()))

    def _listing(self, operation: str, name: str, what: str, params: Params, marker: str) -> Call:
        project = self._project(name)
        paging = (("maxitems", _PAGE_SIZE), ("marker", marker)) if marker else (("maxitems", _PAGE_SIZE),)
        words = _words(name, *params, self._owner, *paging)
        return Call(operation, project.path + what, project.quoted + what, words)

    def _instance(self, operation: str, project: _Project, key: InstanceKey, words: Query) -> Call:
        try:
            instance, _ = split_id(key.id)
        except ValueError as error:
            raise SourceError(Reason.NOT_FOUND, f"{self._source}: {error}") from None
        tail = "/instances/" + instance
        return Call(operation, project.path + tail, project.quoted + tail, words)

    def _project(self, name: str) -> _Project:
        project = self._projects.get(name)
        if project is None:
            text = f"{self._source}: {name!r} is not one of its projects: add it to `projects` of this source"
            raise SourceError(Reason.NOT_FOUND, text)
        return project


def _words(project: str, *params: tuple[str, str]) -> Query:
    return query((("curr_project", project), *params))
