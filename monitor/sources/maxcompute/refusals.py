"""Classifies an answer that says no, once: from status, body and headers to a reason and to advice.

Nobody downstream looks at a number or a code again, except where two answers of one reason are mended differently.
"""

from collections.abc import Collection

from monitor.sources.base import Reason
from monitor.sources.http import RefusedError, Reply
from monitor.sources.maxcompute.documents import read_error
from monitor.sources.refusing import reason_of, refused_error

# By the text before a colon in `Code`. Statuses are too coarse: the service answers 400 to many different things.
_CODES = {
    **dict.fromkeys(("FlowExceeded", "QPSExceeded", "SlotExceeded", "RequestQuotaExceeded"), Reason.THROTTLED),
    **dict.fromkeys(("RequestTimeTooSkewd", "RequestTimeTooSkewed"), Reason.SKEWED),
    **dict.fromkeys(
        (
            "AuthenticationRequestExpired",
            "AuthorizationRequired",
            "InvalidAuthorization",
            "MissingAuthorization",
            "ODPS-0410042",
            "ODPS-0410051",
            "SignatureNotMatch",
            "Unauthorized",
        ),
        Reason.UNAUTHORIZED,
    ),
    **dict.fromkeys(("AccessDenied", "NoPermission", "ODPS-0130013", "ODPS-0420095"), Reason.FORBIDDEN),
    **dict.fromkeys(("NoSuchObject", "NoSuchProject"), Reason.NOT_FOUND),
    **dict.fromkeys(("InvalidStateSetting", "InvalidStatusSetting"), Reason.CONFLICT),
    **dict.fromkeys(
        (
            "InternalServerError",
            "ODPS-0010000",
            "ODPS-0410065",
            "ODPS-0410077",
            "ODPS-0420153",
            "ODPS-0430055",
            "ServiceUnavailable",
        ),
        Reason.UNAVAILABLE,
    ),
    "RequestTimeOut": Reason.TIMEOUT,
}

_ADVICE = {
    Reason.UNAUTHORIZED: "check access_id, access_key and region of this source, and that its token has not expired",
    Reason.FORBIDDEN: (
        "grant this account the right that the service names; a listing may also do with `discover: {owner: mine}`"
    ),
    Reason.NOT_FOUND: "check the name of the project, and that `endpoint` has its path (usually /api)",
    Reason.THROTTLED: "lower requests_per_second of this source if this goes on",
    Reason.SKEWED: "set the clock of this machine",
}


def refusal(source: str, operation: str, reply: Reply, *, hide: Collection[str] = ()) -> RefusedError:
    """The error of an answer whose status is not 2xx. What is in `hide` is blotted out of it."""
    code, text = read_error(reply.body)
    reason = _reason(reply.status, code, text)
    return refused_error(
        source, operation, reply, reason=reason, code=code, text=text, advice=_ADVICE.get(reason), hide=hide
    )


def speaks_against_v4(error: RefusedError) -> bool:
    """Whether the service may simply not know the derived signature, so that the legacy one is worth a try."""
    text = error.text.lower()
    match error.code.partition(":")[0]:
        case "InternalServerError":
            return "need ak v3 support" in text or "accesskey acl denied" in text
        case "InvalidParameter":
            return "odps-0410051" in text
        case "AuthorizationRequired" | "Unauthorized":
            return "invalid or missing" in text
        case _:
            return False


def _reason(status: int, code: str, text: str) -> Reason:
    word = code.partition(":")[0].strip().replace("_", "-")
    if word == "InvalidParameter" and "ODPS-0410051" in text:
        return Reason.UNAUTHORIZED
    return reason_of(status, _CODES.get(word))
