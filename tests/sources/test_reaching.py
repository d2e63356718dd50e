"""Whether a service can be reached at all."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from monitor.sources import reaching
from monitor.sources.base import Check
from monitor.sources.reaching import reach

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that we signed ourselves, for localhost, with its key in the same file."""
    folder = tmp_path_factory.mktemp("certificate")
    key, file = folder / "key.pem", folder / "certificate.pem"
    made = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")
    named = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    subprocess.run(["openssl", *made, *named, "-keyout", key, "-out", file], check=True, capture_output=True)
    file.write_text(file.read_text() + key.read_text())
    return file


@asynccontextmanager
async def listening(certificate: Path | None = None) -> AsyncIterator[int]:
    """A port where somebody listens and says nothing."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def checks(endpoint: str) -> list[Check]:
    return [check async for check in reach(endpoint)]


async def test_http() -> None:
    """The address is told, and that nothing is encrypted."""
    async with listening() as port:
        address, tls = await checks(f"http://localhost:{port}/api")
    assert (address.name, address.ok) == ("address", True)
    assert address.detail in {f"localhost is {ip} and answers on port {port}" for ip in ("127.0.0.1", "::1")}
    assert (tls.name, tls.ok) == ("tls", True)
    assert "whoever is on the way can read along" in tls.detail


async def test_https(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version, and until when the certificate is good; one of an authority of one's own wants that to be named."""
    async with listening(certificate) as port:
        _, tls = await checks(f"https://127.0.0.1:{port}/api")
        assert tls.ok is False
        assert tls.detail == "certificate refused: self-signed certificate"
        assert "SSL_CERT_FILE" in tls.fix
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        _, tls = await checks(f"https://127.0.0.1:{port}/api")
        assert tls.ok
        assert tls.detail.startswith("TLSv1.3, certificate good until ")


async def test_https_where_http_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """What answers in clear, or not at all, is no TLS."""
    monkeypatch.setattr(reaching, "WITHIN", 0.3)

    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        _, tls = await checks(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert tls.ok is False
    assert tls.detail.startswith("what answers does not speak TLS: ")
    async with listening() as port:
        _, tls = await checks(f"https://127.0.0.1:{port}")
    assert tls.detail == "what answers does not speak TLS: no answer"
    assert tls.fix == "check whether `endpoint` is http, not https, at this port"


async def test_nobody_listens() -> None:
    """The first check fails, and there is no second."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (address,) = await checks(f"http://127.0.0.1:{port}/api")
    assert address.ok is False
    assert address.detail.startswith(f"no connection to 127.0.0.1 on port {port}: ")


async def test_no_such_host() -> None:
    """A name that nobody can have."""
    (address,) = await checks("http://nobody.invalid/api")
    assert address.ok is False
    assert "nobody.invalid" in address.detail
    assert "DNS" in address.fix


async def test_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packets that vanish: it says so in a moment of its own choice."""
    monkeypatch.setattr(reaching, "WITHIN", 0.2)

    async def vanish(*_arguments: object, **_options: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "open_connection", vanish)  # there is no address on every network that swallows all
    (address,) = await checks("http://127.0.0.1:1/api")
    assert address.detail == "127.0.0.1 does not answer on port 1"
    assert "firewall" in address.fix
