"""Signs requests: the legacy signature, the one derived per day and region ("v4"), tokens, and the app's second one.

Pure: the date comes in with each call. Only what the service can read from the request in one way is signed, so
values are sent percent-encoded and signed as they are.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from msgspec import Struct

from monitor.section import Secret
from monitor.sources.dates import Stamp

_V4 = "aliyun_v4"

Params = tuple[tuple[str, str], ...]


class Query(Struct, frozen=True, gc=False):
    """Parameters, sorted by key, in the two forms in which a request says them; empty, or beginning with `?`."""

    sent: str
    signed: str


@lru_cache(maxsize=1024)
def query(params: Params) -> Query:
    """Both forms. A parameter with an empty value is a bare key: the service's actions are such keys."""
    if not params:
        return Query("", "")
    pairs = sorted(params)
    sent = "&".join(_pair(quote(key, safe=""), quote(value, safe="")) for key, value in pairs)
    signed = "&".join(_pair(key, value) for key, value in pairs)
    return Query("?" + sent, "?" + signed)


def _pair(key: str, value: str) -> str:
    return f"{key}={value}" if value else key


class Account(Struct, frozen=True, kw_only=True):
    """Who asks. Either a key pair, perhaps temporary (`sts_token`), or a bearer token; perhaps an app besides."""

    access_id: Secret | None = None
    access_key: Secret | None = None
    region: str | None = None
    sts_token: Secret | None = None
    bearer_token: Secret | None = None
    app_access_id: Secret | None = None
    app_access_key: Secret | None = None

    def secrets(self) -> tuple[str, ...]:
        """What no message may hold."""
        held = (self.access_key, self.sts_token, self.bearer_token, self.app_access_key)
        return tuple(secret.reveal() for secret in held if secret is not None)


class Signer:
    """Makes the headers that say who asks. `common` are those that every request carries besides: names in `x-odps-`
    among them are signed with the rest."""

    def __init__(self, account: Account, common: Mapping[str, str]) -> None:
        self._id = account.access_id.reveal() if account.access_id else ""
        self._key = account.access_key.reveal().encode() if account.access_key else b""
        self._legacy = _prepare(self._key)
        self._region = account.region
        self._app = account.app_access_id.reveal() if account.app_access_id else ""
        self._app_key = _prepare(account.app_access_key.reveal().encode() if account.app_access_key else b"")
        self._signs = account.bearer_token is None
        self._signed = {name.lower(): value for name, value in common.items() if name.lower().startswith("x-odps-")}
        self._lines = _lines(self._signed)
        self._tokens: dict[str, str] = {}
        if account.sts_token:
            self._tokens["authorization-sts-token"] = account.sts_token.reveal()
        if account.bearer_token:
            self._tokens["x-odps-bearer-token"] = account.bearer_token.reveal()
        self._day = ""
        self._derived = self._legacy

    @property
    def prefers_v4(self) -> bool:
        """A region is known, so the derived key is tried first."""
        return self._signs and self._region is not None

    def headers(
        self,
        method: str,
        resource: str,
        stamp: Stamp,
        *,
        content_type: str = "",
        more: Params = (),
        v4: bool = False,
    ) -> dict[str, str]:
        """The other headers of a request for `resource`: the path below the endpoint and the query, as signed. `more`
        are headers of this request alone, with names in lower case."""
        headers = {"Date": stamp.date, **self._tokens, **dict(more)}
        if content_type:
            headers["Content-Type"] = content_type
        if self._signs:
            # The empty line is Content-MD5, which we do not send.
            lines = _lines(self._signed | dict(more)) if more else self._lines
            canonical = f"{method}\n\n{content_type}\n{stamp.date}\n{lines}{resource}"
            headers["Authorization"] = authorization = self._authorization(canonical, stamp.day if v4 else "")
            if self._app:
                headers["application-authentication"] = self._application(authorization)
        return headers

    def _authorization(self, canonical: str, day: str) -> str:
        if not day:
            return f"ODPS {self._id}:{_sign(self._legacy, canonical)}"
        if day != self._day:
            self._day, self._derived = day, _prepare(self._derive(day))
        return f"ODPS {self._id}/{day}/{self._region}/odps/{_V4}_request:{_sign(self._derived, canonical)}"

    def _derive(self, day: str) -> bytes:
        key = _V4.encode() + self._key
        for part in (day, self._region or "", "odps", f"{_V4}_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key

    def _application(self, authorization: str) -> str:
        signature = _sign(self._app_key, authorization)
        return f"account_provider:aliyun,signature_method:hmac-sha1,access_id:{self._app},signature:{signature}"


def _lines(signed: Mapping[str, str]) -> str:
    return "".join(f"{name}:{value}\n" for name, value in sorted(signed.items()) if name.startswith("x-odps-"))


def _prepare(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod="sha1")


def _sign(prepared: hmac.HMAC, message: str) -> str:
    signature = prepared.copy()  # half the price of beginning with the key each time
    signature.update(message.encode())
    return b64encode(signature.digest()).decode()
