"""Our own HTTP API as an async client: what the command line and other programs talk to a daemon with."""

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)
PAGE = 1000

Json = dict[str, Any]  # Any: JSON of the public contract
T = TypeVar("T")


class _Page(msgspec.Struct):
    """One answer of a listing."""

    instances: list[Json]
    next: str | None


class _Error(msgspec.Struct):
    """The API's word and its sentence."""

    code: str
    message: str


class _Refused(msgspec.Struct):
    """What every refusal holds."""

    error: _Error


class ClientError(Exception):
    """The daemon refused or could not be asked. The message is one line for people; `code` is the API's own word,
    or `unreachable`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Stagewatch:
    """A daemon at `url`. Use it as `async with Stagewatch(url) as daemon:`. Every method raises ClientError."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def instances(self, filters: Mapping[str, str] | None = None) -> AsyncIterator[Json]:
        """Every instance that matches, newest first. `filters` are the API's own parameters."""
        wanted = {"limit": str(PAGE), **(filters or {})}
        while True:
            page = await self._get("/api/v1/instances", wanted, _Page)
            for instance in page.instances:
                yield instance
            if not page.next:
                return
            wanted["cursor"] = page.next

    async def instance(self, key: str) -> Json:
        """One instance, whole. `key` is `source/project/id`, or a bare id where it is unique."""
        found = await self._get(f"/api/v1/instances/{quote(key)}", {}, Json)
        if "key" not in found:
            raise self._not_ours(200)
        return found

    async def _get(self, path: str, parameters: Mapping[str, str], form: type[T]) -> T:
        if self._session is None:
            raise RuntimeError("enter the client first: async with Stagewatch(url) as daemon")
        try:
            async with self._session.get(self._url + path, params=parameters) as answer:
                body = await answer.read()
                status = answer.status
        except aiohttp.InvalidURL as error:
            raise ClientError("bad_url", f"{self._url!r} is not an address like http://127.0.0.1:9690") from error
        except TimeoutError as error:
            raise ClientError("unreachable", f"the daemon at {self._url} does not answer in time") from error
        except aiohttp.ClientError as error:
            text = f"cannot reach a daemon at {self._url}: {error}; is it running, and is --url right?"
            raise ClientError("unreachable", text) from error
        try:
            if status >= 400:
                refused = msgspec.json.decode(body, type=_Refused).error
                raise ClientError(refused.code, refused.message)
            return msgspec.json.decode(body, type=form)
        except msgspec.DecodeError as error:
            raise self._not_ours(status) from error

    def _not_ours(self, status: int) -> ClientError:
        text = f"{self._url} answered {status} with something that is not Stagewatch's JSON: is --url right?"
        return ClientError("not_stagewatch", text)
