"""Debian's Alertmanager, started as an operator starts it, alone and on a port of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.listening import listening

QUIET = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


class Peer:
    """One that runs. `url` is where it is."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    async def alerts(self) -> list[dict[str, Any]]:
        """What it holds and has not resolved."""
        async with self._http.get(f"{self.url}/api/v2/alerts") as answer:
            assert answer.status == 200, await answer.text()
            found: list[dict[str, Any]] = await answer.json()
            return found


def _configure(folder: Path, config: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "alertmanager.yml").write_text(config)


@asynccontextmanager
async def alertmanager(folder: Path, *, config: str = QUIET, address: str = "127.0.0.1:0") -> AsyncIterator[Peer]:
    """One with an empty memory in this folder; give the address of one that has ended to start it again."""
    _configure(folder, config)
    command = (
        "prometheus-alertmanager",
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    )
    async with (
        listening(*command, log=folder / "log", ready='"Listening on"') as url,
        aiohttp.ClientSession() as http,
    ):
        yield Peer(url, http)
