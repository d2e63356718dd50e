"""Classifies an answer that says no, once: from status, body and headers to a reason and to advice.

Few codes are published. Those that other services of this maker use for the same are taken as well.
"""

import re
from collections.abc import Collection

from monitor.core.text import clip
from monitor.sources.base import Reason
from monitor.sources.batchcompute.documents import read_error
from monitor.sources.dates import read_http_date, retry_after
from monitor.sources.http import RefusedError, Reply

# What will be answered next time as well: the rest of what was learned is told without it.
FINAL = frozenset({Reason.FORBIDDEN, Reason.NOT_FOUND, Reason.CONFLICT, Reason.REJECTED, Reason.MALFORMED})

_LONGEST_TEXT = 1_000
_LONGEST_CODE = 100
_NO_SUCH_RESOURCE = "InvalidResource.NotFound"

# The first pattern that matches the whole code. Statuses are too coarse: a wrong key is a 400, as is a wrong number.
_CODES = (
    (_NO_SUCH_RESOURCE, Reason.NOT_FOUND),
    ("StateConflict|Invalid.*State.*", Reason.CONFLICT),
    ("Throttling.*|.*QuotaExceed.*|.*FlowControl.*|TooManyRequests", Reason.THROTTLED),
    ("(Illegal|Invalid)TimeStamp.*|RequestTimeTooSkew.*|InvalidDate.*", Reason.SKEWED),
    ("InvalidAccessKeyId.*|.*SecurityToken.*|.*Signature.*", Reason.UNAUTHORIZED),
    ("(Invalid|Missing)Authorization.*|Missing.*AccessKey.*|Unauthorized.*", Reason.UNAUTHORIZED),
    ("Forbidden.*|NoPermission.*|AccessDenied.*|.*NotAuthorized.*", Reason.FORBIDDEN),
    ("InternalError.*|ServiceUnavailable.*|ServerBusy.*", Reason.UNAVAILABLE),
)
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), reason) for pattern, reason in _CODES)

_STATUSES = {
    401: Reason.UNAUTHORIZED,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    408: Reason.TIMEOUT,
    409: Reason.CONFLICT,
    429: Reason.THROTTLED,
}

_ADVICE = {
    Reason.UNAUTHORIZED: "check access_id and access_key of this source, and that its sts_token has not expired",
    Reason.FORBIDDEN: "grant this account the right that the service names",
    Reason.NOT_FOUND: "check the id of the job",
    Reason.THROTTLED: "lower requests_per_second of this source if this goes on",
    Reason.SKEWED: "set the clock of this machine",
}
_NOT_OURS = "check `endpoint`, which has no path as a rule: what answers does not speak Batch Compute"


def refusal(source: str, operation: str, reply: Reply, *, hide: Collection[str] = ()) -> RefusedError:
    """The error of an answer whose status is not 2xx. What is in `hide` is blotted out of it."""
    code, text = read_error(reply.body)
    for secret in hide:
        code, text = code.replace(secret, "<secret>"), text.replace(secret, "<secret>")
    code = clip(code, _LONGEST_CODE)
    reason = _reason(reply.status, code)
    said = clip(" ".join(text.split()), _LONGEST_TEXT)
    advice = _NOT_OURS if not code and reason in {Reason.REJECTED, Reason.NOT_FOUND} else _ADVICE.get(reason)
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


def names_no_job(error: RefusedError) -> bool:
    """Whether the service said of the job that there is none; a 404 without its code is somebody else's."""
    return error.status == 404 and error.code == _NO_SUCH_RESOURCE


def _reason(status: int, code: str) -> Reason:
    if status == 429:
        return Reason.THROTTLED
    for pattern, reason in _PATTERNS:
        if pattern.fullmatch(code):
            return reason
    return Reason.UNAVAILABLE if status >= 500 else _STATUSES.get(status, Reason.REJECTED)
