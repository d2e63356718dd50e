"""What a browser may do with our answers, and whose pages may talk to us."""

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from monitor.web.errors import ApiError

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer the headers; a signal, so that it also reaches streams and refusals."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def require_same_origin(request: web.Request) -> None:
    """Refuse what another site's page sends through a visitor's browser. Programs send no Origin and pass.

    `X-Forwarded-Host` counts as ours too: a page cannot set it, and a proxy that rewrites `Host` does.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return
    ours = {request.headers.get("Host", ""), request.headers.get("X-Forwarded-Host", "")} - {""}
    if urlsplit(origin).netloc.lower() not in {host.lower() for host in ours}:
        raise ApiError(
            403,
            "foreign_origin",
            f"pages of {origin} may not do this; behind a proxy, let it pass the Host header or set X-Forwarded-Host",
        )


@web.middleware
async def guard_changes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let only our own pages, and programs, change anything."""
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        require_same_origin(request)
    return await handler(request)
