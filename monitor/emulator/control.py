"""Levers for tests and demos under `/-/emulator/`: no part of any service, unsigned, for this machine only."""

import asyncio
from ipaddress import ip_address
from typing import TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from monitor.emulator.batchcompute.levers import Levers as BatchLevers
from monitor.emulator.batchcompute.levers import NewJobs
from monitor.emulator.batchcompute.service import BatchCompute
from monitor.emulator.errors import ServiceError
from monitor.emulator.faults import Setting
from monitor.emulator.instances import Instance
from monitor.emulator.jobs import DEFAULT_PRIORITY
from monitor.emulator.scenario import SCENARIOS, Recipe
from monitor.emulator.service import MaxCompute, owner_of
from monitor.emulator.switchboard import Switchboard

PREFIX = "/-/emulator"
MAX_COUNT = 50_000
_A_TURN = 50  # instances created before others have their turn
_T = TypeVar("_T")


class NewInstances(Recipe, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST instances`: a recipe, how many of it, and what they look like."""

    project: str | None = None
    count: int = 1
    job_name: str = ""
    owner: str = ""
    priority: int = DEFAULT_PRIORITY


class ClockChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST clock`: emulated seconds per real second, and emulated seconds to skip."""

    speed: float | None = None
    advance: float = 0.0


def build_app(service: MaxCompute, batch: BatchCompute, faults: Switchboard) -> web.Application:
    """The levers of both services."""
    levers, jobs, switches = _Levers(service, batch), _Jobs(batch), _Switches(faults)
    app = web.Application(middlewares=[_local_only()])
    app.router.add_get("/requests", levers.requests)
    app.router.add_delete("/requests", levers.forget_requests)
    app.router.add_get("/clock", levers.clock)
    app.router.add_post("/clock", levers.turn_clock)
    app.router.add_post("/instances", levers.create)
    app.router.add_post("/instances/{id}/vanish", levers.hide)
    app.router.add_post("/instances/{id}/restore", levers.restore)
    app.router.add_post("/jobs", jobs.create)
    app.router.add_post("/jobs/{id}/vanish", jobs.hide)
    app.router.add_post("/jobs/{id}/restore", jobs.restore)
    app.router.add_get("/faults", switches.report)
    app.router.add_post("/faults", switches.switch_on)
    app.router.add_delete("/faults", switches.switch_off)
    app.router.add_delete("/faults/{fault}", switches.switch_off)
    return app


class _Levers:
    def __init__(self, service: MaxCompute, batch: BatchCompute) -> None:
        self._service = service
        self._batch = batch

    async def requests(self, _request: web.Request) -> web.Response:
        return web.json_response(self._service.log.report())

    async def forget_requests(self, _request: web.Request) -> web.Response:
        self._service.log.clear()
        return web.Response(status=204)

    async def clock(self, _request: web.Request) -> web.Response:
        clock = self._service.clock
        return web.json_response({"speed": clock.speed, "emulated": clock.emulated(), "wall": clock.wall()})

    async def turn_clock(self, request: web.Request) -> web.Response:
        change = await _read(request, ClockChange)

        def turn() -> None:
            clocks = (self._service.clock, self._batch.clock)
            if change.speed is not None:
                for clock in clocks:
                    clock.set_speed(change.speed)
            for clock in clocks:
                clock.advance(change.advance)

        try:
            self._service.book.turn_clock(turn)
        except ValueError as error:
            raise ServiceError(400, "bad_request", str(error)) from None
        return await self.clock(request)

    async def create(self, request: web.Request) -> web.Response:
        wanted = await _read(request, NewInstances, f"; scenarios are {', '.join(SCENARIOS)}")
        if not 0 < wanted.count <= MAX_COUNT:
            raise ServiceError(400, "bad_request", f"count must be between 1 and {MAX_COUNT}, not {wanted.count}")
        if not wanted.owner.isprintable():
            raise ServiceError(400, "bad_request", "owner must be printable: it stands in a header")
        project = wanted.project or self._service.projects[0]
        self._service.require_project(project)
        owner = wanted.owner or owner_of("emulator")
        ids = []
        for number in range(1, wanted.count + 1):
            instance = self._service.script(project, owner, wanted.job_name, wanted.priority, wanted)
            ids.append(instance.id)
            if number % _A_TURN == 0:
                await asyncio.sleep(0)
        return web.json_response({"project": project, "ids": ids}, status=201)

    async def hide(self, request: web.Request) -> web.Response:
        self._instance(request).hidden = True
        return web.Response(status=204)

    async def restore(self, request: web.Request) -> web.Response:
        self._instance(request).hidden = False
        return web.Response(status=204)

    def _instance(self, request: web.Request) -> Instance:
        id_ = request.match_info["id"]
        instance = self._service.book.find(id_)
        if instance is None:
            raise ServiceError(404, "not_found", f"no instance '{id_}'")
        return instance


class _Jobs:
    def __init__(self, batch: BatchCompute) -> None:
        self._levers = BatchLevers(batch)

    async def create(self, request: web.Request) -> web.Response:
        return web.json_response({"ids": await self._levers.create(await _read(request, NewJobs))}, status=201)

    async def hide(self, request: web.Request) -> web.Response:
        self._levers.hide(request.match_info["id"])
        return web.Response(status=204)

    async def restore(self, request: web.Request) -> web.Response:
        self._levers.show(request.match_info["id"])
        return web.Response(status=204)


class _Switches:
    def __init__(self, faults: Switchboard) -> None:
        self._faults = faults

    async def report(self, _request: web.Request) -> web.Response:
        return web.json_response(self._faults.report())

    async def switch_on(self, request: web.Request) -> web.Response:
        setting = await _read(request, Setting, f"; faults are {', '.join(self._faults.names())}")
        try:
            self._faults.switch_on(setting)
        except ValueError as error:
            raise ServiceError(400, "bad_request", str(error)) from None
        return await self.report(request)

    async def switch_off(self, request: web.Request) -> web.Response:
        fault = request.match_info.get("fault")
        names = self._faults.names()
        if fault is not None and fault not in names:
            raise ServiceError(404, "not_found", f"no fault '{fault}'; faults are {', '.join(names)}")
        self._faults.switch_off(fault)
        return web.Response(status=204)


def _local_only() -> Middleware:
    """Turns strangers away: other machines, and web pages that a browser on this one has open."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if not ip_address(request.remote or "").is_loopback or "Origin" in request.headers:
                raise ServiceError(403, "forbidden", f"{PREFIX} answers programs on the emulator's own machine only")
            return await handler(request)
        except ServiceError as error:
            body = {"error": {"code": error.code, "message": error.message}}
            return web.json_response(body, status=error.status)

    return check


async def _read(request: web.Request, kind: type[_T], hint: str = "") -> _T:
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=kind)
    except msgspec.MsgspecError as error:
        raise ServiceError(400, "bad_request", f"{error}{hint}") from None
