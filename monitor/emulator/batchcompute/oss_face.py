"""The HTTP face of the object store: objects and listings as the clients of OSS ask for them.

A bucket is named by the first part of the path, or by a host name such as `bucket.oss-cn-qingdao.aliyuncs.com`. Who
writes must sign; who reads may. What is not offered (several parts, copies, access rights..) is refused by its name.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from random import Random
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from monitor.emulator.batchcompute.objects import ObjectStore, Place, Stored
from monitor.emulator.batchcompute.oss_documents import Wanted, document, page_of, refusal
from monitor.emulator.batchcompute.oss_signature import SUBRESOURCES, OssRequest, check_signature
from monitor.emulator.batchcompute.unbroken import held, in_thread
from monitor.emulator.clock import http_date
from monitor.emulator.errors import ServiceError

MAX_OBJECT_BYTES = 1024**3
_CHUNK = 256 * 1024
_HOST = re.compile(r"(?:(?P<bucket>[^.]+)\.)?oss-[^.]+(?:\.[^:]*)?(?::\d+)?")
# Of the words that ask for something else, those that change nothing about the object that is asked for.
_HARMLESS = frozenset(("objectMeta", "security-token", "continuation-token", "x-oss-traffic-limit")) | {
    name for name in SUBRESOURCES if name.startswith("response-")
}
_NOT_OFFERED = frozenset(("x-oss-copy-source", "x-oss-forbid-overwrite"))  # headers that a plain write must not ignore


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that has been let in. `bucket` and `key` may be empty."""

    request: web.Request
    bucket: str
    key: str
    query: Mapping[str, str]

    @property
    def place(self) -> Place:
        return Place(self.bucket, self.key)


