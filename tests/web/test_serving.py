"""What never becomes a request is refused like everything else."""

import asyncio
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor.web.security import HEADERS
from tests.web.desk import Desk, open_desk

pytestmark = pytest.mark.asyncio


async def said(desk: Desk, data: bytes) -> tuple[str, dict[str, str], Any]:
    """The status line, the headers and the body that answer these bytes; behind them the connection ends."""
    host, port = desk.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    status, *lines = head.split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), json.loads(body)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"FROB /api/v1/instances HTTP/1.1\r\nHost: x\r\n\r\n", "no method of HTTP that is answered here: use GET"),
        (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", "no method of HTTP that is answered here: use GET"),
        (b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 20_000), "too long: at most 8190 bytes"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"x" * 20_000), "too long: at most 8190 bytes"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", "this is not HTTP as it can be read here"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "this is"),
    ],
    ids=["method", "lower case", "address", "header", "no header", "TLS"],
)
async def test_what_cannot_be_read_is_refused_in_json(data: bytes, says: str) -> None:
    """400 with the one shape and the headers of every answer, in few words and without a trace in the log."""
    with capture_logs() as logs:
        async with open_desk() as desk:
            status, headers, body = await said(desk, data)
    assert status.endswith(" 400 Bad Request")
    assert headers["Content-Type"].startswith("application/json")
    assert HEADERS.items() <= headers.items()
    assert body["error"]["code"] == "bad_request"
    assert says in body["error"]["message"]
    assert len(body["error"]["message"]) < 200
    assert [entry for entry in logs if entry["log_level"] in {"error", "warning"}] == []


async def test_others_are_served_meanwhile() -> None:
    """A connection that ends so ends alone."""
    async with open_desk() as desk:
        for _ in range(3):
            await said(desk, b"FROB / HTTP/1.1\r\n\r\n")
            assert (await desk.ask("GET", "/-/healthy", 200))["status"] == "ok"
