"""The dashboard's files as they are sent."""

import re

import pytest

from monitor.web.assets import FOLDER, TYPES
from tests.web.desk import open_desk

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir()))
async def test_every_file_of_the_folder_is_served_with_its_type(name: str) -> None:
    """No file lies there that is not served; the body is the file, zipped for whoever accepts that."""
    path = FOLDER / name
    async with open_desk() as desk:
        for encoding in ("gzip", "identity"):
            async with desk.session.get(f"{desk.url}/static/{name}", headers={"Accept-Encoding": encoding}) as response:
                assert response.status == 200
                assert response.headers["Content-Type"] == TYPES[path.suffix]
                assert response.headers.get("Content-Encoding", "identity") == encoding
                assert await response.read() == path.read_bytes()


async def test_a_browser_that_has_it_is_not_sent_it_again() -> None:
    """304 for the same fingerprint; browsers must ask each time, so an upgrade shows at once."""
    async with open_desk() as desk:
        async with desk.session.get(f"{desk.url}/") as response:
            etag = response.headers["ETag"]
            assert response.headers["Cache-Control"] == "no-cache"
        async with desk.session.get(f"{desk.url}/", headers={"If-None-Match": etag}) as response:
            assert (response.status, await response.read()) == (304, b"")
        async with desk.session.get(f"{desk.url}/", headers={"If-None-Match": '"other"'}) as response:
            assert response.status == 200


async def test_the_page_loads_nothing_from_elsewhere() -> None:
    """No address with a host, no inline script or style, no markup made from text: the strict policy holds."""
    for path in FOLDER.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        if path.suffix in {".html", ".js", ".css"}:
            assert not re.search(r"https?://", text), path
        if path.suffix == ".js":
            assert not re.search(r"(inner|outer|insertAdjacent)HTML|document\.write|eval\(|new Function", text), path
        if path.suffix == ".html":
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text), path
