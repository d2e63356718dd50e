"""Asks about the queries of a session (MCQA v1): they share one instance, and only the session's task knows them.

No listing shows them and none has stages: who wants one watched registers it by its key, `source/project/SESSION:N`.
"""

from collections.abc import Callable
from datetime import datetime

from monitor.core.events import Gone, Seen
from monitor.core.model import InstanceKey, Phase, Task
from monitor.core.text import clip
from monitor.sources.base import Priority, Reason, SourceError
from monitor.sources.http import RefusedError, Reply
from monitor.sources.maxcompute.api import Api
from monitor.sources.maxcompute.calls import Calls
from monitor.sources.maxcompute.documents import (
    LONGEST_NAME,
    QueryState,
    TaskStatus,
    read_query,
    read_task_status,
    split_id,
)
from monitor.sources.maxcompute.failures import read_failure

_SESSION = "sqlrt"  # the type of the task that runs the queries
_USUAL_TASK = "AnonymousSQLRTTask"
_REMEMBERED = 1_000  # sessions

# The service's numbers, in the words of its clients.
_STATES = {
    2: ("Running", Phase.RUNNING),
    4: ("Failed", Phase.FAILED),
    5: ("Terminated", Phase.SUCCEEDED),
    6: ("Cancelled", Phase.CANCELLED),
}


class Queries:
    """All questions about queries within sessions of one source."""

    def __init__(self, *, api: Api, calls: Calls, now: Callable[[], datetime]) -> None:
        self._api = api
        self._calls = calls
        self._now = now
        self._tasks: dict[tuple[str, str], str] = {}  # of sessions, by project and id

    async def inspect(self, key: InstanceKey, priority: Priority) -> Seen | Gone:
        """How it stands, and why it failed: one answer tells both."""
        try:
            task, at, got = await self._ask(key, priority)
        except RefusedError as error:
            if error.reason is Reason.NOT_FOUND and error.code not in {"", "NoSuchProject"}:
                return Gone(key, self._now())
            raise
        if got is None:
            return Gone(key, at)
        word, phase = _STATES.get(got.status, (f"status {got.status}", None))
        failure = read_failure(task, got.result or "") if phase is Phase.FAILED else None
        return Seen(
            key=key,
            at=at,
            kind="maxcompute",
            phase=phase,
            native_status=word,
            tasks=(Task(clip(task, LONGEST_NAME), "SQLRT", phase),),
            stages_read=True,
            failure=failure,
            ended=phase is not None and phase.is_terminal,
        )

    async def results(self, key: InstanceKey) -> dict[str, str]:
        """Its result as text, or why it failed, by the name of the session's task."""
        task, _, got = await self._ask(key, Priority.WATCHED)
        if got is None:
            raise SourceError(Reason.NOT_FOUND, f"{key.source}: the session knows no query {split_id(key.id)[1]}")
        return {task: got.result or ""}

    async def _ask(self, key: InstanceKey, priority: Priority) -> tuple[str, datetime, QueryState | None]:
        session, number = split_id(key.id)
        place = (key.project, session)
        task = self._tasks.get(place)
        if task is None:
            told = await self._api.ask(self._calls.task_status(key), priority, _read_session)
            task = next((row.name for row in told.tasks if row.type.lower() == _SESSION), _USUAL_TASK)
            self._tasks[place] = task
            if len(self._tasks) > _REMEMBERED:
                del self._tasks[next(iter(self._tasks))]
        call = self._calls.query(key, task, number)
        at, got = await self._api.ask(call, priority, lambda reply: (reply.at, read_query(reply.body)))
        return task, at, got


def _read_session(reply: Reply) -> TaskStatus:
    return read_task_status(reply.body)
