"""Where keys and tokens may not turn up: in nothing that the daemon tells, sends, writes or keeps."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp
import pytest

from tests.e2e.released import Setup, setup

pytestmark = [
    pytest.mark.asyncio,
    # The client keeps its connections for as long as the process lives, and never closes them.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

KEY, STS = "demo-secret", "made-up-sts-token-of-this-test"
TABLES = {"inputTableName": "pyodps_iris", "outputTableName": "numbered"}


async def test_no_key_and_no_token_is_found_anywhere(tmp_path: Path) -> None:
    """A workflow fails and alerts while somebody reads the feed; its LogView is opened as a person would, and asked for
    as a program would. Alerts, feed, metrics, log, API and the files of the store hold neither key nor token, before
    or after; what leads to the page is an address of the daemon."""
    async with setup(tmp_path, more=f"    sts_token: {STS}\n", log="debug") as on, asyncio.TaskGroup() as tasks:
        frames: list[str] = []
        listening = tasks.create_task(listen(on, frames))
        hints = {"emulator.seconds": "0.5", "emulator.fails": "AppendID"}
        flow = await asyncio.to_thread(on.client.run_xflow, "AppendID", "algo_public", TABLES, hints=hints)
        await on.register(flow.id)
        await on.receiver.until(3)
        links = [alert["annotations"]["logview"] for _, body in on.receiver.requests for alert in body["alerts"]]
        assert len(links) == 3
        tokens = [token for link in links for token in await open_pages(on, urlsplit(link))]
        assert len(tokens) == 6
        told = {
            "alerts": "".join(str(request) for request in on.receiver.requests),
            "feed": "".join(frames),
            **{path: await read(on, path) for path in PATHS},
            "api": str([await on.get(id_) for id_ in await on.shown()]),
        }
        assert [name for name, text in told.items() if flow.id not in text] == list(UNNAMED)
        assert "stagewatch_terminations_total" in told["/metrics"]
        # Only what the store writes when it is closed may be missing from its files now.
        files = kept(on.store, "")
        assert f"{on.store.name}-wal" in files
        assert any(flow.id.encode() in content for content in files.values())
        listening.cancel()
    files |= kept(on.store, " when closed")
    told["log"] = on.daemon.output
    assert "event=alert_fired" in told["log"]
    for secret in (KEY, STS, *tokens):
        for form in {secret, quote(secret, safe="")}:
            assert [name for name, text in told.items() if form in text] == []
            assert [name for name, content in files.items() if form.encode() in content] == []


PATHS = ("/metrics", "/api/v1/instances", "/api/v1/alerts", "/api/v1/sources", "/-/ready")
UNNAMED = ("/metrics", "/api/v1/sources", "/-/ready")  # they speak of no instance that has ended


def kept(store: Path, when: str) -> dict[str, bytes]:
    """The database file and those beside it."""
    return {path.name + when: path.read_bytes() for path in store.parent.glob(f"{store.name}*")}


async def read(on: Setup, path: str) -> str:
    async with on.http.get(on.url + path) as answer:
        return await answer.text()


async def listen(on: Setup, frames: list[str]) -> None:
    """Read everything that the feed says."""
    async with on.http.ws_connect(f"{on.url}/api/v1/feed", max_msg_size=0) as feed:
        await feed.send_json({"type": "subscribe", "id": "all", "filter": {}, "detail": True})
        async for message in feed:
            assert message.type is aiohttp.WSMsgType.TEXT
            frames.append(message.data)


async def open_pages(on: Setup, link: Any) -> list[str]:
    """Click on a link of an alert: it is the daemon's own, and leads to the page by a token that is good. A program
    that asks for the address gets another token. Both tokens."""
    assert link.path.startswith("/api/v1/instances/warehouse/demo/")
    assert link.query == "redirect"
    here = f"{on.url}{link.path}"
    async with on.http.get(f"{here}?redirect", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Cache-Control"]) == (302, "no-store")
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        address = answer.headers["Location"]
    async with on.http.get(address) as page:
        assert page.status == 200
        assert link.path.split("/")[-2] in await page.text()
    async with on.http.get(here) as answer:
        other = (await answer.json())["url"]
    return [parse_qs(urlsplit(url).query)["token"][0] for url in (address, other)]
