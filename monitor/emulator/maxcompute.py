"""The MaxCompute REST service: its routes, and the calls that concern a project as a whole."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from math import inf

from aiohttp import web
from aiohttp.typedefs import Middleware

from monitor.emulator import documents, sessions
from monitor.emulator.clock import http_date
from monitor.emulator.documents import Moment
from monitor.emulator.errors import ServiceError, bad_request
from monitor.emulator.instance_api import HOLD_SECONDS, InstanceApi
from monitor.emulator.instances import Instance
from monitor.emulator.jobs import read_job
from monitor.emulator.paging import Wanted, page
from monitor.emulator.service import MaxCompute, owner_of
from monitor.emulator.tokens import Grant
from monitor.emulator.wire import Caller, Door, base_url, xml
from monitor.emulator.xflow import read_workflow
from monitor.emulator.xmltext import escape, parse_document

_INLINE_BYTES = 100_000  # larger submissions are parsed in a thread
_ROWS_A_TURN = 100  # of a page are written before others have their turn


def build_app(service: MaxCompute, interceptors: Sequence[Middleware] = ()) -> web.Application:
    """The service as an application. Interceptors see every request before its sender is known; they may answer
    themselves, delay, or raise ServiceError."""
    door, api, instance = Door(service), ProjectApi(service), InstanceApi(service)
    app = web.Application(middlewares=[door.middleware(), *interceptors])
    routes = app.router
    routes.add_get("/logview/host", api.logview_host, name="logview_host")
    routes.add_get("/webconsole/host", api.webconsole_host, name="webconsole_host")
    routes.add_get("/tenants", door.known(api.tenant), name="tenants")
    routes.add_get("/projects/{project}", door.known(api.project), name="project")
    instances = routes.add_resource("/projects/{project}/instances", name="instances")
    instances.add_route("GET", door.known(api.list_all))
    instances.add_route("POST", door.known(api.submit))
    one = routes.add_resource("/projects/{project}/instances/{id}", name="instance")
    one.add_route("GET", door.known(instance.get))
    one.add_route("PUT", door.known(instance.put))
    beside = routes.add_resource(f"{sessions.PREFIX}/projects/{{project}}/instances", name="mcqa_instances")
    beside.add_route("POST", door.known(api.submit_beside))
    accelerated = routes.add_resource(f"{sessions.PREFIX}/projects/{{project}}/instances/{{id}}", name="mcqa_instance")
    accelerated.add_route("GET", door.known(instance.get_beside))
    accelerated.add_route("PUT", door.known(instance.put_beside))
    routes.add_get(f"/connection{sessions.PREFIX}", door.known(api.connection), name="connection")
    routes.add_get("/projects/{project}/cachedinstances", door.known(api.list_live), name="cachedinstances")
    routes.add_post("/projects/{project}/authorization", door.known(api.authorize), name="authorization")
    routes.add_put("/projects/{project}/logs", door.known(api.take_logs), name="logs")
    routes.add_get("/projects/{project}/tunnel", door.known(api.tunnel), name="tunnel")
    return app


class ProjectApi:
    """Answers about projects of one service."""

    def __init__(self, service: MaxCompute) -> None:
        self._service = service

    async def logview_host(self, request: web.Request) -> web.Response:
        """Where addresses of LogView point."""
        return web.Response(text=base_url(request))

    async def webconsole_host(self, _request: web.Request) -> web.Response:
        """There is no console, so clients stay with LogView."""
        raise ServiceError(404, "NoSuchObject", "the emulator has no web console")

    async def tenant(self, _request: web.Request, _caller: Caller) -> web.Response:
        """The tenant, whose projects have no schemas."""
        tenant = {
            "Name": "emulator",
            "OwnerId": "1000000000000001",
            "TenantId": "1",
            "TenantState": "NORMAL",
            "CreateTime": 0,
            "UpdateTime": 0,
            "TenantMeta": "{}",
            "Parameters": {"odps.namespace.schema": "false"},
        }
        return web.json_response({"Tenant": tenant})

    async def project(self, request: web.Request, _caller: Caller) -> web.Response:
        """A project; its properties are empty."""
        name = self._project(request)
        born = http_date(self._service.clock.wall_at(0.0))
        headers = {"x-odps-owner": owner_of("emulator"), "x-odps-creation-time": born, "Last-Modified": born}
        if "extended" in request.query:
            return xml(f"{documents.DECLARATION}<Project><ExtendedProperties/></Project>\n", headers)
        return xml(
            f"{documents.DECLARATION}<Project>\n  <Name>{escape(name)}</Name>\n  <Type>managed</Type>\n"
            "  <Comment></Comment>\n  <State>AVAILABLE</State>\n  <Properties/>\n</Project>\n",
            headers,
        )

    async def submit(self, request: web.Request, caller: Caller) -> web.Response:
        """Takes in a job. The body of the answer is empty: a client would take any for the result. With the setting
        `emulator.sync` it is the result, once the job has ended, if that is soon."""
        project = self._project(request)
        body = await request.read()
        small = len(body) < _INLINE_BYTES
        root = parse_document(body) if small else await asyncio.to_thread(parse_document, body)
        if workflow := read_workflow(root):
            instance = self._service.submit_workflow(project, caller.owner, workflow)
        else:
            instance = self._service.submit(project, caller.owner, read_job(root))
        headers = {"Location": f"{base_url(request)}{request.path.rstrip('/')}/{instance.id}"}
        if instance.job.settings.get("emulator.sync"):
            await self._service.book.wait_for_end(instance, HOLD_SECONDS)
            if self._service.book.ended(instance):
                return xml(documents.result(Moment(instance, self._service.clock)), headers)
        return web.Response(status=201, headers=headers, content_type="text/plain", charset="utf-8")

    async def submit_beside(self, request: web.Request, caller: Caller) -> web.Response:
        """Takes in a job for the query acceleration (MCQA v2)."""
        project = self._project(request)
        sessions.require_connection(request.headers, project)
        job = read_job(parse_document(await request.read()))
        instance = self._service.submit(project, caller.owner, job, accelerated=True)
        location = f"{base_url(request)}{request.path.rstrip('/')}/{instance.id}"
        headers = {"Location": location, sessions.COOKIE: f"cookie-of-{instance.id}"}
        return web.Response(status=201, headers=headers, content_type="text/plain", charset="utf-8")

    async def connection(self, request: web.Request, _caller: Caller) -> web.Response:
        """How to reach the query acceleration (MCQA v2) of a project."""
        project = request.query.get("project", "")
        self._service.require_project(project)
        return web.json_response(sessions.connection(project, request.query.get("quota") or sessions.DEFAULT_QUOTA))

    async def list_all(self, request: web.Request, caller: Caller) -> web.Response:
        """All instances, newest first."""
        fits, wanted, project = self._filter(request, caller), _wanted(request), self._project(request)
        book, first = self._service.book, _range(request)[0]
        alive = request.query.get("status", "").lower() in ("running", "suspended")
        among = book.live(project) if alive else book.all(project)
        recent = takewhile(lambda one: book.clock.wall_at(one.submitted) >= first, reversed(among.values()))
        found = page(recent, wanted, fits, newest_first=True)
        rows = await self._rows(found.instances, documents.listing_row)
        return xml(documents.listing(rows, found.marker, wanted.max_items))

    async def list_live(self, request: web.Request, caller: Caller) -> web.Response:
        """Live instances and how far they are, oldest first."""
        fits, wanted, project = self._filter(request, caller), _wanted(request), self._project(request)
        found = page(self._service.book.live(project).values(), wanted, fits, newest_first=False)
        rows = await self._rows(found.instances, documents.live_row)
        return xml(documents.live_listing(rows, found.marker, wanted.max_items))

    async def authorize(self, request: web.Request, caller: Caller) -> web.Response:
        """Issues a bearer token with the policy that the body asks for."""
        self._project(request)
        try:
            body = json.loads(await request.read())
            policy, hours = body["policy"], float(body.get("expires_in_hours", 24))
            if not isinstance(policy, dict) or not 0 < hours < 24 * 366 * 10:
                raise ValueError
        except (ValueError, TypeError, KeyError, AttributeError):
            raise bad_request(
                'a token is asked for with {"expires_in_hours": 24, "policy": {"Statement": [..]}}'
            ) from None
        expires = int(self._service.clock.wall() + hours * 3600)
        token = self._service.tokens.issue(Grant(caller.owner, policy), expires)
        return xml(f"{documents.DECLARATION}<Authorization><Result>{token}</Result></Authorization>\n")

    async def take_logs(self, request: web.Request, _caller: Caller) -> web.Response:
        """Usage surveys of clients: read and dropped."""
        self._project(request)
        await request.read()
        return web.Response()

    async def tunnel(self, request: web.Request, _caller: Caller) -> web.Response:
        """There is no tunnel; with this code clients read results inline instead."""
        self._project(request)
        raise ServiceError(400, "InvalidArgument", "the emulator has no tunnel: read results with ?result")

    def _project(self, request: web.Request) -> str:
        project = request.match_info["project"]
        self._service.require_project(project)
        return project

    def _filter(self, request: web.Request, caller: Caller) -> Callable[[Instance], bool]:
        query, clock = request.query, self._service.clock
        status, job_name = query.get("status", "").lower(), query.get("jobname", "")
        quota = query.get("quotaIndex") or query.get("quotaindex") or ""
        own = query.get("onlyowner", "").lower() == "yes"
        _, last = _range(request)

        def fits(instance: Instance) -> bool:
            return (
                not instance.accelerated
                and (not own or instance.owner == caller.owner)
                and (not job_name or instance.job.name == job_name)
                and (not quota or instance.job.quota == quota)
                and clock.wall_at(instance.submitted) < last
                and (not status or Moment(instance, clock).status.lower() == status)
            )

        return fits

    async def _rows(self, instances: Iterable[Instance], row: Callable[[Moment], str]) -> list[str]:
        rows = []
        for number, instance in enumerate(instances, 1):
            rows.append(row(Moment(instance, self._service.clock)))
            if number % _ROWS_A_TURN == 0:
                await asyncio.sleep(0)
        return rows


def _wanted(request: web.Request) -> Wanted:
    return Wanted.read(request.query.get("maxitems", ""), request.query.get("marker", ""))


def _range(request: web.Request) -> tuple[float, float]:
    """`daterange=from:to` in epoch seconds; either side may be empty."""
    text = request.query.get("daterange", ":")
    first, colon, last = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return float(first or 0), float(last or inf)
    except ValueError:
        raise bad_request(f"daterange must be from:to in epoch seconds, not '{text[:50]}'") from None
