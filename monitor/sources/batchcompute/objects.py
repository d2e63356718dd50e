"""Reads the end of a log object from OSS, where programs' output is: one signed request (version 1) with a range."""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from monitor.sources.base import Priority, Reason
from monitor.sources.batchcompute.signing import Account, Signer
from monitor.sources.credentials import Credentials
from monitor.sources.dates import ServiceClock
from monitor.sources.http import RefusedError, Reply, Request, Transport

TAIL = 2048  # bytes
_NOT_TAKEN = frozenset({400, 401, 403})  # statuses with which a key or a token is refused, among other things
_PLACE = re.compile(r"oss://([a-z0-9][a-z0-9-]{1,61}[a-z0-9])/(.+)", re.DOTALL)


def signature(
    key: bytes,
    method: str,
    resource: str,
    date: str,
    *,
    content_type: str = "",
    content_md5: str = "",
    own: Mapping[str, str] | None = None,
) -> str:
    """Version 1: `resource` is `/bucket/key`, decoded; `own` are the headers in `x-oss-`, in lower case."""
    lines = "".join(f"{name}:{value}\n" for name, value in sorted((own or {}).items()))
    text = f"{method}\n{content_md5}\n{content_type}\n{date}\n{lines}{resource}"
    return b64encode(hmac.digest(key, text.encode(errors="surrogatepass"), "sha1")).decode()


class Objects:
    """The objects that one account may read."""

    def __init__(
        self, endpoint: str, *, credentials: Credentials[Account, Signer], transport: Transport, clock: ServiceClock
    ) -> None:
        parts = urlsplit(endpoint)
        self._scheme = parts.scheme
        self._netloc = parts.netloc
        self._path = parts.path
        self._bucket_in_path = _is_one_machine(parts.hostname or "")
        self._credentials = credentials
        self._transport = transport
        self._clock = clock

    async def end_of(self, place: str, priority: Priority) -> str:
        """The last 2 kB of `oss://bucket/key` as text; empty where there is no such object, or nothing in it.

        Raises SourceError where it cannot be read.
        """
        found = _PLACE.fullmatch(place)
        if found is None:
            return ""
        bucket, key = found.groups()
        path = "/" + quote(key, safe="/~", errors="replace")
        if self._bucket_in_path:
            url = f"{self._scheme}://{self._netloc}{self._path}/{bucket}{path}"
        else:
            url = f"{self._scheme}://{bucket}.{self._netloc}{self._path}{path}"

        def request() -> Request:
            account = self._credentials.account
            date = self._clock.stamp().date
            own = {} if account.sts_token is None else {"x-oss-security-token": account.sts_token.reveal()}
            signed = signature(account.access_key.reveal().encode(), "GET", f"/{bucket}/{key}", date, own=own)
            authorization = f"OSS {account.access_id.reveal()}:{signed}"
            return Request("GET", url, {"Date": date, "Range": f"bytes=-{TAIL}", "Authorization": authorization, **own})

        used = self._credentials.signer  # what it signs is another service's, and its account is the same
        try:
            body = await self._transport.send("log", priority, request, _read, repeatable=False)
        except RefusedError as error:
            if error.status not in _NOT_TAKEN or not await self._credentials.renew(used):
                raise
            body = await self._transport.send("log", priority, request, _read, repeatable=False)
        return body[-TAIL:].decode(errors="replace")


def _read(reply: Reply) -> bytes:
    if reply.status in {404, 416}:  # not there, or empty
        return b""
    if not 200 <= reply.status < 300:
        text = f"the log object was refused (HTTP {reply.status})"
        raise RefusedError(Reason.REJECTED, text, status=reply.status)
    return reply.body


def _is_one_machine(host: str) -> bool:
    """A host without a name of its own has no names for its buckets, either."""
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True
