"""Whether a service can be reached at all: its name, its port, its certificate."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

from monitor.core.text import clip
from monitor.sources.base import Check

WITHIN = 10.0  # seconds
_LONGEST = 200


async def reach(endpoint: str) -> AsyncIterator[Check]:
    """Check by check, until one fails: nothing behind it can be tried then."""
    parts = urlsplit(endpoint)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = await _address(host, port)
    yield address
    if address.ok:
        yield (
            await _tls(host, port)
            if secure
            else Check(
                name="tls", ok=True, detail="not used: `endpoint` is http, and whoever is on the way can read along"
            )
        )


async def _address(host: str, port: int) -> Check:
    try:
        async with asyncio.timeout(WITHIN):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            _, writer = await asyncio.open_connection(host, port)
            await _close(writer)
    except socket.gaierror as error:
        fix = "check the host in `endpoint`, and the DNS of this machine"
        return Check(name="address", ok=False, detail=f"{host} has no address: {error.strerror}", fix=fix)
    except TimeoutError:
        fix = "check `endpoint`, and whether a firewall is on the way: packets get no answer"
        return Check(name="address", ok=False, detail=f"{host} does not answer on port {port}", fix=fix)
    except OSError as error:
        fix = "check host and port in `endpoint`, and whether a firewall is on the way"
        why = clip(error.strerror or str(error), _LONGEST)
        return Check(name="address", ok=False, detail=f"no connection to {host} on port {port}: {why}", fix=fix)
    return Check(name="address", ok=True, detail=f"{host} is {found[0][4][0]} and answers on port {port}")


async def _tls(host: str, port: int) -> Check:
    try:
        async with asyncio.timeout(WITHIN):
            context = await asyncio.to_thread(ssl.create_default_context)  # it reads files
            _, writer = await asyncio.open_connection(host, port, ssl=context)
            session = writer.get_extra_info("ssl_object")
            detail = f"{session.version()}, certificate good until {session.getpeercert()['notAfter']}"
            await _close(writer)
    except ssl.SSLCertVerificationError as error:
        fix = "check the host in `endpoint`; if its certificate is your own, name your authority in SSL_CERT_FILE"
        return Check(name="tls", ok=False, detail=f"certificate refused: {error.verify_message}", fix=fix)
    except (OSError, TimeoutError) as error:  # ssl.SSLError among them
        fix = "check whether `endpoint` is http, not https, at this port"
        why = clip(getattr(error, "reason", None) or str(error) or "no answer", _LONGEST)
        return Check(name="tls", ok=False, detail=f"what answers does not speak TLS: {why}", fix=fix)
    return Check(name="tls", ok=True, detail=detail)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):  # the other end may have closed first
        await writer.wait_closed()
