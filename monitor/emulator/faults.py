"""Faults on purpose: what a client must bear, in the form in which it comes over the wire.

Each is one function: it answers in the service's place, or spoils what the service says. Which are on, and whom they
hit, is the switchboard's business. `FAULTS` are those of MaxCompute; what has the same form in every service is public,
and stands in the tables of the others too.
"""

import asyncio
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Literal, TypeAlias
from xml.sax.saxutils import unescape

import msgspec
from aiohttp import web

from monitor.emulator import documents
from monitor.emulator.errors import ServiceError
from monitor.emulator.wire import INSTANCE_ACTIONS, right_of
from monitor.emulator.xmltext import escape

LISTINGS = ("cachedinstances", "list")
QUESTIONS = ("status", *(action for action in INSTANCE_ACTIONS if action != "instancestatus"))
OF_INSTANCES = (*QUESTIONS, "stop", "put_info")
OF_PROJECTS = (
    "submit",
    "project",
    "authorization",
    "tunnel",
    "logs",
    "tenants",
    "logview_host",
    "webconsole_host",
    "connection",
)
OPERATIONS = (*LISTINGS, *OF_INSTANCES, *OF_PROJECTS)
_SPACE = b" " * 2**18
ServiceName: TypeAlias = Literal["maxcompute", "batchcompute"]


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST faults`: which fault, where, how often, and for how many real seconds (until told, if null).

    Without `service` it hits all that know it, without `operations` all of theirs that it can. `share` is how many of
    their requests it hits. `delay` and `retry_after` are seconds; `offset` is by how many the service's clock is ahead;
    `mebibytes` is the size of a huge body.
    """

    fault: str
    service: ServiceName | None = None
    operations: tuple[str, ...] = ()
    share: float = 1.0
    seed: int = 0
    seconds: float | None = None
    delay: float = 1.0
    retry_after: int = 1
    offset: float = 3600.0
    mebibytes: int = 64

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError("share must be above 0 and at most 1")
        if self.seconds is not None and not 0 < self.seconds < inf:
            raise ValueError("seconds must be above 0, or null until it is switched off")
        if not 0 <= self.delay <= 3600 or not 0 <= self.retry_after <= 86_400:
            raise ValueError("delay must be between 0 and 3600 seconds; retry_after between 0 and 86400")
        if not abs(self.offset) <= 86_400 or not 0 < self.mebibytes <= 1024:
            raise ValueError("offset must be at most 86400 seconds either way; mebibytes between 1 and 1024")


@dataclass(frozen=True, slots=True)
class Hit:
    """One request that a fault hits. `answer` asks the service; `chance` is this request's own."""

    request: web.Request
    answer: Callable[[], Awaitable[web.StreamResponse]]
    setting: Setting
    chance: Random


Act: TypeAlias = Callable[[Hit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Fault:
    """What it does in one line, what it does, and to which operations that can be done."""

    says: str
    act: Act
    operations: tuple[str, ...] = OPERATIONS


# --- the service is slow, away, or wants less -------------------------------------------------------------------------


async def latency(hit: Hit) -> web.StreamResponse:
    """The true answer, later."""
    await asyncio.sleep(hit.setting.delay)
    return await hit.answer()


async def bad_gateway(hit: Hit) -> web.StreamResponse:
    """Something in front of the service cannot reach it."""
    titles = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}
    status = hit.chance.choice(tuple(titles))
    return _gateway_page(status, titles[status], "Sorry, the page you are looking for is currently unavailable.")


async def too_many_requests(hit: Hit) -> web.StreamResponse:
    """Something in front of the service names a time to come back."""
    page = _gateway_page(429, "Too Many Requests", "Please try again later.")
    page.headers["Retry-After"] = str(hit.setting.retry_after)
    return page


async def _internal_error(_hit: Hit) -> web.StreamResponse:
    raise ServiceError(500, "InternalServerError", "ODPS-0010000:System internal error - the emulator was told to fail")


async def _flow_exceeded(_hit: Hit) -> web.StreamResponse:
    raise ServiceError(400, "FlowExceeded", "ODPS-0420071:Flow control - this account sends too many requests")


async def _expired_token(hit: Hit) -> web.StreamResponse:
    if not any(header in hit.request.headers for header in ("authorization-sts-token", "x-odps-bearer-token")):
        return await hit.answer()  # whoever signs with a lasting key is not concerned
    raise ServiceError(
        401, "AuthenticationRequestExpired", "ODPS-0410031:Authentication request expired - the token has expired"
    )


async def _forbidden(hit: Hit) -> web.StreamResponse:
    action, resource = right_of(hit.request)
    raise ServiceError(
        403,
        "NoPermission",
        f"ODPS-0130013:Authorization exception - Authorization Failed [4019], You have NO privilege '{action}' on "
        f"{{acs:odps:*:{resource}}}",
    )


async def clock_skew(hit: Hit) -> web.StreamResponse:
    """The switchboard has turned the clock: its time stands in dates, and signatures are judged by it."""
    return await hit.answer()


def _gateway_page(status: int, title: str, text: str) -> web.Response:
    """What an nginx in front of the service says."""
    lines = (
        f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>",
        f"<center><h1>{status} {title}</h1></center>\r\n<p>{text}</p>",
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
    )
    return web.Response(status=status, text="\r\n".join(lines), content_type="text/html", headers={"Server": "nginx"})


# --- the answer does not arrive whole, or is something else -----------------------------------------------------------


async def reset(hit: Hit) -> web.StreamResponse:
    """The connection breaks in the middle of a body."""
    response = await hit.answer()
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    torn = web.StreamResponse(status=response.status, headers={"Content-Type": response.content_type})
    torn.content_length = len(response.body) + 1  # something is always left to say
    await torn.prepare(hit.request)
    await torn.write(response.body[: len(response.body) // 2])
    if hit.request.transport is not None:
        connection = hit.request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST instead of FIN
        hit.request.transport.abort()
    return torn


async def huge_body(hit: Hit) -> web.StreamResponse:
    """White space without end, where the document allows it."""
    response = await hit.answer()
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    head, gap, tail = response.body.rpartition(b"</")
    huge = web.StreamResponse(status=response.status, headers={"Content-Type": response.content_type})
    huge.enable_chunked_encoding()
    await huge.prepare(hit.request)
    try:
        await huge.write(head)
        for _ in range(hit.setting.mebibytes * 2**20 // len(_SPACE)):
            await huge.write(_SPACE)
        await huge.write(gap + tail)
    except ConnectionError:
        pass  # the client has had enough
    return huge


async def truncated(hit: Hit) -> web.StreamResponse:
    """Good HTTP around half a document."""
    return await spoil(hit, lambda body: body[: int(len(body) * hit.chance.uniform(0.2, 0.8))])


async def _entity_bomb(hit: Hit) -> web.StreamResponse:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return await spoil(hit, lambda body: _declare(body, f'<!ENTITY l0 "ha ha ha ">{entities}', "&l9;"))


async def _external_entity(hit: Hit) -> web.StreamResponse:
    return await spoil(hit, lambda body: _declare(body, '<!ENTITY own SYSTEM "file:///etc/hostname">', "&own;"))


async def _wrong_content(hit: Hit) -> web.StreamResponse:
    login = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form></form></body></html>\n"
    kind, text = hit.chance.choice(
        (
            ("text/html", login),
            ("application/json", '{"success":true,"data":[]}'),
            ("application/xml", f"{documents.DECLARATION}<Project>\n  <Name>demo</Name>\n</Project>\n"),
            ("application/xml", ""),
        )
    )
    return web.Response(text=text, content_type=kind)


async def spoil(hit: Hit, change: Callable[[bytes], bytes]) -> web.StreamResponse:
    """The service's answer with another body. An answer that is on its way already stays as it is."""
    response = await hit.answer()
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        response.body = change(response.body)
    return response


def _declare(body: bytes, entities: str, reference: str) -> bytes:
    """The same document with entities declared before its root, and one of them used in it."""
    root = re.search(rb"<(\w+)", body)
    if root is None:
        return body
    head, gap, tail = body[root.start() :].decode().rpartition("</")
    doctype = f"<!DOCTYPE {root[1].decode()} [{entities}]>\n"
    return f"{documents.DECLARATION}{doctype}{head}<Note>{reference}</Note>{gap}{tail}".encode()


# --- the service is confused about its instances ----------------------------------------------------------------------


async def _repeated_marker(hit: Hit) -> web.StreamResponse:
    return await spoil(hit, lambda body: _mark(body, "1"))


async def _looping_markers(hit: Hit) -> web.StreamResponse:
    asked = hit.request.query.get("marker")
    return await spoil(hit, lambda body: _mark(body, "2" if asked == "1" else "1"))


async def _duplicate_ids(hit: Hit) -> web.StreamResponse:
    return await spoil(hit, lambda body: _with_rows(body, lambda rows: [*rows, *rows]))


async def _vanishing(hit: Hit) -> web.StreamResponse:
    return await spoil(
        hit, lambda body: _with_rows(body, lambda rows: [row for row in rows if hit.chance.random() < 0.5])
    )


async def _no_such_object(hit: Hit) -> web.StreamResponse:
    id_, project = hit.request.match_info["id"], hit.request.match_info["project"]
    raise ServiceError(404, "NoSuchObject", f"ODPS-0420095: Instance not found - '{id_}' in project '{project}'")


def _mark(body: bytes, marker: str) -> bytes:
    return re.sub(rb"<Marker>\w*</Marker>", f"<Marker>{marker}</Marker>".encode(), body, count=1)


def _with_rows(body: bytes, change: Callable[[Sequence[str]], Sequence[str]]) -> bytes:
    """A page with other rows: elements, or JSON as text in one element."""
    text = body.decode()
    if content := re.search(r"(?<=<Content>).*(?=</Content>)", text, re.DOTALL):
        array = ",".join(change([json.dumps(row) for row in json.loads(unescape(content[0]))]))
        return f"{text[: content.start()]}[{escape(array)}]{text[content.end() :]}".encode()
    rows = re.findall(r"  <Instance>.*?</Instance>\n", text, re.DOTALL)
    head, _, tail = text.partition("".join(rows)) if rows else (text, "", "")
    return f"{head}{''.join(change(rows))}{tail}".encode()


# --- the table: the first stands nearest to the client, the last nearest to the service -------------------------------

FAULTS: Mapping[str, Fault] = {
    "latency": Fault("answers come `delay` seconds later", latency),
    "bad_gateway": Fault("502, 503 or 504 with a gateway's page", bad_gateway),
    "too_many_requests": Fault("429 with a gateway's page and Retry-After: `retry_after`", too_many_requests),
    "reset": Fault("the connection is reset in the middle of a body", reset),
    "huge_body": Fault("`mebibytes` of white space in the document, their number not announced", huge_body),
    "truncated": Fault("good HTTP around a document that stops in the middle", truncated),
    "entity_bomb": Fault("a document type with entities that multiply to ten gigabytes", _entity_bomb),
    "external_entity": Fault("a document type with an entity from the client's own disk", _external_entity),
    "wrong_content": Fault("200 with a login page, JSON, another document or nothing", _wrong_content),
    "repeated_marker": Fault("every page of a listing leads to the same next one", _repeated_marker, LISTINGS),
    "looping_markers": Fault("pages of a listing lead to each other in a circle", _looping_markers, LISTINGS),
    "duplicate_ids": Fault("every row of a listing stands twice on its page", _duplicate_ids, LISTINGS),
    "vanishing": Fault("half of a listing's rows are missing, others each time", _vanishing, LISTINGS),
    "no_such_object": Fault("404 NoSuchObject for instances that exist", _no_such_object, OF_INSTANCES),
    "internal_error": Fault("500 InternalServerError in the service's words", _internal_error),
    "flow_exceeded": Fault("400 FlowExceeded in the service's words, and no time is named", _flow_exceeded),
    "expired_token": Fault("whoever brings an STS or bearer token is told that it has expired", _expired_token),
    "forbidden": Fault("403 NoPermission: a right is missing, which the message names", _forbidden),
    "clock_skew": Fault("the service's clock is `offset` seconds ahead, for everybody at once", clock_skew),
}
