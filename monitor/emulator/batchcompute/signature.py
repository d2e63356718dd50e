"""Verifies the signatures of requests, independently of any client.

Clients sign the request's target either as it stands on the wire or decoded, and either with `Date` or with
`x-acs-date`. A body is not covered.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from monitor.emulator.errors import ServiceError

MAX_SKEW_SECONDS = 900


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers: `target` is path and query as they stood on the wire."""

    method: str
    target: str
    headers: Mapping[str, str]  # names in lower case


def access_id_of(request: SignedRequest, secret: str, now: float) -> str:
    """Who signed the request with that secret.

    Raises ServiceError: no usable Authorization header, a date more than 15 minutes off `now` (epoch seconds), or a
    signature that fits no reading of the request.
    """
    access_id, given = _credential(request.headers.get("authorization", ""))
    _check_date(request.headers.get("date") or request.headers.get("x-acs-date", ""), now)
    for text in strings_to_sign(request):
        wanted = base64.b64encode(hmac.new(secret.encode(), _octets(text), hashlib.sha1).digest())
        if hmac.compare_digest(wanted, _octets(given)):
            return access_id
    raise ServiceError(
        400,
        "SignatureDoesNotMatch",
        f"The request signature does not conform to Aliyun standards: check the secret of '{access_id}', and that "
        "method, target, Accept, Content-Type, Date and x-acs- headers arrive as they were signed.",
    )


def strings_to_sign(request: SignedRequest) -> Iterator[str]:
    """The texts that clients may have signed for this request."""
    headers = request.headers
    own = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-acs-"))
    dates = (headers["date"],) if "date" in headers else ("", headers.get("x-acs-date", ""))
    for date in dict.fromkeys(dates):
        lines = (headers.get(name, "") for name in ("accept", "content-md5", "content-type"))
        head = "\n".join((request.method, *lines, date, own))
        for target in dict.fromkeys((request.target, _decoded(request.target))):
            yield head + target


def _decoded(target: str) -> str:
    path, _, query = target.partition("?")
    pairs = sorted(pair.partition("=") for pair in query.split("&") if pair)
    texts = [f"{unquote(name)}={unquote(value)}" if value else unquote(name) for name, _, value in pairs]
    return unquote(path) + ("?" + "&".join(texts) if texts else "")


def _credential(header: str) -> tuple[str, str]:
    scheme, _, rest = header.partition(" ")
    access_id, _, signature = rest.rpartition(":")
    if scheme != "acs" or not access_id or not signature:
        raise ServiceError(
            400,
            "InvalidAccessKeyId.NotFound",
            "Specified access key is not found: the Authorization header must be 'acs <AccessKeyId>:<signature>'.",
        )
    return access_id, signature


def _check_date(header: str, now: float) -> None:
    try:
        sent = _epoch(header)
    except (ValueError, OverflowError):
        raise ServiceError(
            400, "InvalidTimeStamp.Format", f"Date must be given in RFC 1123 form and GMT, not '{header[:50]}'."
        ) from None
    if abs(sent - now) > MAX_SKEW_SECONDS:
        raise ServiceError(
            400,
            "InvalidTimeStamp.Expired",
            f"Specified time stamp or date value is expired: it is {abs(sent - now):.0f} seconds off, and "
            f"{MAX_SKEW_SECONDS} are allowed.",
        )


def _epoch(text: str) -> float:
    moment = parsedate_to_datetime(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # header values that were no UTF-8 arrive in this form
