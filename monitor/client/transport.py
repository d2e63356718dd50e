"""One request and its answer, and the words for everything that can stand between them."""

import re
from collections.abc import Mapping
from typing import TypeVar

import aiohttp
import msgspec

from monitor.client.errors import ClientError

TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)
T = TypeVar("T")
_CREDENTIALS = re.compile(r"(?<=//)[^/?#]*@")


class _Error(msgspec.Struct):
    """The API's word and its sentence."""

    code: str
    message: str


class _Refused(msgspec.Struct):
    """What every refusal holds."""

    error: _Error


class Transport:
    """The way to the daemon at `url`. Every method raises ClientError."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.name = _CREDENTIALS.sub("", self.url)  # what may be printed
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make ready; nothing is asked yet."""
        elsewhere = aiohttp.TraceConfig()
        elsewhere.on_request_redirect.append(self._refuse_redirect)
        self._session = aiohttp.ClientSession(timeout=TIMEOUT, trace_configs=[elsewhere])

    async def close(self) -> None:
        """Let go of every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _refuse_redirect(
        self, _session: aiohttp.ClientSession, _context: object, redirect: aiohttp.TraceRequestRedirectParams
    ) -> None:
        """A websocket would follow one to a login page, and cannot be told not to in any other way."""
        raise self.not_ours(redirect.response.status)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session."""
        if self._session is None:
            raise RuntimeError("enter the client first: async with Stagewatch(url) as daemon")
        return self._session

    async def ask(
        self,
        form: type[T],
        path: str,
        *,
        method: str = "GET",
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> T:
        """The JSON that is answered, in this form."""
        session = self.session
        data = None if body is None else msgspec.json.encode(body)
        headers = {} if data is None else {"Content-Type": "application/json"}
        try:
            async with session.request(
                method, self.url + path, params=query, data=data, headers=headers, allow_redirects=False
            ) as answer:
                raw = await answer.read()
                status = answer.status
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self.broken(error) from error
        try:
            if status >= 400:
                refused = msgspec.json.decode(raw, type=_Refused).error
                raise ClientError(refused.code, refused.message)
            if status >= 300:
                raise self.not_ours(status)
            return msgspec.json.decode(raw, type=form)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.not_ours(status) from error

    def broken(self, error: Exception) -> ClientError:
        """What went wrong on the way, in one line."""
        match error:
            case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
                text = f"{self.name!r} is not an address like http://127.0.0.1:9690"
                return ClientError("bad_url", text)
            case TimeoutError():
                return ClientError("unreachable", f"the daemon at {self.name} does not answer in time")
            case aiohttp.WSServerHandshakeError():
                return self.not_ours(error.status)
        said = " ".join(str(error).replace(self.url, self.name).split()) or type(error).__name__
        text = f"cannot reach a daemon at {self.name}: {said}; is it running, and is --url right?"
        return ClientError("unreachable", text)

    def not_ours(self, status: int) -> ClientError:
        """Something answered, but not in Stagewatch's words."""
        if status in {401, 403, 407}:
            text = (
                f"{self.name} answered {status}: what stands before the daemon asks who you are (http://user:pass@..)"
            )
            return ClientError("unauthorized", text)
        text = f"{self.name} answered {status} with something that is not Stagewatch's JSON: is --url right?"
        return ClientError("not_stagewatch", text)
