"""A temporary token expires, and somebody writes the next one into its file: the daemon goes on by itself."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from monitor.emulator.errors import ServiceError
from monitor.emulator.server import EmulatorOptions, serve
from tests.e2e.eventually import eventually
from tests.e2e.processes import running
from tests.e2e.receiver import receiving
from tests.e2e.workload import phases, submit


class Desk:
    """Where tokens are issued: only the newest is good."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.good = ""
        self.sent: list[str] = []

    def expire(self, token: str) -> None:
        """Whatever was issued before is over; from now on this one is good."""
        self.good = token

    def write(self) -> None:
        """Hand out the good one, as a side-car does it."""
        beside = self.file.with_name("token.new")
        beside.write_text(f"{self.good}\n")
        beside.rename(self.file)

    @web.middleware
    async def judge(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who brings the good one."""
        self.sent.append(request.headers.get("authorization-sts-token", ""))
        if self.sent[-1] != self.good:
            raise ServiceError(401, "AuthenticationRequestExpired", "ODPS-0410031:Authentication request expired")
        return await handler(request)


def config(endpoint: str, desk: Desk, hook: str) -> str:
    """The daemon's config file: YAML holds JSON."""
    source = {
        "type": "maxcompute",
        "name": "warehouse",
        "endpoint": endpoint,
        "projects": ["demo"],
        "access_id": "tester",
        "access_key": "demo-secret",
        "sts_token": {"file": str(desk.file)},
        "sweep_every": "500ms",
        "reconcile_every": "1s",
    }
    channels = [{"name": "team", "type": "webhook", "url": hook}]
    storage = {"type": "memory"}
    return json.dumps(
        {"listen": "127.0.0.1:0", "storage": storage, "sources": [source], "alerts": {"channels": channels}}
    )


@pytest.mark.asyncio
async def test_a_renewed_token_ends_the_outage(tmp_path: Path) -> None:
    """The old one is refused and one outage told; when its file holds a good one the source is back, what failed
    meanwhile is alerted, and a reload finds nothing to restart for. A renewal in time is no outage at all."""
    desk, file = Desk(tmp_path / "token"), tmp_path / "stagewatch.yaml"
    desk.expire("made-up-first-token")
    desk.write()
    options = EmulatorOptions(interceptors=(desk.judge,))
    async with receiving() as receiver, aiohttp.ClientSession() as http, serve(options) as emulator:
        file.write_text(config(emulator.endpoint, desk, receiver.url))
        (long,) = await submit(http, emulator.url, 1, seconds=600, wait=0)
        with running(["serve", "--config", str(file)]) as daemon:

            async def sources() -> list[dict[str, Any]]:
                async with http.get(f"{daemon.url}/api/v1/sources") as answer:
                    return list((await answer.json())["sources"])

            await eventually(lambda: phases(http, daemon.url), lambda found: found == {long: "running"})

            desk.expire("made-up-second-token")
            desk.write()
            (first,) = await submit(http, emulator.url, 1, seconds=0.1, wait=0, outcome="failed")
            await receiver.until(1)
            assert daemon.process.poll() is None
            assert (await sources())[0]["up"]

            desk.expire("made-up-third-token")
            (second,) = await submit(http, emulator.url, 1, seconds=0.1, wait=0, outcome="failed")
            (down,) = await eventually(sources, lambda shown: not shown[0]["up"])
            assert down["reason"] == "unauthorized"
            desk.write()
            await eventually(sources, lambda shown: shown[0]["up"])
            expected = {long: "running", first: "failed", second: "failed"}
            await eventually(lambda: phases(http, daemon.url), lambda found: found == expected)
            await receiver.until(3)

            async with http.post(f"{daemon.url}/-/reload") as answer:
                assert answer.status == 200, await answer.text()
            assert daemon.end() == 0
    told = [body["alerts"][0]["labels"] for _, body in receiver.requests]
    assert [(it["alertname"], it["instance"]) for it in told] == [
        ("InstanceFailed", first),
        ("SourceDown", ""),
        ("InstanceFailed", second),
    ]
    assert "event=credentials_renewed" in daemon.output
    assert not any(token in daemon.output for token in set(desk.sent))
