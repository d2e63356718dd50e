"""What every examination of a source asks: can it be reached, do the clocks agree, is the key right. Then its rights.

Nothing is changed by it, and no secret is in what it says.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from monitor.sources.base import Check, Reason, SourceError
from monitor.sources.dates import read_http_date
from monitor.sources.http import RefusedError, Reply
from monitor.sources.reaching import reach

AGREE = timedelta(seconds=60)  # clocks that are set by others differ by less; services take a quarter of an hour

T = TypeVar("T")

_FIXES = {
    Reason.UNREACHABLE: "check `endpoint` and the network",
    Reason.TIMEOUT: "try again; if it stays, look whether the service is up, and at `timeout` of this source",
    Reason.THROTTLED: "lower requests_per_second of this source, and that of others that use this account",
    Reason.UNAVAILABLE: "try again; if it stays, ask who runs the service",
    Reason.SKEWED: "set the clock of this machine",
    Reason.MALFORMED: "check that `endpoint` is that of the service and has its path: something else answers",
    Reason.NOT_FOUND: "check `endpoint` and its path",
}
_ASK = "ask who runs the service what this answer means"


class Examiner:
    """One examination. `account` is what the key belongs to, in words without a secret."""

    def __init__(self, endpoint: str, account: str, now: Callable[[], datetime]) -> None:
        self._endpoint = endpoint
        self._account = account
        self._now = now
        self._ahead: timedelta | None = None  # our clock before the service's, by the last answer

    def dated(self, read: Callable[[Reply], T]) -> Callable[[Reply], T]:
        """`read`, which also notes what time the service says it is."""

        def noting(reply: Reply) -> T:
            theirs = read_http_date(reply.headers.get("Date", ""))
            self._ahead = reply.at - theirs if theirs else self._ahead
            return read(reply)

        return noting

    async def begin(self, ask: Callable[[], Awaitable[object]], *, project: Check) -> AsyncIterator[Check]:
        """Everything but rights, by one request that is signed; the last check is not ok where rights cannot be tried.

        `project` is the check that fails where the service knows no such project.
        """
        async for check in reach(self._endpoint):
            yield check
            if not check.ok:
                return
        error = None
        try:
            await ask()
        except SourceError as caught:
            error = caught
            if isinstance(caught, RefusedError) and caught.answered_at is not None:
                self._ahead = self._now() - caught.answered_at
        if self._ahead is not None:
            yield _clock(self._ahead)
        if error is None or error.reason is Reason.FORBIDDEN:
            yield Check(name="credentials", ok=True, detail=f"the service knows {self._account}")
        elif error.reason is Reason.UNAUTHORIZED:
            fix = "check access_id, access_key and region of this source, and that its token has not expired"
            yield Check(name="credentials", ok=False, detail=said(error), fix=fix)
        elif error.reason is Reason.NOT_FOUND:
            yield project
        else:
            yield Check(name="answer", ok=False, detail=said(error), fix=_FIXES.get(error.reason, _ASK))


def refused(name: str, error: SourceError, fix: str) -> Check:
    """The check of a right that could not be used: `fix` where it is missing, and else what the reason calls for."""
    if error.reason is Reason.FORBIDDEN:
        return Check(name=name, ok=False, detail=said(error), fix=fix)
    return Check(name=name, ok=False, detail=said(error), fix=_FIXES.get(error.reason, _ASK))


def granted(name: str) -> Check:
    """The check of a right that was used."""
    return Check(name=name, ok=True, detail="granted")


def untried(name: str, why: str) -> Check:
    """The check of a right of which nobody can know."""
    return Check(name=name, ok=None, detail=f"not tried: {why}")


def said(error: SourceError) -> str:
    """What the service said, in its words."""
    if not isinstance(error, RefusedError):
        return str(error)
    return f"{error.code or 'no code'} (HTTP {error.status})" + (f": {error.text}" if error.text else "")


def _clock(ahead: timedelta) -> Check:
    seconds = ahead.total_seconds()
    word = "ahead of" if seconds > 0 else "behind"
    detail = f"{abs(seconds):.0f} s {word} the service's" if abs(seconds) >= 1 else "agrees with the service's"
    if abs(ahead) <= AGREE:
        return Check(name="clock", ok=True, detail=detail)
    fix = "set the clock of this machine, best by NTP: Stagewatch reckons with the difference, other programs do not"
    return Check(name="clock", ok=False, detail=detail, fix=fix)
