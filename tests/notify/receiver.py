"""A team's webhook receiver: a real server on a port of its own, with a script."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from monitor.core.alerting import Alert, fingerprint
from monitor.core.model import InstanceKey
from monitor.notify.webhook import Webhook, WebhookSection
from monitor.section import Secret
from tests.served import answered

NOON = datetime(2016, 5, 19, 12, 0, tzinfo=UTC)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def alert(instance: str = "i1", **texts: str) -> Alert:
    """A failure at noon; `texts` replace labels and annotations of their names."""
    labels = {
        "alertname": "InstanceFailed",
        "severity": "critical",
        "source": "warehouse",
        "project": "analytics",
        "instance": instance,
        "task": "AnonymousSQLTask",
        "owner": "ALIYUN$me@example.test",
        "code": "ODPS-0130131",
    }
    annotations = {
        "summary": f"{instance} in analytics failed",
        "message": "ODPS-0130131: Table not found",
        "progress": "M1_Stg1_job0:0/1/1[100%]",
        "duration": "2m05s",
        "logview": f"http://stagewatch.test/api/v1/instances/warehouse/analytics/{instance}/logview?redirect",
    }
    return Alert(
        id=fingerprint("InstanceFailed", f"warehouse/analytics/{instance}", "1"),
        rule="InstanceFailed",
        severity="critical",
        key=InstanceKey("warehouse", "analytics", instance),
        attempt=1,
        at=NOON,
        started_at=NOON,
        labels={name: texts.get(name, text) for name, text in labels.items()},
        annotations={name: texts.get(name, text) for name, text in annotations.items()},
        channels=("ops",),
    )


@dataclass
class Receiver:
    """`answer` replaces the plain 200 that it gives. Requests are kept as they came."""

    url: str = ""
    answer: Answer | None = None
    requests: list[tuple[web.Request, bytes]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)

    async def hook(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request, await request.read()))
        self.connections.add(request.transport)
        return web.Response(text="thanks") if self.answer is None else await self.answer(request)


@asynccontextmanager
async def receiving(answer: Answer | None = None) -> AsyncIterator[Receiver]:
    """A receiver at `receiver.url`."""
    receiver = Receiver(answer=answer)
    async with answered(receiver.hook, patience=0.1) as url:
        receiver.url = f"{url}/hook"
        yield receiver


def answering(status: int, text: str = "", **headers: str) -> Answer:
    """Always this."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


@asynccontextmanager
async def webhook(url: str, **headers: str) -> AsyncIterator[Webhook]:
    """The channel `ops` to this address, closed in the end."""
    secrets = {name.replace("_", "-"): Secret(value) for name, value in headers.items()}
    section = WebhookSection(type="webhook", name="ops", url=url, headers=secrets)
    channel = Webhook(section, external_url="http://stagewatch.test", version="1.2.3")
    try:
        yield channel
    finally:
        await channel.aclose()
        await asyncio.sleep(0)
