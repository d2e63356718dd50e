"""What we ask the service, as values: every address and parameter that we use stands here."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

import msgspec
from msgspec import Struct

from monitor.core.model import InstanceKey
from monitor.core.text import clip
from monitor.sources.base import Reason, SourceError
from monitor.sources.maxcompute.documents import is_instance_id
from monitor.sources.maxcompute.signing import Params

_PAGE_SIZE = "1000"
_XML = "application/xml"
_JSON = "application/json"
_STOP = b"<Instance><Status>Terminated</Status></Instance>"


class Call(Struct, frozen=True, gc=False):
    """A question. `path` stands below the endpoint, as it is signed; `quoted` is the same for the wire."""

    operation: str
    path: str
    quoted: str
    params: Params = ()
    method: str = "GET"
    content_type: str = ""
    body: bytes | None = None


class Calls:
    """The questions about the projects of one source."""

    def __init__(self, source: str, projects: Iterable[str], *, only_own: bool) -> None:
        self._source = source
        self._projects = {project: quote(project, safe="") for project in projects}
        self._owner = ("onlyowner", "yes" if only_own else "no")

    def queueing(self, project: str, marker: str) -> Call:
        """A page of what is queued or runs, with progress."""
        return self._listing("sweep", project, "cachedinstances", (), marker)

    def live(self, project: str, status: str, marker: str) -> Call:
        """A page of what has one of the live statuses, whatever it does."""
        return self._listing("sweep", project, "instances", (("status", status),), marker)

    def ended(self, project: str, since: datetime, marker: str) -> Call:
        """A page of what has ended of all that was submitted since; a second early rather than a fraction late."""
        span = ("daterange", f"{int(since.timestamp())}:")
        return self._listing("ended", project, "instances", (("status", "Terminated"), span), marker)

    def task_status(self, key: InstanceKey) -> Call:
        """How an instance and its tasks stand."""
        return self._instance("inspect", key, (("taskstatus", ""),))

    def status(self, key: InstanceKey) -> Call:
        """How an instance stands."""
        return self._instance("inspect", key)

    def progress(self, key: InstanceKey, task: str) -> Call:
        """The stages of a task."""
        return self._instance("stages", key, (("instanceprogress", task), ("taskname", task)))

    def results(self, key: InstanceKey) -> Call:
        """The result texts of all tasks."""
        return self._instance("results", key, (("result", ""),))

    def stop(self, key: InstanceKey) -> Call:
        """End it."""
        path, quoted = self._instance_path(key)
        return Call("stop", path, quoted, self._params(key.project), "PUT", _XML, _STOP)

    def token(self, key: InstanceKey, hours: int) -> Call:
        """A token that shows this instance to whoever holds it."""
        self._instance_path(key)
        path, quoted = self._path(key.project, "/authorization")
        statement = {
            "Action": ["odps:Read"],
            "Effect": "Allow",
            "Resource": f"acs:odps:*:projects/{key.project}/instances/{key.id}",
        }
        body = {"expires_in_hours": hours, "policy": {"Statement": [statement], "Version": "1"}}
        params = self._params(key.project, (("sign_bearer_token", ""),))
        return Call("logview", path, quoted, params, "POST", _JSON, msgspec.json.encode(body))

    def host(self, of: str) -> Call:
        """Where a page of the service is: of `logview` or of `webconsole`."""
        return Call("logview", f"/{of}/host", f"/{of}/host")

    def _listing(self, operation: str, project: str, what: str, params: Params, marker: str) -> Call:
        path, quoted = self._path(project, "/" + what)
        paging = (("maxitems", _PAGE_SIZE), ("marker", marker)) if marker else (("maxitems", _PAGE_SIZE),)
        return Call(operation, path, quoted, self._params(project, (*params, self._owner, *paging)))

    def _instance(self, operation: str, key: InstanceKey, params: Params = ()) -> Call:
        path, quoted = self._instance_path(key)
        return Call(operation, path, quoted, self._params(key.project, params))

    def _instance_path(self, key: InstanceKey) -> tuple[str, str]:
        if not is_instance_id(key.id):
            raise SourceError(Reason.NOT_FOUND, f"{self._source}: {clip(key.id, 80)!r} cannot be an id of an instance")
        return self._path(key.project, "/instances/" + key.id)

    def _params(self, project: str, params: Params = ()) -> Params:
        return (("curr_project", project), *params)

    def _path(self, project: str, tail: str) -> tuple[str, str]:
        quoted = self._projects.get(project)
        if quoted is None:
            text = f"{self._source}: {project!r} is not one of its projects: add it to `projects` of this source"
            raise SourceError(Reason.NOT_FOUND, text)
        return f"/projects/{project}{tail}", f"/projects/{quoted}{tail}"
