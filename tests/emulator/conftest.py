"""Clients of the emulator that share no code with it: their own signer, their own reading of answers."""

import asyncio
import base64
import hashlib
import hmac
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from aiohttp import ClientSession
from yarl import URL

from monitor.emulator.instances import Instance
from monitor.emulator.server import Emulator, EmulatorOptions, serve

JOB = """<?xml version="1.0" encoding="utf-8"?>
<Instance><Job><Name>{name}</Name><Priority>9</Priority><Tasks><SQL><Name>AnonymousSQLTask</Name>
<Config><Property><Name>settings</Name><Value>{settings}</Value></Property></Config>
<Query><![CDATA[{query}]]></Query></SQL></Tasks><DAG><RunMode>Sequence</RunMode></DAG></Job></Instance>"""


@dataclass(frozen=True)
class Reply:
    """An answer, read whole."""

    status: int
    headers: Any
    text: str

    @property
    def xml(self) -> ET.Element:
        return ET.fromstring(self.text)

    def find(self, path: str) -> str:
        found = self.xml.find(path)
        assert found is not None, f"no {path} in {self.text}"
        return found.text or ""

    def find_all(self, path: str) -> list[str]:
        return [found.text or "" for found in self.xml.findall(path)]


def sign(method: str, target: str, headers: dict[str, str], secret: str = "demo-secret", who: str = "me") -> str:
    """The legacy Authorization header for a path with query, for values without characters that need decoding."""
    path, _, query = target.partition("?")
    params = dict(parse_qsl(unquote(query), keep_blank_values=True))
    resource = unquote(path)
    if params:
        resource += "?" + "&".join(f"{key}={value}" if value else key for key, value in sorted(params.items()))
    lower = {"content-md5": "", "content-type": ""} | {key.lower(): value for key, value in headers.items()}
    wanted = sorted(key for key in lower if key in ("content-md5", "content-type", "date") or key.startswith("x-odps-"))
    lines = [f"{key}:{lower[key]}" if key.startswith("x-odps-") else lower[key] for key in wanted]
    text = "\n".join([method, *lines, resource])
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
    return f"ODPS {who}:{base64.b64encode(digest).decode()}"


@dataclass(frozen=True)
class Site:
    """A running emulator and somebody who asks it."""

    emulator: Emulator
    session: ClientSession

    async def ask(
        self, method: str, target: str, body: str = "", *, who: str = "me", headers: dict[str, str] | None = None
    ) -> Reply:
        """A signed request to MaxCompute; `target` is the path after `/api`. Given headers replace the signature."""
        if headers is None:
            headers = {"Date": formatdate(usegmt=True), "Content-Type": "application/xml"}
            headers["Authorization"] = sign(method, target, headers, who=who)
        url = URL(self.emulator.endpoint + target, encoded=True)
        async with self.session.request(method, url, data=body.encode(), headers=headers) as response:
            return Reply(response.status, response.headers, await response.text())

    async def get(self, target: str, **kw: Any) -> Reply:
        return await self.ask("GET", target, **kw)

    async def submit(self, query: str, settings: str = "{}", name: str = "", who: str = "me") -> str:
        """Runs a query; gives the new instance's id."""
        body = JOB.format(query=query, settings=settings, name=name)
        reply = await self.ask("POST", "/projects/demo/instances", body, who=who)
        assert (reply.status, reply.text) == (201, "")
        return str(reply.headers["Location"]).rsplit("/", 1)[1]

    async def control(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """A call of `/-/emulator`; gives (status, JSON or None)."""
        url = f"{self.emulator.url}/-/emulator{path}"
        async with self.session.request(method, url, json=body, headers=headers) as response:
            return response.status, (await response.json() if response.status != 204 else None)

    async def script(self, **recipe: Any) -> list[str]:
        """Creates scripted instances; gives their ids."""
        status, made = await self.control("POST", "/instances", recipe)
        assert status == 201, made
        ids: list[str] = made["ids"]
        return ids

    async def advance(self, seconds: float) -> None:
        """Moves emulated time on."""
        status, _ = await self.control("POST", "/clock", {"advance": seconds})
        assert status == 200

    def instance(self, id_: str) -> Instance:
        found = self.emulator.maxcompute.book.find(id_)
        assert found is not None
        return found

    async def drafted(self, id_: str) -> Instance:
        """Waits until the query has run and the plan is made."""
        instance = self.instance(id_)
        while instance.plan.ends == float("inf"):
            instance.bell = instance.bell or asyncio.Event()
            await instance.bell.wait()
        return instance

    async def finished(self, id_: str) -> str:
        """Waits for the end; gives the task's status."""
        reply = await self.get(f"/projects/demo/instances/{id_}?instancestatus")
        assert reply.find("Status") == "Terminated"
        return (await self.get(f"/projects/demo/instances/{id_}?taskstatus")).find("Tasks/Task/Status")


Visit = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def visit() -> Visit:
    """`async with visit(speed=1000) as site`: an emulator of one's own."""

    @asynccontextmanager
    async def _visit(**options: Any) -> AsyncIterator[Site]:
        async with serve(EmulatorOptions(**options)) as emulator, ClientSession() as session:
            yield Site(emulator, session)

    return _visit