class OssFace:
    """Answers for one store. `now` gives epoch seconds; `chance` makes this run's request ids."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        secret: str,
        now: Callable[[], float],
        chance: Random,
        max_bytes: int = MAX_OBJECT_BYTES,
    ) -> None:
        self._store = store
        self._secret = secret
        self._now = now
        self._max_bytes = max_bytes
        self._run = f"{chance.getrandbits(48):012X}"
        self._ids = count(1)

    async def answer(self, request: web.Request, bucket: str = "") -> web.StreamResponse:
        """Answers a request for a bucket that its host named, or that its path names."""
        request_id = f"{self._run}{next(self._ids):012X}"
        headers = {"x-oss-request-id": request_id, "Server": "AliyunOSS"}
        try:
            return await self._answer(self._let_in(request, bucket), headers)
        except ServiceError as error:
            body = refusal(error, request_id, request.host).encode()
            if request.method == "HEAD":  # has no body to say it in
                headers["x-oss-err"] = base64.b64encode(body).decode()
            return _xml(body, headers, error.status)

    def _let_in(self, request: web.Request, bucket: str) -> _Asked:
        path, _, query = request.raw_path.partition("?")
        try:
            path = unquote(path, errors="strict").removeprefix("/")
            params = dict(parse_qsl(query, keep_blank_values=True, errors="strict"))
        except UnicodeDecodeError:
            raise ServiceError(400, "InvalidObjectName", "The address is no UTF-8.") from None
        key = path
        if not bucket:
            bucket, _, key = path.partition("/")
        resource = f"/{bucket}/{key}" if bucket else "/"
        given = {name.lower(): value for name, value in request.headers.items()}
        signed = OssRequest(request.method, resource, params, given)
        check_signature(signed, self._secret, self._now(), needed=request.method not in {"GET", "HEAD"})
        if missing := sorted((params.keys() & SUBRESOURCES - _HARMLESS) | (given.keys() & _NOT_OFFERED)):
            raise ServiceError(
                501, "NotImplemented", f"The emulator does not offer '{missing[0]}': it gets, puts, deletes and lists."
            )
        return _Asked(request, bucket, key, params)

    async def _answer(self, asked: _Asked, headers: dict[str, str]) -> web.StreamResponse:
        match asked.request.method, bool(asked.bucket), bool(asked.key):
            case (("GET" | "HEAD"), True, True):
                return await self._get(asked, headers)
            case "PUT", True, True:
                return await self._put(asked, headers)
            case "DELETE", True, True:
                await in_thread(self._store.remove, asked.place)
                return web.Response(status=204, headers=headers)
            case "GET", True, False:
                return await self._list(asked, headers)
            case "PUT", True, False:
                await in_thread(self._store.make_bucket, asked.bucket)
                return web.Response(headers=headers)
        what = "objects" if asked.key else "buckets" if asked.bucket else "the service"
        raise ServiceError(405, "MethodNotAllowed", f"The emulator does not offer {asked.request.method} for {what}.")

    async def _get(self, asked: _Asked, headers: dict[str, str]) -> web.StreamResponse:
        async with held(self._store.opened(asked.place)) as (file, stored):
            part = _part_of(asked.request.headers, stored.size)
            first, last = part or (0, stored.size - 1)
            response = web.StreamResponse(status=206 if part else 200, headers=headers | _about(stored))
            if part:
                response.headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
            response.content_type = "application/octet-stream"
            response.content_length = left = last - first + 1
            await response.prepare(asked.request)
            if asked.request.method == "GET":
                await in_thread(file.seek, first)
                while left and (chunk := await in_thread(file.read, min(_CHUNK, left))):
                    await response.write(chunk)
                    left -= len(chunk)
            await response.write_eof()
        return response

    async def _put(self, asked: _Asked, headers: dict[str, str]) -> web.StreamResponse:
        folder, body = asked.key.endswith("/"), asked.request.content
        place = Place(asked.bucket, asked.key[:-1]) if folder else asked.place
        self._check_size(asked.request.content_length or 0)
        digest, size = hashlib.md5(usedforsecurity=False), 0
        async with held(self._store.incoming()) as file:
            async for chunk in body.iter_chunked(_CHUNK):
                size += len(chunk)
                self._check_size(size)
                digest.update(chunk)
                await in_thread(file.write, chunk)
            wanted = base64.b64encode(digest.digest()).decode()
            if asked.request.headers.get("Content-MD5", wanted) != wanted:
                raise ServiceError(400, "InvalidDigest", f"The Content-MD5 is not that of the body, '{wanted}'.")
            if folder and size:
                raise ServiceError(400, "InvalidObjectName", "A key that ends with '/' is a folder: it has no content.")
            await (in_thread(self._store.make_folder, place) if folder else in_thread(self._store.keep, place, file))
        return web.Response(headers=headers | {"ETag": f'"{digest.hexdigest().upper()}"'})

    async def _list(self, asked: _Asked, headers: dict[str, str]) -> web.StreamResponse:
        wanted = Wanted.read(asked.query)

        def describe(key: str) -> Stored | None:
            try:
                with self._store.opened(Place(asked.bucket, key)) as (_, stored):
                    return stored
            except ServiceError:  # removed since its name was read
                return None

        def look() -> bytes:
            page = page_of(self._store.keys(asked.bucket, wanted.prefix), wanted)
            return document(asked.bucket, wanted, page, describe).encode()

        return _xml(await in_thread(look), headers)

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise ServiceError(
                400, "EntityTooLarge", f"The emulator takes objects of at most {self._max_bytes} bytes, not {size}."
            )


def add_fallback(app: web.Application, face: OssFace) -> None:
    """Lets the face answer every path of the application that nothing else answers, as `/bucket/key`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await face.answer(request)

    app.router.add_route("*", "/{address:.*}", answer)


def by_host(face: OssFace) -> Middleware:
    """Lets the face answer what is sent to a host of OSS, such as `bucket.oss-cn-qingdao.aliyuncs.com`."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = _HOST.fullmatch(request.host)
        return await (face.answer(request, host["bucket"] or "") if host else handler(request))

    return answer


def _part_of(headers: Mapping[str, str], size: int) -> tuple[int, int] | None:
    """First and last byte that a Range asks for; None for the whole.

    Raises ServiceError for a range beyond the end, if the client wants to be told; to others OSS gives the whole.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("Range", ""), re.ASCII)
    if match is None or match[0] == "bytes=-":
        return None
    if match[1]:
        first, last = int(match[1]), int(match[2] or size - 1)
    else:
        first, last = size - int(match[2]), size - 1
    if 0 <= first <= last < size:
        return first, last
    if headers.get("x-oss-range-behavior") != "standard" or (match[1] and match[2] and first > last):
        return None
    first, last = max(first, 0), min(last, size - 1)
    if first > last:
        raise ServiceError(416, "InvalidRange", f"The range cannot be satisfied: the object has {size} bytes.")
    return first, last


def _about(stored: Stored) -> dict[str, str]:
    return {
        "Accept-Ranges": "bytes",
        "ETag": f'"{stored.etag}"',
        "Last-Modified": http_date(stored.modified),
        "x-oss-object-type": "Normal",
    }


def _xml(body: bytes, headers: Mapping[str, str], status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, headers=headers, content_type="application/xml")
