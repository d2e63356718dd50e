"""The released client of MaxCompute, a daemon, and the emulator that both talk to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import odps
from odps import ODPS

from tests.e2e.processes import Running, config, running
from tests.e2e.receiver import Receiver, receiving


@dataclass
class Setup:
    """A daemon that discovers nothing by itself, and the client of the service that it watches."""

    client: ODPS
    http: aiohttp.ClientSession
    url: str
    receiver: Receiver
    emulator: Running
    daemon: Running
    store: Path

    async def register(self, id_: str) -> None:
        """Have the daemon watch it."""
        async with self.http.post(f"{self.url}/api/v1/instances", json={"key": f"warehouse/demo/{id_}"}) as answer:
            assert answer.status == 201, await answer.text()

    async def get(self, path: str, status: int = 200) -> Any:
        """What the API answers about an instance."""
        async with self.http.get(f"{self.url}/api/v1/instances/{path}") as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def shown(self) -> dict[str, dict[str, Any]]:
        """Every instance on the board, by id."""
        async with self.http.get(f"{self.url}/api/v1/instances") as answer:
            page = await answer.json()
        assert page["total"] == len({one["id"] for one in page["instances"]})
        return {one["id"]: one for one in page["instances"]}

    async def history(self, id_: str) -> list[str]:
        """The kinds of its events."""
        return [event["kind"] for event in (await self.get(id_))["history"]]


@asynccontextmanager
async def setup(tmp_path: Path, *, more: str = "", log: str = "info") -> AsyncIterator[Setup]:
    """Both run while the block does; `more` are lines of the source's section, `log` is the level of its log."""
    file = tmp_path / "stagewatch.yaml"
    async with receiving() as receiver, aiohttp.ClientSession() as http:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            written = config(emulator.url, store=tmp_path / "stagewatch.db", hook=receiver.url)
            written = written.replace("    access_id:", f"    discover: false\n{more}    access_id:")
            file.write_text(f"log: {{level: {log}}}\n{written}")
            odps.options.logview_host = None
            client = await asyncio.to_thread(ODPS, "tester", "demo-secret", "demo", endpoint=f"{emulator.url}/api")
            with running(["serve", "--config", str(file)]) as daemon:
                yield Setup(client, http, daemon.url, receiver, emulator, daemon, tmp_path / "stagewatch.db")
