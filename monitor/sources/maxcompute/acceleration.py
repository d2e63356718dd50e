"""Finds instances of the query acceleration (MCQA v2): they run beside the others, below a path of their own.

While one runs, the plain path may not know it, and once it has ended, the other may not know it any more: so both are
asked, first the one that answered last. What the service wants to hear back, a connection and a cookie, it is told.
"""

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace
from multidict import istr

from monitor.sources.base import Priority, Reason
from monitor.sources.http import RefusedError, Reply
from monitor.sources.maxcompute.api import Api
from monitor.sources.maxcompute.calls import Call, Calls
from monitor.sources.maxcompute.documents import read_connection

SUFFIX = "_mcqa"  # of their ids
_PREFIX = "/mcqa"
_CONNECTION, _COOKIE = "x-odps-mcqa-conn", "x-odps-mcqa-query-cookie"
_CONNECTION_OF, _COOKIE_OF = istr(_CONNECTION), istr(_COOKIE)
_REMEMBERED = 10_000  # instances

T = TypeVar("T")
V = TypeVar("V")
_ABSENT = frozenset({Reason.NOT_FOUND, Reason.REJECTED})


class Routes:
    """Asks about instances as the Api does, whichever path knows them. `quota` is the quota of the acceleration where
    the service cannot tell it from the project."""

    def __init__(self, *, api: Api, calls: Calls, quota: str | None) -> None:
        self._api = api
        self._calls = calls
        self._quota = quota
        self._connections: dict[str, str] = {}  # by project; empty: the service wants none
        self._cookies: dict[str, str] = {}  # by path of the instance
        self._beside: dict[str, None] = {}  # paths of those that the plain path did not know

    async def ask(self, call: Call, priority: Priority, read: Callable[[Reply], T]) -> T:
        """Send it and return what `read` makes of a good answer. Raises SourceError and nothing else."""
        if not call.path.endswith(SUFFIX):
            return await self._api.ask(call, priority, read)
        beside_first = call.path in self._beside
        try:
            return await self._on(call, priority, read, beside=beside_first)
        except RefusedError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            refused = error
        try:
            answer = await self._on(call, priority, read, beside=not beside_first)
        except RefusedError as error:
            if error.reason in _ABSENT:
                raise refused from None  # neither knows it
            raise
        if beside_first:
            self._beside.pop(call.path, None)
        else:
            _remember(self._beside, call.path, None)
        return answer

    async def _on(self, call: Call, priority: Priority, read: Callable[[Reply], T], *, beside: bool) -> T:
        headers = []
        if beside:
            project = call.path.split("/")[2]
            if project not in self._connections:
                self._connections[project] = await self._connection(project, priority)
            if connection := self._connections[project]:
                headers.append((_CONNECTION, connection))
        if cookie := self._cookies.get(call.path):
            headers.append((_COOKIE, cookie))
        prefix = _PREFIX if beside else ""
        routed = replace(call, path=prefix + call.path, quoted=prefix + call.quoted, headers=tuple(headers))

        def read_with_cookie(reply: Reply) -> T:
            if given := reply.headers.get(_COOKIE_OF):
                _remember(self._cookies, call.path, given)
            return read(reply)

        return await self._api.ask(routed, priority, read_with_cookie)

    async def _connection(self, project: str, priority: Priority) -> str:
        """What the service wants to hear of everybody who asks beside; empty where it does not offer it. Older ones
        tell it of the quota."""
        asked = [(self._calls.connection(project, self._quota), _read_connection)]
        if self._quota:
            asked.append((self._calls.quota(project, self._quota), _read_quota))
        for call, read in asked:
            try:
                return await self._api.ask(call, priority, read)
            except RefusedError as error:
                if error.reason not in _ABSENT and error.status != 405:
                    raise
        return ""


def _read_connection(reply: Reply) -> str:
    return read_connection(reply.body)


def _read_quota(reply: Reply) -> str:
    return reply.headers.get(_CONNECTION_OF, "")


def _remember(known: dict[str, V], path: str, value: V) -> None:
    known[path] = value
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]
