"""The HTTP face of the object store, for a plain client and for the released one."""

import asyncio
import base64
import hashlib
import sys
import xml.etree.ElementTree as ET
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import quote, unquote

import pytest
from aiohttp import ClientSession, web
from yarl import URL

from monitor.emulator.batchcompute.objects import ObjectStore
from monitor.emulator.batchcompute.oss_face import OssFace, add_fallback, by_host
from tests.emulator.batchcompute.workshop import SECRET, signature
from tests.served import served

DATE = "Wed, 11 Nov 2015 11:11:11 GMT"
OSS2 = Path(sys.prefix) / "clients/bin/python"  # has the released client


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return ET.fromstring(self.body).findtext("Code") or ""


@dataclass(frozen=True)
class Site:
    """A server with OSS behind a route of its own."""

    url: str
    folder: Path
    session: ClientSession

    async def ask(
        self, method: str, target: str, body: bytes = b"", *, sign: bool = True, host: str = "", **headers: str
    ) -> Reply:
        """`target` is as it goes over the wire; names of headers have `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"Date": DATE}
        sent.setdefault("Content-Type", "text/plain")
        if sign:
            resource = unquote(target).partition("?")[0]
            if host:
                sent["Host"] = host
                resource = f"/{host.partition('.')[0]}{resource}"
            own = "".join(f"{name.lower()}:{sent[name]}\n" for name in sorted(sent) if name.startswith("x-oss-"))
            right = signature(
                method, resource, DATE, own=own, kind=sent["Content-Type"], md5=sent.get("Content-MD5", "")
            )
            sent["Authorization"] = f"OSS me:{right}"
        url = URL(self.url + target, encoded=True)
        async with self.session.request(method, url, data=body, headers=sent) as answer:
            return Reply(answer.status, answer.headers, await answer.read())


@asynccontextmanager
async def object_site(folder: Path, max_bytes: int = 1000) -> AsyncIterator[Site]:
    async def own(_request: web.Request) -> web.Response:
        return web.Response(text="own route")

    store = ObjectStore(folder)
    face = OssFace(store, secret=SECRET, now=lambda: 1000.0, chance=Random(1), max_bytes=max_bytes)
    app = web.Application(client_max_size=10, middlewares=[by_host(face)])
    app.router.add_get("/jobs", own)
    add_fallback(app, face)
    async with served(app, patience=0.5) as url, ClientSession() as session:
        yield Site(url, folder, session)


@pytest.mark.asyncio
async def test_what_is_put_can_be_got_until_it_is_deleted(tmp_path: Path) -> None:
    """The bucket comes into being with its first object; the answers carry what clients read."""
    async with object_site(tmp_path) as site:
        put = await site.ask("PUT", "/demo/logs%2Fa%20%2B.txt", b"content")
        assert (put.status, put.body) == (200, b"")
        assert (tmp_path / "demo/logs/a +.txt").read_bytes() == b"content"
        got = await site.ask("GET", "/demo/logs/a%20+.txt", sign=False)
        assert (got.status, got.body) == (200, b"content")
        assert got.headers["ETag"] == put.headers["ETag"] == f'"{hashlib.md5(b"content").hexdigest().upper()}"'
        assert got.headers["x-oss-object-type"] == "Normal"
        assert got.headers["Last-Modified"].endswith("GMT")
        assert len({put.headers["x-oss-request-id"], got.headers["x-oss-request-id"]}) == 2
        head = await site.ask("HEAD", "/demo/logs%2Fa%20+.txt?objectMeta", sign=False)
        assert (head.status, head.headers["Content-Length"], head.body) == (200, "7", b"")
        assert (await site.ask("DELETE", "/demo/logs%2Fa%20%2B.txt")).status == 204
        gone = await site.ask("GET", "/demo/logs%2Fa%20%2B.txt")
        assert (gone.status, gone.code) == (404, "NoSuchKey")


@pytest.mark.asyncio
async def test_a_bucket_may_stand_in_the_host_name(tmp_path: Path) -> None:
    """Then the whole path is the key, also where the application has a route of its own."""
    async with object_site(tmp_path) as site:
        host = "demo.oss-cn-qingdao.aliyuncs.com"
        assert (await site.ask("PUT", "/jobs", b"an object", host=host)).status == 200
        assert (await site.ask("GET", "/jobs", host=f"{host}:80")).body == b"an object"
        assert (await site.ask("GET", "/jobs", sign=False)).body == b"own route"
        assert (await site.ask("GET", "/demo/jobs", sign=False)).body == b"an object"
        assert (
            await site.ask("GET", "/demo/jobs", sign=False, Host="oss-cn-qingdao.aliyuncs.com")
        ).body == b"an object"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("asked", "status", "part", "shown"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=0-100", 200, b"0123456789", None),
        ("bytes=10-", 200, b"0123456789", None),
        ("bytes=-0", 200, b"0123456789", None),
        ("bytes=3-1", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
async def test_a_range_gives_a_part(asked: str, status: int, part: bytes, shown: str | None, tmp_path: Path) -> None:
    """What is no range of the object gives the whole: that is how OSS behaves unless told otherwise."""
    async with object_site(tmp_path) as site:
        await site.ask("PUT", "/demo/a", b"0123456789")
        got = await site.ask("GET", "/demo/a", Range=asked)
        assert (got.status, got.body, got.headers.get("Content-Range")) == (status, part, shown)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [("bytes=7-100", 206, b"789"), ("bytes=-100", 206, b"0123456789"), ("bytes=3-1", 200, b"0123456789")],
)
async def test_a_client_may_ask_for_ranges_as_http_has_them(
    asked: str, status: int, part: bytes, tmp_path: Path
) -> None:
    """Then a range is cut to the object, and one beyond its end is refused."""
    async with object_site(tmp_path) as site:
        await site.ask("PUT", "/demo/a", b"0123456789")
        got = await site.ask("GET", "/demo/a", Range=asked, x_oss_range_behavior="standard")
        assert (got.status, got.body) == (status, part)
        refused = await site.ask("GET", "/demo/a", Range="bytes=10-", x_oss_range_behavior="standard")
        assert (refused.status, refused.code) == (416, "InvalidRange")


@pytest.mark.asyncio
async def test_who_writes_must_sign(tmp_path: Path) -> None:
    """Unsigned writes and wrong signatures are refused, and change nothing."""
    async with object_site(tmp_path) as site:
        for method in ("PUT", "DELETE", "POST"):
            reply = await site.ask(method, "/demo/a", b"x", sign=False)
            assert (reply.status, reply.code) == (403, "AccessDenied")
            reply = await site.ask(method, "/demo/a", b"x", sign=False, Authorization="OSS me:d3Jvbmc=")
            assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
        reply = await site.ask("GET", "/demo/a", sign=False, Authorization="OSS me:d3Jvbmc=")
        assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
        assert files_in(tmp_path) == []


@pytest.mark.asyncio
async def test_an_address_signed_in_its_query_is_enough(tmp_path: Path) -> None:
    """So a program may be lent an address instead of a secret."""
    async with object_site(tmp_path) as site:
        right = quote(signature("PUT", "/demo/a", "1001", kind="text/plain"), safe="")
        put = await site.ask("PUT", f"/demo/a?OSSAccessKeyId=me&Expires=1001&Signature={right}", b"lent", sign=False)
        assert put.status == 200
        assert (tmp_path / "demo/a").read_bytes() == b"lent"


@pytest.mark.asyncio
@pytest.mark.parametrize("target", ["/demo/%2e%2e%2fx", "/demo/../x", "/demo/a%00b", "/demo//etc/passwd", "/demo/%ff"])
async def test_hostile_keys_reach_nothing(target: str, tmp_path: Path) -> None:
    """However they are written on the wire."""
    (tmp_path / "x").write_bytes(b"secret")
    async with object_site(tmp_path / "oss") as site:
        await site.ask("PUT", "/demo/a", b"x")
        for method in ("GET", "PUT", "DELETE"):
            reply = await site.ask(method, target, b"y", sign=method != "GET")
            assert reply.status in {400, 403}  # no UTF-8 cannot even be signed
            assert reply.code in {"InvalidObjectName", "SignatureDoesNotMatch"}
    assert (tmp_path / "x").read_bytes() == b"secret"


@pytest.mark.asyncio
async def test_objects_have_a_bound(tmp_path: Path) -> None:
    """Announced or not, a body that is too large is refused, and nothing of it is left."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 400

    async with object_site(tmp_path) as site:
        assert (await site.ask("PUT", "/demo/a", b"x" * 1000)).status == 200
        reply = await site.ask("PUT", "/demo/b", b"x" * 1001)
        assert (reply.status, reply.code) == (400, "EntityTooLarge")
        assert b"at most 1000 bytes" in reply.body
        right = signature("PUT", "/demo/b", DATE, kind="text/plain")
        headers = {"Date": DATE, "Content-Type": "text/plain", "Authorization": f"OSS me:{right}"}
        async with site.session.put(f"{site.url}/demo/b", data=pieces(), headers=headers) as answer:
            assert answer.status == 400
    assert files_in(tmp_path) == ["a"]


