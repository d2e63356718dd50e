"""Addresses of the service's own page about an instance (LogView, and its successor).

The old page (v1) wants a token in its address; the new one (v2) a browser that is logged in, and a region.
"""

from collections.abc import Callable
from urllib.parse import quote, urlsplit

from monitor.core.model import InstanceKey
from monitor.section import Secret
from monitor.sources.base import Priority, Reason, SourceError
from monitor.sources.http import RefusedError
from monitor.sources.maxcompute.api import Api
from monitor.sources.maxcompute.calls import Calls
from monitor.sources.maxcompute.documents import read_token, split_id
from monitor.sources.maxcompute.section import MaxComputeSection

CONSOLE = "https://maxcompute.console.aliyun.com"  # where v2 is, if it is wanted and the service does not say


class Pages:
    """Makes addresses, of the page that `section` asks for. `token` is the account's own where it is a bearer token:
    then none is asked for."""

    def __init__(
        self,
        section: MaxComputeSection,
        *,
        api: Api,
        calls: Calls,
        token: Callable[[], Secret | None],
    ) -> None:
        self._source = section.name
        self._endpoint = section.endpoint
        self._version = section.logview_version
        self._hours = section.logview_hours
        self._api = api
        self._calls = calls
        self._region = section.region
        self._token = token
        self._old_host = section.logview_host
        self._new_host = section.console_host  # None: not asked yet; empty: the service has none

    async def address(self, key: InstanceKey, hours: int | None) -> str:
        """A fresh address. It may hold a token: whoever has it can read the instance for so many hours."""
        self._calls.status(key)  # refuses what is no instance of ours
        instance, query = split_id(key.id)
        where = f"h={quote(self._endpoint, safe='')}&p={quote(key.project, safe='')}&i={quote(instance, safe='')}"
        which = f"&subQuery={query}" if query else ""
        if self._region is not None and self._version != "v1":
            if self._new_host is None:
                self._new_host = await self._host("webconsole") or (CONSOLE if self._version == "v2" else "")
            if self._new_host:
                return f"{self._new_host}/{quote(self._region, safe='')}/job-insights?{where}{which}"
        token = await self._fresh_token(key, hours or self._hours)
        if self._old_host is None:
            self._old_host = await self._host("logview") or None
        if self._old_host is None:
            text = f"{self._source}: the service names no LogView host: set `logview_host` of this source"
            raise SourceError(Reason.REJECTED, text)
        return f"{self._old_host}/logview/?{where}&token={quote(token, safe='')}{which}"

    async def _fresh_token(self, key: InstanceKey, hours: int) -> str:
        call = self._calls.token(key, hours)
        if token := self._token():
            return token.reveal()
        return await self._api.ask(call, Priority.WATCHED, lambda reply: read_token(reply.body))

    async def _host(self, of: str) -> str:
        """Where that page is, or an empty text where the service has none or answers with something else."""
        try:
            text = await self._api.ask(self._calls.host(of), Priority.WATCHED, lambda reply: reply.body)
        except RefusedError as error:
            if error.reason in {Reason.NOT_FOUND, Reason.REJECTED}:
                return ""
            raise
        host = text.decode(errors="replace").strip().rstrip("/")
        try:
            parts = urlsplit(host)
        except ValueError:
            return ""
        return host if parts.scheme in {"http", "https"} and parts.netloc and host.isprintable() else ""
