"""Connections of our own: what never becomes a request is refused in our words, too, and is no fault of the program."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket

import structlog
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, LineTooLong

from monitor.web.errors import Fault, refuse
from monitor.web.security import HEADERS

log = structlog.get_logger(__name__)


@asynccontextmanager
async def serving(application: web.Application, listener: socket, *, close_within: float) -> AsyncIterator[None]:
    """Answer at this socket while the block runs. In the end requests have so many seconds to be answered, and readers
    as long again to be told goodbye."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=close_within)
    await runner.setup()
    loop, connections = asyncio.get_running_loop(), runner.server
    assert connections is not None  # noqa: S101 - `setup` made it
    try:
        server = await loop.create_server(
            # None is no log, as above, whatever its type says
            lambda: Connection(connections, loop=loop, access_log=None),  # type: ignore[arg-type]
            sock=listener,
        )
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()


class Connection(web.RequestHandler):
    """One connection. aiohttp would answer what it cannot parse with plain text, and log a traceback for it."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it repeats what was sent
    ) -> web.StreamResponse:
        """Refuse it, and end the connection: what follows in it cannot be told from what was wrong."""
        if request.writer.output_size:
            raise ConnectionError("the answer has begun: it can only be broken off")
        if status >= 500:
            log.error("connection_failed", exc_info=exc)
            fault = Fault("internal", "the daemon failed to answer; its log has the details")
        else:
            fault = Fault("bad_request", _why(exc))
        response = refuse(status, fault, dict(HEADERS))
        response.force_close()
        return response


def _why(error: BaseException | None) -> str:
    match error:
        case BadHttpMethod():
            return "this is no method of HTTP that is answered here: use GET, or what /api/v1/openapi.json says"
        case LineTooLong():
            return "the address or a header is too long: at most 8190 bytes are read"
        case _:
            return "this is not HTTP as it can be read here"
