"""A temporary token expires, and somebody writes the next one into its file: the daemon goes on by itself.

Over both services at once.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from monitor.emulator.errors import ServiceError
from monitor.emulator.server import Emulator, EmulatorOptions, serve
from tests.e2e.eventually import eventually
from tests.e2e.processes import BATCHCOMPUTE, MAXCOMPUTE, running
from tests.e2e.receiver import receiving
from tests.e2e.workload import phases, submit

HEADERS = {MAXCOMPUTE: "authorization-sts-token", BATCHCOMPUTE: "x-acs-security-token"}
EXPIRED = {
    MAXCOMPUTE: (401, "AuthenticationRequestExpired", "ODPS-0410031:Authentication request expired"),
    BATCHCOMPUTE: (400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."),
}


class Desk:
    """Where tokens for a service are issued: only the newest is good. `sent` are all that came."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.file = folder / f"{kind}.token"
        self.good = ""
        self.sent: set[str] = set()

    def expire(self, number: int) -> None:
        """Whatever was issued before is over; from now on this one is good."""
        self.good = f"made-up-{self.kind}-token-{number}"

    def write(self) -> None:
        """Hand out the good one, as a side-car does it."""
        beside = self.file.with_suffix(".new")
        beside.write_text(f"{self.good}\n")
        beside.rename(self.file)

    @web.middleware
    async def judge(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who brings the good one; others come to another service."""
        if request.path.startswith("/api/") is (self.kind == MAXCOMPUTE):
            token = request.headers.get(HEADERS[self.kind], "")
            self.sent.add(token)
            if token != self.good:
                raise ServiceError(*EXPIRED[self.kind])
        return await handler(request)


def config(emulator: Emulator, desks: Sequence[Desk], hook: str) -> str:
    """The daemon's config file: YAML holds JSON. Each source is named for its kind."""
    where: dict[str, dict[str, Any]] = {
        MAXCOMPUTE: {"endpoint": emulator.endpoint, "projects": ["demo"]},
        BATCHCOMPUTE: {"endpoint": emulator.url, "region": "cn-qingdao"},
    }
    sources = [
        {
            "type": desk.kind,
            "name": desk.kind,
            **where[desk.kind],
            "access_id": "tester",
            "access_key": "demo-secret",
            "sts_token": {"file": str(desk.file)},
            "sweep_every": "500ms",
            "reconcile_every": "1s",
        }
        for desk in desks
    ]
    channels = [{"name": "team", "type": "webhook", "url": hook}]
    storage = {"type": "memory"}
    return json.dumps(
        {"listen": "127.0.0.1:0", "storage": storage, "sources": sources, "alerts": {"channels": channels}}
    )


@pytest.mark.asyncio
async def test_a_renewed_token_ends_the_outage(tmp_path: Path) -> None:
    """The old one is refused and one outage told; when its file holds a good one the source is back, what failed
    meanwhile is alerted, and a reload finds nothing to restart for. A renewal in time is no outage at all."""
    file = tmp_path / "stagewatch.yaml"
    desks = [Desk(kind, tmp_path) for kind in (MAXCOMPUTE, BATCHCOMPUTE)]
    for desk in desks:
        desk.expire(1)
        desk.write()
    options = EmulatorOptions(interceptors=tuple(desk.judge for desk in desks))
    async with receiving() as receiver, aiohttp.ClientSession() as http, serve(options) as emulator:
        file.write_text(config(emulator, desks, receiver.url))

        async def begin(**recipe: Any) -> dict[str, str]:
            return {
                desk.kind: (await submit(http, emulator.url, 1, kind=desk.kind, wait=0, **recipe))[0] for desk in desks
            }

        long = await begin(seconds=600)
        with running(["serve", "--config", str(file)]) as daemon:

            async def sources() -> list[dict[str, Any]]:
                async with http.get(f"{daemon.url}/api/v1/sources") as answer:
                    return list((await answer.json())["sources"])

            expected = dict.fromkeys(long.values(), "running")
            await eventually(lambda: phases(http, daemon.url), lambda found: found == expected)

            for desk in desks:
                desk.expire(2)
                desk.write()
            first = await begin(seconds=0.1, outcome="failed")
            await receiver.until(len(desks))
            assert daemon.process.poll() is None
            assert all(shown["up"] for shown in await sources())

            for desk in desks:
                desk.expire(3)
            second = await begin(seconds=0.1, outcome="failed")
            down = await eventually(sources, lambda shown: not any(it["up"] for it in shown))
            assert {it["reason"] for it in down} == {"unauthorized"}
            for desk in desks:
                desk.write()
            await eventually(sources, lambda shown: all(it["up"] for it in shown))
            expected |= dict.fromkeys((*first.values(), *second.values()), "failed")
            await eventually(lambda: phases(http, daemon.url), lambda found: found == expected)
            await receiver.until(3 * len(desks))

            async with http.post(f"{daemon.url}/-/reload") as answer:
                assert answer.status == 200, await answer.text()
            assert daemon.end() == 0
    told = [body["alerts"][0]["labels"] for _, body in receiver.requests]
    for desk in desks:
        assert [(it["alertname"], it["instance"]) for it in told if it["source"] == desk.kind] == [
            ("InstanceFailed", first[desk.kind]),
            ("SourceDown", ""),
            ("InstanceFailed", second[desk.kind]),
        ]
        assert [line for line in daemon.lines if f"event=credentials_renewed source={desk.kind}" in line]
        assert len(desk.sent) == 3
        assert not any(token in daemon.output for token in desk.sent)
