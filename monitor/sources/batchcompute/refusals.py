"""Classifies an answer that says no, once: from status, body and headers to a reason and to advice.

Few codes are published. Those that other services of this maker use for the same are taken as well.
"""

import re
from collections.abc import Collection

from monitor.sources.base import Reason
from monitor.sources.batchcompute.documents import read_error
from monitor.sources.http import RefusedError, Reply
from monitor.sources.refusing import reason_of, refused_error

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
    reason = _reason(reply.status, code)
    advice = _NOT_OURS if not code and reason in {Reason.REJECTED, Reason.NOT_FOUND} else _ADVICE.get(reason)
    return refused_error(source, operation, reply, reason=reason, code=code, text=text, advice=advice, hide=hide)


def names_no_job(error: RefusedError) -> bool:
    """Whether the service said of the job that there is none; a 404 without its code is somebody else's."""
    return error.status == 404 and error.code == _NO_SUCH_RESOURCE


def _reason(status: int, code: str) -> Reason:
    return reason_of(status, next((reason for pattern, reason in _PATTERNS if pattern.fullmatch(code)), None))
