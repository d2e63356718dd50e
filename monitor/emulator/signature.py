"""Verifies the signatures of requests, independently of any client: canonical string, legacy form, v4 form.

The region-bound "v4" form derives its key with HMAC-SHA256 but still signs with HMAC-SHA1.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, unquote_plus

from monitor.emulator.errors import ServiceError

MAX_SKEW_SECONDS = 900
V4_SUFFIX = ("odps", "aliyun_v4_request")


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers: the path without the endpoint's prefix, path and query as they stood on the wire."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # names in lower case


def access_id_of(request: SignedRequest, secret: str, now: float) -> str:
    """Who signed the request with that secret.

    Raises ServiceError: no usable Authorization header, a Date more than 15 minutes off `now` (epoch seconds), or a
    signature that fits neither reading of the query.
    """
    access_id, scope, given = _credential(request.headers.get("authorization", ""))
    _check_date(request.headers.get("date", ""), now)
    key = _v4_key(secret, *scope) if scope else secret.encode()
    for text in canonical_strings(request):
        wanted = base64.b64encode(hmac.new(key, _octets(text), hashlib.sha1).digest()).decode()
        if hmac.compare_digest(wanted.encode(), _octets(given)):
            return access_id
    raise ServiceError(
        401,
        "SignatureNotMatch",
        f"ODPS-0410042:Invalid signature value - User signature does not match: check the access key of '{access_id}', "
        "and that method, path, query, Date, Content-Type and x-odps- headers arrive as they were signed",
    )


def canonical_strings(request: SignedRequest) -> Iterator[str]:
    """The texts that clients may have signed for this request.

    pyodps decodes the query twice, which changes values with `+`, `&`, `=` or `%` in them; the other SDKs decode once.
    Without such characters all readings are one.
    """
    seen = set()
    for path, params in _readings(request.path, request.query):
        text = _canonical_string(request, path, params)
        if text not in seen:
            seen.add(text)
            yield text


def _readings(path: str, query: str) -> Iterator[tuple[str, dict[str, str]]]:
    yield unquote(path), dict(parse_qsl(unquote(query), keep_blank_values=True))
    if "%" in query or "+" in query:
        pairs = [pair.partition("=") for pair in query.split("&") if pair]
        yield unquote(path), {unquote_plus(key): unquote_plus(value) for key, _, value in pairs}
        yield unquote(path), {unquote(key): unquote(value) for key, _, value in pairs}


def _canonical_string(request: SignedRequest, path: str, params: Mapping[str, str]) -> str:
    signed = {"content-md5": "", "content-type": "", "date": ""}
    for name, value in request.headers.items():
        if name in signed or name.startswith("x-odps-"):
            signed[name] = value
    signed |= {key: value for key, value in params.items() if key.startswith("x-odps-")}
    lines = [f"{name}:{signed[name]}" if name.startswith("x-odps-") else signed[name] for name in sorted(signed)]
    resource = path
    if params:
        resource += "?" + "&".join(f"{key}={params[key]}" if params[key] else key for key in sorted(params))
    return "\n".join((request.method, *lines, resource))


def _credential(header: str) -> tuple[str, tuple[str, str] | None, str]:
    """(access id, (date, region) of the v4 form or None, signature)."""
    scheme, _, rest = header.partition(" ")
    credential, _, signature = rest.rpartition(":")
    access_id, *scope = credential.split("/")
    if (
        scheme != "ODPS"
        or not access_id
        or "," in access_id  # would not survive in a bearer token
        or not access_id.isprintable()
        or not signature
        or (scope and (len(scope) != 4 or tuple(scope[2:]) != V4_SUFFIX))
    ):
        raise ServiceError(
            401,
            "Unauthorized",
            "ODPS-0410051:Invalid credentials - the request authorization header is invalid or missing",
        )
    return access_id, (scope[0], scope[1]) if scope else None, signature


def _check_date(header: str, now: float) -> None:
    try:
        sent = parsedate_to_datetime(header).timestamp()
    except (ValueError, OverflowError):
        raise ServiceError(
            400,
            "MissingParameter",
            f"ODPS-0410001:Missing authentication parameters - no Date header in RFC 1123 form, but '{header}'",
        ) from None
    if abs(sent - now) > MAX_SKEW_SECONDS:
        raise ServiceError(
            400,
            "RequestTimeTooSkewd",  # the service's own spelling
            "ODPS-0410031:Authentication request expired - the expire time interval exceeds the max limitation: "
            f"{MAX_SKEW_SECONDS * 1000}, max_interval_date:{MAX_SKEW_SECONDS * 1000},"
            f"expire_date:{_stamp(sent)},now_date:{_stamp(now)}",
        )


def _stamp(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # header values that were no UTF-8 arrive in this form


@lru_cache(maxsize=64)
def _v4_key(secret: str, date: str, region: str) -> bytes:
    key = f"aliyun_v4{secret}".encode()
    for part in (date, region, *V4_SUFFIX):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
