"""What browsers may do with our answers, and whose pages may act."""

import pytest

from monitor.core.model import Phase
from tests.web.desk import open_desk, track

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/instances", "/nowhere", "/static/app.js", "/api/v1/events"])
async def test_every_answer_has_the_headers(path: str) -> None:
    """Pages, refusals, files and streams alike: nothing inline, no frames, no sniffing, no referrer."""
    async with open_desk() as desk, desk.session.get(desk.url + path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Origin": "http://HOST"}, 202),
        ({"Origin": "https://watch.example", "X-Forwarded-Host": "watch.example"}, 202),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://HOST.evil.example"}, 403),
    ],
)
async def test_only_our_own_pages_change_anything(headers: dict[str, str], status: int) -> None:
    """A visitor's browser can be made to send a form from anywhere: its origin gives it away."""
    async with open_desk(track("i1")) as desk:
        desk.service.known["i1"] = Phase.RUNNING
        host = desk.url.removeprefix("http://")
        sent = {name: value.replace("HOST", host) for name, value in headers.items()}
        async with desk.session.post(f"{desk.url}/api/v1/instances/i1/stop", headers=sent) as response:
            assert response.status == status
            if status == 403:
                assert (await response.json())["error"]["code"] == "foreign_origin"
        assert desk.service.asked["stop"] == (status == 202)
        async with desk.session.get(f"{desk.url}/api/v1/instances", headers=sent) as response:
            assert response.status == 200
