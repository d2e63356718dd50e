"""Query acceleration in both its forms.

v1: a session is an instance that stays, and runs queries that only its task knows. v2: an instance of its own for each
query, below a path of its own and with an id that says so; the plain path knows it once it has ended.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.emulator.errors import ServiceError, bad_request
from monitor.emulator.instances import Book, Instance
from monitor.emulator.jobs import Job
from monitor.emulator.plan import Outcome

SUFFIX = "_mcqa"  # of the ids of v2
PREFIX = "/mcqa"  # of its paths, below that of the service
CONNECTION, COOKIE = "x-odps-mcqa-conn", "x-odps-mcqa-query-cookie"
DEFAULT_QUOTA = "fast"
_RUNNING = 2
_ENDED = {Outcome.FAILED: 4, Outcome.SUCCESS: 5, Outcome.CANCELLED: 6}


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of one service. `begin` takes in the job of a query: project, owner, job."""

    book: Book
    begin: Callable[[str, str, Job], Instance]

    def query(self, session: Instance, value: str) -> str:
        """Runs a query that was left with the session as `{"query": .., "settings": {..}}`; the answer as text."""
        queries = _queries(session)
        if self.book.ended(session):
            raise bad_request(f"session '{session.id}' has ended")
        try:
            wanted = json.loads(value)
            text, settings = wanted["query"], wanted.get("settings", {})
            if not isinstance(text, str) or not isinstance(settings, dict):
                raise ValueError
        except (ValueError, TypeError, KeyError, AttributeError):
            raise bad_request('a query is {"query": "select 1;", "settings": {}}') from None
        job = Job(session.job.task, "SQL", text, settings={name: str(said) for name, said in settings.items()})
        query = self.begin(session.project, session.owner, job)
        query.hidden = True
        queries.append(query)
        return _said("ok", json.dumps({"queryId": len(queries), "status": _RUNNING}))

    def info(self, session: Instance, key: str) -> str | None:
        """What the session's task tells under a key, empty of a query that it does not know; None of any other key."""
        if key == "status":
            name = session.job.settings.get("odps.sql.session.share.id", session.id)
            return _said(self._state(session), f"Session name: {name}")
        if not key.startswith("result_"):
            return None
        number = key.removeprefix("result_")
        queries = _queries(session)
        if not (number.isascii() and number.isdigit() and 0 < int(number[:9]) <= len(queries)):
            return ""
        query = queries[int(number) - 1]
        text = query.result.text if self.book.ended(query) else ""
        return _said(self._state(query), text, warnings="", subQueryId=int(number))

    def _state(self, instance: Instance) -> int:
        return _ENDED[instance.plan.outcome] if self.book.ended(instance) else _RUNNING


def connection(project: str, quota: str) -> Mapping[str, str]:
    """How to reach the acceleration (v2) of a project."""
    return {"connInfo": f"{project}.{quota}.made-up", "quotaNickName": quota, "quotaType": "FUXI_VW"}


def require_connection(headers: Mapping[str, str], project: str) -> None:
    """Raises ServiceError of a request to v2 that does not say how it got there."""
    if not headers.get(CONNECTION, "").startswith(f"{project}."):
        raise bad_request(f"the header {CONNECTION} must hold the connInfo of GET /connection/mcqa?project={project}")


def require_path(instance: Instance, *, beside: bool, ended: bool) -> None:
    """Raises ServiceError of an instance that this path does not know."""
    if instance.accelerated is not beside and not (instance.accelerated and ended):
        raise ServiceError(404, "NoSuchObject", f"ODPS-0420095: Instance not found - '{instance.id}' on this path")


def _queries(session: Instance) -> list[Instance]:
    if session.queries is None:
        raise bad_request(f"instance '{session.id}' is no session: its task is not SQLRT")
    return session.queries


def _said(status: int | str, result: str, **more: Any) -> str:
    return json.dumps({"status": status, "result": result, **more})
