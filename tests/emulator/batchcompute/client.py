"""A client of Batch Compute that shares no code with the emulator: its own signer, its own reading of answers."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from email.utils import formatdate
from io import BytesIO
from itertools import pairwise
from typing import Any

from yarl import URL

from tests.emulator.conftest import Site, Visit

TASK: dict[str, Any] = {
    "InstanceCount": 3,
    "AutoCluster": {"ResourceType": "OnDemand", "ImageId": "img-ubuntu", "InstanceType": "ecs.sn1.medium"},
    "Parameters": {
        "Command": {"CommandLine": "true", "PackagePath": "", "EnvVars": {}},
        "StdoutRedirectPath": "oss://emulator/logs/",
        "StderrRedirectPath": "oss://emulator/logs/",
    },
}
JOB: dict[str, Any] = {
    "Name": "log-count",
    "Type": "DAG",
    "Priority": 0,
    "JobFailOnInstanceFail": True,
    "DAG": {"Tasks": {"count": TASK}, "Dependencies": {}},
}


def job(command_line: str = "true", *, tasks: tuple[str, ...] = ("count",), **fields: Any) -> dict[str, Any]:
    """A description whose tasks follow one another, with other fields of the job, or of its tasks where theirs."""
    made = deepcopy(JOB)
    of_tasks = {"InstanceCount", "MaxRetryCount", "Timeout", "ClusterId", "AutoCluster"} & fields.keys()
    one = deepcopy(TASK) | {name: fields.pop(name) for name in of_tasks}
    one["Parameters"]["Command"]["CommandLine"] = command_line
    made["DAG"]["Tasks"] = {name: deepcopy(one) for name in tasks}
    made["DAG"]["Dependencies"] = {first: [after] for first, after in pairwise(tasks)}
    return made | fields


def sign(method: str, target: str, headers: Mapping[str, str], *, secret: str = "demo-secret", who: str = "me") -> str:
    """The Authorization header of a request."""
    own = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()) if name.startswith("x-acs-"))
    lines = [method, headers["Accept"], "", headers["Content-Type"], headers["Date"], own + target]
    digest = hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha1).digest()
    return f"acs {who}:{base64.b64encode(digest).decode()}"


@dataclass(frozen=True)
class Reply:
    """An answer, read whole."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["Code"])


@dataclass(frozen=True)
class Client:
    """Somebody who asks one emulator."""

    site: Site

    async def ask(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        secret: str = "demo-secret",
        who: str = "me",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """A signed request; `target` is what stands on the request line."""
        sent = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Date": formatdate(usegmt=True),
            "x-acs-access-key-id": who,
            "x-acs-version": "2015-11-11",
            **(headers or {}),
        }
        sent["Authorization"] = sign(method, target, sent, secret=secret, who=who)
        data = body if isinstance(body, bytes | BytesIO) else b"" if body is None else json.dumps(body).encode()
        url = URL(self.site.emulator.url + target, encoded=True)
        async with self.site.session.request(method, url, data=data, headers=sent) as response:
            return Reply(response.status, response.headers, await response.read())

    async def get(self, target: str) -> Any:
        """What is there, as JSON."""
        reply = await self.ask("GET", target)
        assert reply.status == 200, reply.body
        return reply.json

    async def submit(self, description: Mapping[str, Any], token: str = "") -> str:
        """A new job; gives its id."""
        reply = await self.ask("POST", f"/jobs?IdempotentToken={token}" if token else "/jobs", description)
        assert reply.status == 201, reply.body
        return str(reply.json["Id"])

    async def plan(self, **wanted: Any) -> list[str]:
        """Planned jobs; gives their ids."""
        status, made = await self.site.control("POST", "/jobs", wanted)
        assert status == 201, made
        ids: list[str] = made["ids"]
        return ids

    async def ids(self, query: str = "Marker&MaxItemCount=100") -> list[str]:
        """Of a page of jobs."""
        return [item["Id"] for item in (await self.get(f"/jobs?{query}"))["Items"]]


@asynccontextmanager
async def asking(visit: Visit, **options: Any) -> AsyncIterator[Client]:
    """A client of an emulator of its own."""
    async with visit(**options) as site:
        yield Client(site)