@pytest.mark.asyncio
async def test_a_body_that_was_spoilt_on_its_way_is_refused(tmp_path: Path) -> None:
    """If the client says what its MD5 is."""
    async with object_site(tmp_path) as site:
        right = base64.b64encode(hashlib.md5(b"content").digest()).decode()
        assert (await site.ask("PUT", "/demo/a", b"content", Content_MD5=right)).status == 200
        reply = await site.ask("PUT", "/demo/a", b"contend", Content_MD5=right)
        assert (reply.status, reply.code) == (400, "InvalidDigest")
        assert (await site.ask("GET", "/demo/a")).body == b"content"


@pytest.mark.asyncio
async def test_an_empty_object_whose_key_ends_with_a_slash_is_a_folder(tmp_path: Path) -> None:
    """So clients try whether they may write somewhere; with content it is refused."""
    async with object_site(tmp_path) as site:
        assert (await site.ask("PUT", "/demo/cli/")).status == 200
        assert (tmp_path / "demo/cli").is_dir()
        full = await site.ask("PUT", "/demo/full/", b"content")
        assert (full.status, full.code) == (400, "InvalidObjectName")
        assert files_in(tmp_path) == []


@pytest.mark.asyncio
async def test_what_is_not_offered_is_no_plain_write(tmp_path: Path) -> None:
    """Access rights, parts and copies must not end as objects with their bodies."""
    async with object_site(tmp_path) as site:
        for method, target in (("PUT", "/demo/a?acl"), ("POST", "/demo/a?uploads"), ("GET", "/demo?acl")):
            right = signature(method, target if "/a" in target else "/demo/?acl", DATE, kind="text/plain")
            reply = await site.ask(method, target, b"x", sign=False, Authorization=f"OSS me:{right}")
            assert (reply.status, reply.code) == (501, "NotImplemented")
        reply = await site.ask("PUT", "/demo/a", b"", x_oss_copy_source="/demo/b")
        assert (reply.status, reply.code) == (501, "NotImplemented")
        for method, target in (("POST", "/demo/a"), ("DELETE", "/demo/"), ("PUT", "/")):
            reply = await site.ask(method, target)
            assert (reply.status, reply.code) == (405, "MethodNotAllowed")
        assert files_in(tmp_path) == []


