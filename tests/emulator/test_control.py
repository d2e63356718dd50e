from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from monitor.emulator import control


@pytest.mark.asyncio
async def test_many_instances_in_one_request(visit: Any) -> None:
    """With the looks that were asked for."""
    async with visit(projects=("demo", "ads"), speed=0) as site:
        ids = await site.script(project="ads", count=120, job_name="j", owner="o", priority=3, seconds=5, wait=0)
        assert len(set(ids)) == 120
        instance = site.instance(ids[0])
        assert (instance.project, instance.owner, instance.job.name, instance.job.priority) == ("ads", "o", "j", 3)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({"count": 0}, 400, "count must be between 1"),
        ({"scenario": "nope"}, 400, "scenario must be one of"),
        ({"colour": "red"}, 400, "unknown field `colour`"),
        ({"project": "nope"}, 404, "Project not found"),
        ({"owner": "a\r\nSet-Cookie: b"}, 400, "owner must be printable"),
        ([], 400, "Expected `object`, got `array`"),
    ],
)
async def test_a_wish_that_cannot_be_granted(visit: Any, body: Any, status: int, why: str) -> None:
    """Is answered with what was wrong about it."""
    async with visit() as site:
        got, answer = await site.control("POST", "/instances", body)
        assert got == status
        assert why in answer["error"]["message"]


@pytest.mark.asyncio
async def test_the_clock_can_be_turned(visit: Any) -> None:
    """Faster, slower, stopped, forward; never back."""
    async with visit(speed=0) as site:
        status, clock = await site.control("POST", "/clock", {"advance": 90})
        assert (status, clock["speed"]) == (200, 0)
        assert clock["emulated"] == pytest.approx(90)
        _, clock = await site.control("POST", "/clock", {"speed": 5})
        assert clock["speed"] == 5
        for nonsense in ({"speed": -1}, {"advance": -1}, {"sped": 1}):
            status, _ = await site.control("POST", "/clock", nonsense)
            assert status == 400
        _, clock = await site.control("GET", "/clock")
        assert clock["emulated"] >= 90


@pytest.mark.asyncio
async def test_one_turn_moves_every_service(visit: Any) -> None:
    """Jobs go on with instances, and none does if the turn is refused."""
    async with visit(speed=0) as site:
        one, other = site.emulator.maxcompute.clock, site.emulator.batchcompute.clock
        await site.advance(90)
        assert (one.emulated(), other.emulated()) == (90, 90)
        await site.control("POST", "/clock", {"speed": 3, "advance": -1})
        assert one.speed == other.speed
        assert one.emulated() == pytest.approx(other.emulated(), abs=1)


@pytest.mark.asyncio
async def test_requests_are_reported_and_forgotten(visit: Any) -> None:
    """Calls of the levers themselves do not count."""
    async with visit() as site:
        await site.get("/tenants")
        _, report = await site.control("GET", "/requests")
        assert report["total"] == {"count": 1, "peak_per_second": 1}
        status, _ = await site.control("DELETE", "/requests")
        assert status == 204
        _, report = await site.control("GET", "/requests")
        assert report == {"total": {"count": 0, "peak_per_second": 0}, "operations": {}}


@pytest.mark.asyncio
async def test_an_instance_can_vanish_and_come_back(visit: Any) -> None:
    """As if the service had lost it."""
    async with visit(speed=0) as site:
        (id_,) = await site.script()
        path = f"/projects/demo/instances/{id_}"
        await site.control("POST", f"/instances/{id_}/vanish")
        assert (await site.get(path)).status == 404
        assert (await site.get("/projects/demo/cachedinstances")).find("Content") == "[]"
        await site.control("POST", f"/instances/{id_}/restore")
        assert (await site.get(path)).status == 200
        status, _ = await site.control("POST", "/instances/nope/vanish")
        assert status == 404


@pytest.mark.asyncio
async def test_web_pages_may_not_pull_the_levers(visit: Any) -> None:
    """A page in a browser on this machine is somebody else's program."""
    async with visit() as site:
        status, answer = await site.control("GET", "/requests", headers={"Origin": "http://evil.example"})
        assert (status, answer["error"]["code"]) == (403, "forbidden")


@pytest.mark.asyncio
async def test_other_machines_may_not_pull_the_levers(visit: Any) -> None:
    """Even if the emulator was made to listen to them."""
    async with visit() as site:
        app = control.build_app(site.emulator.maxcompute, site.emulator.batchcompute, site.emulator.faults)
        (middleware,) = app.middlewares

        async def never(_request: web.Request) -> web.StreamResponse:
            raise AssertionError("let in")

        response = await middleware(make_mocked_request("GET", "/requests").clone(remote="192.0.2.7"), never)  # type: ignore[call-arg]
        assert response.status == 403
