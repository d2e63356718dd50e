"""HTTP for sources: one lean session, answers of bounded size, retries, and a report of every request.

Speaks no service's words: the driver builds and signs a request when its turn has come, and reads the answer.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

import aiohttp
from yarl import URL

from monitor.core.text import clip
from monitor.sources.base import Priority, Reason, RequestReport, SourceError
from monitor.sources.budget import Budget, PausedError
from monitor.sources.deadlines import Deadlines

LARGEST_BODY = 16 * 1024 * 1024
_TRIES = 3  # of a request that met a broken connection or a gateway's 502, 503, 504
_BACKOFF = 0.5  # seconds at most before the second try, twice that before the third
_LONGEST_WHY = 200
_NAMES_KEPT = 60  # seconds that an address found by DNS is used

T = TypeVar("T")


class RefusedError(SourceError):
    """The service answered, and the answer was no. `code` and `text` are the service's, empty where it gave none."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        status: int,
        code: str = "",
        text: str = "",
        retry_after: float | None = None,
        answered_at: datetime | None = None,
    ) -> None:
        super().__init__(reason, message, retry_after=retry_after)
        self.status = status
        self.code = code
        self.text = text
        self.answered_at = answered_at  # by the service's clock


class Request:
    """What goes out. `url` is encoded already and goes to the wire as it is."""

    __slots__ = ("body", "headers", "method", "url")

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body


class Reply:
    """What came back. `at` is when, by our clock; a reader of listings sets `skipped`, for the report."""

    __slots__ = ("at", "body", "headers", "skipped", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, at: datetime) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.at = at
        self.skipped = 0


class Transport:
    """All requests of one source. Raises SourceError and nothing else.

    `headers` go with every request. Naming Accept, Accept-Encoding and User-Agent there is cheaper than telling aiohttp
    to leave out its own.
    """

    def __init__(
        self,
        source: str,
        *,
        headers: Mapping[str, str],
        budget: Budget,
        concurrency: int,
        timeout: float,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        jitter: Callable[[], float],
        report: Callable[[RequestReport], None],
    ) -> None:
        self._source = source
        self._headers = headers
        self._budget = budget
        self._concurrency = concurrency
        self._timeout = timeout
        self._deadlines = Deadlines(timeout, clock)
        self._now = now
        self._clock = clock
        self._jitter = jitter
        self._report = report
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        operation: str,
        priority: Priority,
        request: Callable[[], Request],
        read: Callable[[Reply], T],
        *,
        repeatable: bool,
    ) -> T:
        """Send what `request` makes and return what `read` makes of the answer.

        `request` is called when the budget allows to send, once for every try; there is more than one only of what is
        `repeatable`. `read` sees every answer, also the bad ones, and raises SourceError: a RefusedError where the
        status says no.
        """
        tries = 1
        while True:
            started = self._clock()
            if not self._budget.enter_at_once(started):
                await self._wait(operation, priority)
                started = self._clock()
            try:
                reply = await self._exchange(operation, request(), started)
                value = read(reply)
            except SourceError as error:
                self._heed(operation, error, self._clock() - started)
                if tries == _TRIES or not repeatable or not _may_pass(error):
                    raise
            else:
                self._report(RequestReport(self._source, operation, "ok", self._clock() - started, 0.0, reply.skipped))
                return value
            finally:
                self._budget.leave()
            # The place is free meanwhile, and the next try takes a token like any other request.
            await asyncio.sleep(self._jitter() * _BACKOFF * tries)
            tries += 1

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _wait(self, operation: str, priority: Priority) -> None:
        try:
            await self._budget.enter(priority)
        except PausedError as pause:
            left = f"{pause.seconds:.0f} s"
            text = f"{self._source}: {operation} not sent: the service asked for a pause, of which {left} are left"
            raise SourceError(Reason.THROTTLED, text, retry_after=pause.seconds) from None

    def _heed(self, operation: str, error: SourceError, seconds: float) -> None:
        throttled = 0.0
        if error.reason is Reason.THROTTLED or error.retry_after is not None:
            throttled = self._budget.throttle(error.retry_after)
        self._report(RequestReport(self._source, operation, error.reason, seconds, throttled))

    async def _exchange(self, operation: str, request: Request, started: float) -> Reply:
        session = self._session or self._open()
        task = self._deadlines.begin(started)
        try:
            response = await session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
            )
            try:
                length = response.content_length
                if length is not None and length <= LARGEST_BODY:
                    body = await response.read()
                else:
                    body = await self._read(operation, response)
            except BaseException:
                response.close()  # half of an answer is left on the wire: the connection is of no more use
                raise
            return Reply(response.status, response.headers, body, self._now())
        except asyncio.CancelledError:
            if not self._deadlines.was_passed(task):
                raise
            text = f"{self._source}: {operation}: no answer within {self._timeout:g} s"
            raise SourceError(Reason.TIMEOUT, text) from None
        except aiohttp.ClientResponseError as error:
            why = clip(" ".join(error.message.split()), _LONGEST_WHY)
            text = f"{self._source}: {operation}: what answers is not HTTP: {why}"
            raise SourceError(Reason.MALFORMED, text) from None
        except (aiohttp.ClientError, OSError) as error:
            why = clip(str(error) or type(error).__name__, _LONGEST_WHY)
            text = f"{self._source}: {operation}: connection failed: {why}; check `endpoint` and the network"
            raise SourceError(Reason.UNREACHABLE, text) from None
        finally:
            self._deadlines.end(task)

    async def _read(self, operation: str, response: aiohttp.ClientResponse) -> bytes:
        """A body of a length that was not told, or of one that is too large."""
        pieces: list[bytes] = []
        left = LARGEST_BODY - (response.content_length or 0)
        while left >= 0:
            piece = await response.content.readany()
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            left -= len(piece)
        text = f"{self._source}: {operation}: the answer is larger than {LARGEST_BODY // 2**20} MiB and was cut off"
        raise SourceError(Reason.MALFORMED, text)

    def _open(self) -> aiohttp.ClientSession:
        self._session = session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._concurrency, ttl_dns_cache=_NAMES_KEPT),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),  # see deadlines.py
            trust_env=False,
        )
        # aiohttp would repeat a request that met a stale connection by itself, without a token from the budget.
        session._retry_connection = False  # noqa: SLF001 - there is no public switch
        return session


def _may_pass(error: SourceError) -> bool:
    """Whether the same request may well succeed in a moment."""
    if isinstance(error, RefusedError):
        return error.status in {502, 503, 504} and error.retry_after is None
    return error.reason is Reason.UNREACHABLE
