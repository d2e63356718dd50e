"""A web application of a test's own, on a port of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def served(application: web.Application, *, patience: float = 1.0) -> AsyncIterator[str]:
    """Its address, without a slash at the end. Requests that are under way in the end have `patience` seconds."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=patience)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def answered(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], *, patience: float = 1.0
) -> AsyncIterator[str]:
    """The address of a server that answers everything so."""
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", handler)
    async with served(application, patience=patience) as url:
        yield url
