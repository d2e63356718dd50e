"""What answers that say no have in common, whatever the service: how they are told, and what a bare status means."""

from collections.abc import Callable, Collection
from typing import TypeVar

from monitor.core.text import clip
from monitor.sources.base import Reason, SourceError
from monitor.sources.dates import read_http_date, retry_after
from monitor.sources.http import RefusedError, Reply

# What will be answered next time as well: the rest of what was learned is told without it.
FINAL = frozenset({Reason.FORBIDDEN, Reason.NOT_FOUND, Reason.CONFLICT, Reason.REJECTED, Reason.MALFORMED})

_LONGEST_TEXT = 1_000
_LONGEST_CODE = 100
_STATUSES = {
    401: Reason.UNAUTHORIZED,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    408: Reason.TIMEOUT,
    409: Reason.CONFLICT,
    429: Reason.THROTTLED,
}

T = TypeVar("T")


def reason_of(status: int, by_code: Reason | None) -> Reason:
    """The reason of a status that is not 2xx; `by_code` is what the service's own code says, as far as it is known."""
    if status == 429:
        return Reason.THROTTLED
    if by_code is not None:
        return by_code
    return Reason.UNAVAILABLE if status >= 500 else _STATUSES.get(status, Reason.REJECTED)


def refused_error(
    source: str,
    operation: str,
    reply: Reply,
    *,
    reason: Reason,
    code: str,
    text: str,
    advice: str | None,
    hide: Collection[str],
) -> RefusedError:
    """The error of an answer whose status is not 2xx, in the service's words `code` and `text` and with our advice.
    What is in `hide` is blotted out of it."""
    for secret in hide:
        code, text = code.replace(secret, "<secret>"), text.replace(secret, "<secret>")
    code, said = clip(code, _LONGEST_CODE), clip(" ".join(text.split()), _LONGEST_TEXT)
    message = f"{source}: {operation} refused: {code or 'no code'} (HTTP {reply.status})"
    message += f": {said.removesuffix('.')}" if said else ""
    message += f"; {advice}" if advice else ""
    return RefusedError(
        reason,
        message,
        status=reply.status,
        code=code,
        text=said,
        retry_after=retry_after(reply.headers, reply.at),
        answered_at=read_http_date(reply.headers.get("Date", "")),
    )


def answer_reader(
    source: str, operation: str, *, refusal: Callable[[Reply], RefusedError], read: Callable[[Reply], T]
) -> Callable[[Reply], T]:
    """Reads a good answer with `read`, whose errors are told with who asked for what; raises `refusal` of another."""

    def answer(reply: Reply) -> T:
        if not 200 <= reply.status < 300:
            raise refusal(reply)
        try:
            return read(reply)
        except SourceError as error:
            raise SourceError(error.reason, f"{source}: {operation}: {error}") from None

    return answer
