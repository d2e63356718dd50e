"""The HTTP side in one table: every address, and what answers it."""

from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler

from monitor.web import sse, websocket
from monitor.web.api import ZIP_ASIDE, Api, answer
from monitor.web.assets import Assets
from monitor.web.errors import Fault, answer_in_json, refuse
from monitor.web.feed import Feed
from monitor.web.ingest import take_lines
from monitor.web.parts import Parts, ReloadError
from monitor.web.query import Query
from monitor.web.security import add_headers, guard_changes

BODY_LIMIT = 1 << 20  # a job of hundreds of tasks fits
COMPRESS_FROM = 1 << 10


def build_web(parts: Parts) -> web.Application:
    """The whole application. It needs no start of its own; on shutdown it sends its listeners away (1001)."""
    feed = Feed(parts)

    async def listen(_app: web.Application) -> AsyncIterator[None]:
        with feed.listening():
            yield

    async def send_away(_app: web.Application) -> None:
        feed.close()

    app = web.Application(middlewares=[compress, answer_in_json, guard_changes], client_max_size=BODY_LIMIT)
    app.add_routes(routes(parts, feed))
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(listen)
    app.on_shutdown.append(send_away)
    return app


def routes(parts: Parts, feed: Feed) -> list[web.RouteDef]:
    """The table. An instance is named by its whole key, or by its id where that is unique."""
    api = Api(parts)
    own = Own(parts, Assets())
    key, bare = "/api/v1/instances/{source}/{project}/{id}", "/api/v1/instances/{id}"

    async def feed_socket(request: web.Request) -> web.StreamResponse:
        return await websocket.serve(request, feed)

    async def feed_events(request: web.Request) -> web.StreamResponse:
        return await sse.serve(request, feed)

    async def ingest(request: web.Request) -> web.Response:
        return await take_lines(request, parts)

    return [
        web.get("/", own.dashboard),
        web.get("/static/{name}", own.static),
        web.get("/metrics", own.metrics),
        web.get("/-/healthy", own.healthy),
        web.get("/-/ready", own.ready),
        web.post("/-/reload", own.reload),
        web.get("/healthz", own.healthy),
        web.get("/livez", own.healthy),
        web.get("/readyz", own.ready),
        web.get("/api/v1/openapi.json", own.openapi),
        web.get("/api/v1/asyncapi.json", own.asyncapi),
        web.get("/api/v1/sources", api.list_sources),
        web.get("/api/v1/instances", api.list_instances),
        web.post("/api/v1/instances", api.take_in),
        web.get(key, api.show_instance, name="instance"),
        web.get(f"{key}/results", api.results),
        web.get(f"{key}/logview", api.logview),
        web.post(f"{key}/stop", api.stop),
        web.post(f"{key}/restart", api.restart),
        web.get(bare, api.show_instance),
        web.get(f"{bare}/results", api.results),
        web.get(f"{bare}/logview", api.logview),
        web.post(f"{bare}/stop", api.stop),
        web.post(f"{bare}/restart", api.restart),
        web.post("/api/v1/ingest", ingest),
        web.get("/api/v1/alerts", api.list_alerts),
        web.post("/api/v1/alerts/{id}/ack", api.acknowledge),
        web.get("/api/v1/feed", feed_socket, allow_head=False),
        web.get("/api/v1/events", feed_events, allow_head=False),
    ]


class Own:
    """What the daemon says of itself, and the files that it serves."""

    def __init__(self, parts: Parts, assets: Assets) -> None:
        self._parts = parts
        self._assets = assets

    async def dashboard(self, request: web.Request) -> web.Response:
        """The page. Its query string belongs to its own script."""
        return self._assets.send(request, "index.html")

    async def static(self, request: web.Request) -> web.Response:
        """One of the page's files."""
        return self._assets.send(request, request.match_info["name"])

    async def openapi(self, request: web.Request) -> web.Response:
        """The HTTP contract."""
        return self._assets.send(request, "openapi.json")

    async def asyncapi(self, request: web.Request) -> web.Response:
        """The feed's contract."""
        return self._assets.send(request, "asyncapi.json")

    async def metrics(self, request: web.Request) -> web.Response:
        """What Prometheus scrapes."""
        body, content_type = await self._parts.metrics(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type}, zlib_executor_size=ZIP_ASIDE)

    async def healthy(self, request: web.Request) -> web.Response:
        """Our own loop turns: that this is answered says it."""
        Query(request, allowed=("verbose",))  # what Kubernetes users are used to
        return answer({"status": "ok", "version": self._parts.version})

    async def ready(self, request: web.Request) -> web.Response:
        """Whether there is something true to show, and what is awaited if not."""
        Query(request, allowed=("verbose",))
        readiness = self._parts.ready()
        if readiness.is_ready:
            return answer({"status": "ready", "missing": []})
        body = {
            "status": "not_ready",
            "missing": readiness.missing,
            "error": Fault("not_ready", f"awaited: {'; '.join(readiness.missing)}"),
        }
        return answer(body, status=503)

    async def reload(self, request: web.Request) -> web.Response:
        """Take over the config as it stands on disk."""
        Query(request)
        try:
            await self._parts.reload()
        except ReloadError as error:
            return refuse(500, Fault("reload_failed", str(error)))
        return answer({"status": "reloaded"})


@web.middleware
async def compress(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compress what is worth it: long lists and metrics shrink to a tenth."""
    response = await handler(request)
    if (
        isinstance(response, web.Response)
        and isinstance(response.body, bytes)
        and len(response.body) >= COMPRESS_FROM
        and "Content-Encoding" not in response.headers
    ):
        response.enable_compression()
    return response