@pytest.mark.asyncio
async def test_a_refusal_of_head_is_told_in_a_header(tmp_path: Path) -> None:
    """It has no body."""
    async with object_site(tmp_path) as site:
        head = await site.ask("HEAD", "/demo/a")
        assert (head.status, head.body) == (404, b"")
        assert ET.fromstring(base64.b64decode(head.headers["x-oss-err"])).findtext("Code") == "NoSuchBucket"


@pytest.mark.asyncio
async def test_a_bucket_tells_its_keys(tmp_path: Path) -> None:
    """Made empty or by an object; one that is not there is told as such."""
    async with object_site(tmp_path) as site:
        assert (await site.ask("PUT", "/demo/")).status == 200
        await site.ask("PUT", "/demo/a/b", b"1")
        await site.ask("PUT", "/demo/c", b"1")
        got = await site.ask("GET", "/demo/?delimiter=%2F")
        root = ET.fromstring(got.body)
        assert [key.text for key in root.findall("Contents/Key")] == ["c"]
        assert [prefix.text for prefix in root.findall("CommonPrefixes/Prefix")] == ["a/"]
        missing = await site.ask("GET", "/other/", sign=False)
        assert (missing.status, missing.code) == (404, "NoSuchBucket")


SCRIPT = """
import sys, oss2
url, secret, folder = sys.argv[1:]
bucket = oss2.Bucket(oss2.Auth('me', secret), url, 'demo')
bucket.put_object('a/1 +%.txt', b'one')
bucket.put_object_from_file('package.tar.gz', sys.executable)
print(bucket.get_object('a/1 +%.txt').read())
print(bucket.get_object('a/1 +%.txt', byte_range=(1, 2)).read())
print(bucket.head_object('a/1 +%.txt').content_length, bucket.object_exists('a/1 +%.txt'), bucket.object_exists('no'))
try:
    bucket.get_object('no')
except oss2.exceptions.NoSuchKey as error:
    print(error.status, error.code)
for n in range(5):
    bucket.put_object(f'b/{n}', b'x')
print([one.key for one in oss2.ObjectIterator(bucket, max_keys=3)])
print([one.key for one in oss2.ObjectIteratorV2(bucket, prefix='b/', max_keys=2)])
print([(one.key, one.is_prefix()) for one in oss2.ObjectIterator(bucket, delimiter='/')])
bucket.get_object_to_file('b/1', folder + '/down')
print(bucket.delete_object('b/1').status, bucket.object_exists('b/1'))
print(bucket.get_object_with_url(bucket.sign_url('GET', 'b/2', 60)).read())
try:
    oss2.Bucket(oss2.Auth('me', 'wrong'), url, 'demo').put_object('a', b'')
except oss2.exceptions.SignatureDoesNotMatch as error:
    print(error.status)
"""


@pytest.mark.asyncio
async def test_the_released_client_is_content(tmp_path: Path) -> None:
    """It puts, gets, lists, deletes and signs addresses, unmodified."""
    async with object_site(tmp_path / "oss", max_bytes=100_000_000) as site:
        client = await asyncio.create_subprocess_exec(
            OSS2, "-c", SCRIPT, site.url, SECRET, str(tmp_path), stdout=PIPE, stderr=PIPE
        )
        out, err = await client.communicate()
    assert client.returncode == 0, err.decode()
    assert out.decode().splitlines() == [
        "b'one'",
        "b'ne'",
        "3 True False",
        "404 NoSuchKey",
        "['a/1 +%.txt', 'b/0', 'b/1', 'b/2', 'b/3', 'b/4', 'package.tar.gz']",
        "['b/0', 'b/1', 'b/2', 'b/3', 'b/4']",
        "[('a/', True), ('b/', True), ('package.tar.gz', False)]",
        "204 False",
        "b'x'",
        "403",
    ]
    assert (tmp_path / "down").read_bytes() == b"x"
