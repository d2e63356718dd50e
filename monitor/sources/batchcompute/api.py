"""Signed requests to one endpoint: when the service says that our clock is wrong or our token is old, mend it and ask
again."""

from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from hashlib import md5
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from monitor.sources.base import Priority, Reason
from monitor.sources.batchcompute.calls import Call
from monitor.sources.batchcompute.documents import malformed
from monitor.sources.batchcompute.refusals import refusal
from monitor.sources.batchcompute.signing import Account, Signer
from monitor.sources.credentials import Credentials
from monitor.sources.dates import ServiceClock, read_http_date
from monitor.sources.http import RefusedError, Reply, Request, Transport
from monitor.sources.refusing import answer_reader

_MOST_PAGES = 10_000
_FAR_OFF = timedelta(minutes=10)  # dates are taken within fifteen; so far apart no two clocks are by chance

T = TypeVar("T")


class _Paged(Protocol):
    """A page of a listing; `marker` leads to the next one and is empty on the last."""

    @property
    def marker(self) -> str: ...


P = TypeVar("P", bound=_Paged)


class Api:
    """One account on one endpoint. `nonce` never gives the same text twice."""

    def __init__(
        self,
        source: str,
        endpoint: str,
        *,
        transport: Transport,
        credentials: Credentials[Account, Signer],
        clock: ServiceClock,
        nonce: Callable[[], str],
    ) -> None:
        self._source = source
        parts = urlsplit(endpoint)
        self._host = f"{parts.scheme}://{parts.netloc}"
        self._path = parts.path  # signed like the rest: a target is signed as it goes out
        self._transport = transport
        self._credentials = credentials
        self._clock = clock
        self._nonce = nonce

    async def ask(self, call: Call, priority: Priority, read: Callable[[Reply], T]) -> T:
        """Send it and return what `read` makes of a good answer. Raises SourceError and nothing else."""
        target = self._path + call.target
        url = self._host + target
        signer = self._credentials.signer
        date = ""

        def request() -> Request:
            nonlocal date
            date = self._clock.stamp().date
            headers = signer.headers(call.method, target, date, self._nonce())
            if call.body is not None:
                headers["contentMd5"] = md5(call.body, usedforsecurity=False).hexdigest()
            return Request(call.method, url, headers, call.body)

        def refused(reply: Reply) -> RefusedError:
            return refusal(self._source, call.operation, reply, hide=self._credentials.hidden)

        answer = answer_reader(self._source, call.operation, refusal=refused, read=read)
        corrected = renewed = False
        while True:
            try:
                return await self._transport.send(call.operation, priority, request, answer, repeatable=call.repeatable)
            except RefusedError as error:
                if not corrected and error.answered_at is not None and _is_about_time(error, date):
                    self._clock.correct(error.answered_at)
                    corrected = True
                elif error.reason is Reason.UNAUTHORIZED and not renewed and await self._credentials.renew(signer):
                    signer = self._credentials.signer
                    renewed = True
                else:
                    raise

    async def walk(
        self, ask: Callable[[str], Call], priority: Priority, read: Callable[[Reply], P]
    ) -> AsyncGenerator[P, None]:
        """Page after page, as long as there is a marker to the next."""
        marker = ""
        followed: set[str] = set()
        while True:
            page = await self.ask(ask(marker), priority, read)
            marker = page.marker
            yield page
            if not marker:
                return
            if marker in followed or len(followed) == _MOST_PAGES:
                raise malformed(f"{self._source}: the listing does not end: a marker came twice, or too many came")
            followed.add(marker)


def _is_about_time(error: RefusedError, signed: str) -> bool:
    """Whether our date is what it refuses: it says so, or the key is what it complains of while its clock is far off.
    It publishes no code for either."""
    if error.reason is Reason.SKEWED:
        return True
    ours = read_http_date(signed)
    if error.reason not in {Reason.UNAUTHORIZED, Reason.REJECTED, Reason.FORBIDDEN} or ours is None:
        return False
    return error.answered_at is not None and abs(error.answered_at - ours) > _FAR_OFF
