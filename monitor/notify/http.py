"""One place on the web that takes alerts: posting to it, what its answers mean, and no secret in a word about it."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated

import aiohttp
from multidict import CIMultiDict
from pydantic import AfterValidator, HttpUrl
from yarl import URL

from monitor.core.text import clip
from monitor.notify.base import NotifyError, Reason, Receipt
from monitor.section import Secret

_DETAIL = 200  # characters of an answer that are kept for people
_DETAIL_WITHIN = 2.0  # seconds for those characters: by its status the receiver has already answered
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SHORTEST_SECRET = 4  # characters; shorter ones stand in every other word
_SECRET_IN_PATH = 16  # characters of a part of a path that is no word any more
_MOST_READ = 4096  # bytes of an answer


def _is_http(value: str) -> str:
    HttpUrl(value)
    return value


def _can_be_sent(value: dict[str, Secret]) -> dict[str, Secret]:
    for name, secret in value.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a header: write letters, digits and dashes")
        if any(character in secret.reveal() for character in "\r\n\0"):
            raise ValueError(f"the value of {name} must be one line")
    return value


Address = Annotated[str, AfterValidator(_is_http)]
Headers = Annotated[dict[str, Secret], AfterValidator(_can_be_sent)]


def refuse_two_users(address: str, headers: Mapping[str, Secret], key: str) -> None:
    """Raise ValueError where both the address under this key and a header say who we are."""
    if URL(address).user is not None and any(name.lower() == "authorization" for name in headers):
        raise ValueError(f"give either a user in `{key}` or the header Authorization, not both")


class Place:
    """An address with the headers that it wants. JSON goes there, a request at a time.

    A header whose value stands in a file is read again for every request: alerts are rare, and one that is refused for
    an old token would be lost.
    """

    def __init__(self, url: URL, headers: Mapping[str, Secret], *, version: str) -> None:
        self._url = url
        self._secrets = dict(headers)
        self._may_change = any(value.may_change for value in headers.values())
        self._user_agent = f"stagewatch/{version}"
        self._session: aiohttp.ClientSession | None = None
        self._read()

    def __str__(self) -> str:
        """Scheme, host and port: what people may read."""
        return str(self._url.origin())

    async def post(self, body: bytes, own: Mapping[str, str]) -> Receipt:
        """Post JSON with headers of `own` that nobody may configure. Raises NotifyError."""
        if self._may_change:
            await asyncio.to_thread(self._read)
        headers = CIMultiDict({"Content-Type": "application/json", "User-Agent": self._user_agent})
        headers.update(self._headers)
        headers.update(own)
        try:
            async with self._open().post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                detail = self._mask(*await _beginning(answer))
                status, retry_after = answer.status, answer.headers.get("Retry-After")
        except TimeoutError as error:
            raise NotifyError(Reason.TIMEOUT, "the receiver did not answer in time", permanent=False) from error
        except aiohttp.ClientResponseError:
            # its text holds the whole address
            raise NotifyError(Reason.UNREACHABLE, "what answers there is not HTTP", permanent=False) from None
        except (aiohttp.ClientError, OSError) as error:
            why = self._mask(str(error)) or type(error).__name__
            raise NotifyError(Reason.UNREACHABLE, f"cannot reach the receiver: {why}", permanent=False) from None
        if 200 <= status < 300:
            return Receipt(status=status, detail=detail)
        raise refusal(status, detail, retry_after)

    def _read(self) -> None:
        self._secrets = {name: value.reread() for name, value in self._secrets.items()}
        self._headers = {name: value.reveal() for name, value in self._secrets.items()}
        self._hidden = sorted(_secrets(self._url, self._headers), key=len, reverse=True)

    def _mask(self, text: str, whole: bool = True) -> str:
        """The beginning of `text` without secrets; one that is not whole may end in a part of one."""
        for secret in self._hidden:
            text = text.replace(secret, "<secret>")
        if not whole and self._hidden:
            text = text[: -len(self._hidden[0])]
        return clip(text.strip(), _DETAIL)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Alerts are rare: by the next one the receiver may be about to close a connection that was kept.
            connector = aiohttp.TCPConnector(force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def aclose(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()


def _secrets(url: URL, headers: Mapping[str, str]) -> set[str]:
    """What nobody else may read: values of headers, and what an address may hold besides a place."""
    words = [word for value in headers.values() for word in (value, *value.split()[1:])]
    parts = [part for part in url.path.split("/") if len(part) >= _SECRET_IN_PATH]
    basic = b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()
    found = (*words, *parts, *url.query.values(), url.password or "", basic)
    return {text for text in found if len(text) >= _SHORTEST_SECRET}


async def _beginning(answer: aiohttp.ClientResponse) -> tuple[str, bool]:
    """The first characters of the answer, and whether they are all. By its status the answer is given, whatever becomes
    of its body."""
    body = b""
    try:
        async with asyncio.timeout(_DETAIL_WITHIN):
            while len(body) < _MOST_READ and (piece := await answer.content.read(_MOST_READ - len(body))):
                body += piece
    except (TimeoutError, aiohttp.ClientError):
        return "", True
    return body.decode("utf-8", "replace"), len(body) < _MOST_READ


def refusal(status: int, detail: str, retry_after: str | None) -> NotifyError:
    """What a status other than 2xx means. A 408, 425, 429 or 5xx may pass; every other refusal stays one."""
    seconds = _seconds(retry_after)
    text = f"the receiver answered {status}" + (f": {detail}" if detail else "")
    if status in (408, 425, 429):
        return NotifyError(Reason.THROTTLED, text, permanent=False, status=status, retry_after=seconds)
    if status >= 500:
        return NotifyError(Reason.UNAVAILABLE, text, permanent=False, status=status, retry_after=seconds)
    return NotifyError(Reason.REFUSED, text, permanent=True, status=status)


def _seconds(retry_after: str | None) -> float | None:
    """Read a `Retry-After` given in seconds. One given as a date needs our clock: the courier's own back-off serves."""
    text = (retry_after or "").strip()
    if not (text.isascii() and text.isdigit()):
        return None
    return float(min(int(text[:9]), 86_400))
