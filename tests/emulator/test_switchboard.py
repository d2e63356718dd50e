from typing import Any

import pytest

from monitor.emulator.clock import Clock
from monitor.emulator.faults import FAULTS, Setting
from monitor.emulator.switchboard import Service, Switchboard

LIVE = "/projects/demo/cachedinstances"


class Ticks:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.mark.asyncio
async def test_all_are_off_until_one_is_switched_on(visit: Any) -> None:
    """The report names all there are, and those that are on with what they did."""
    async with visit() as site:
        status, report = await site.control("GET", "/faults")
        assert (status, report["on"]) == (200, [])
        assert report["faults"].keys() == FAULTS.keys()
        assert (await site.get(LIVE)).status == 200
        wanted = {"fault": "flow_exceeded", "operations": ["cachedinstances"], "seed": 1}
        _, report = await site.control("POST", "/faults", wanted)
        (on,) = report["on"]
        assert on == {**on, **wanted, "seen": 0, "hits": 0}
        assert (await site.get(LIVE)).status == 400
        assert (await site.get("/tenants")).status == 200
        _, report = await site.control("GET", "/faults")
        assert (report["on"][0]["seen"], report["on"][0]["hits"]) == (1, 1)
        assert (await site.control("DELETE", "/faults")) == (204, None)
        assert (await site.get(LIVE)).status == 200


@pytest.mark.asyncio
async def test_a_new_setting_replaces_that_of_the_same_fault_only(visit: Any) -> None:
    """And one can be switched off alone."""
    async with visit() as site:
        for setting in (
            {"fault": "latency", "delay": 9},
            {"fault": "reset", "operations": ["tenants"]},
            {"fault": "latency", "delay": 0},
        ):
            _, report = await site.control("POST", "/faults", setting)
        assert sorted((on["fault"], on["delay"]) for on in report["on"]) == [("latency", 0.0), ("reset", 1.0)]
        await site.control("DELETE", "/faults/latency")
        _, report = await site.control("GET", "/faults")
        assert [on["fault"] for on in report["on"]] == ["reset"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"fault": "nope"}, "fault must be one of latency, bad_gateway"),
        ({}, "missing required field `fault`; faults are latency"),
        ({"fault": "reset", "colour": "red"}, "unknown field `colour`"),
        ({"fault": "reset", "operations": ["nope"]}, "operations of reset are cachedinstances, list, status"),
        (
            {"fault": "vanishing", "operations": ["result"]},
            "operations of vanishing are cachedinstances, list, ListJobs",
        ),
        ({"fault": "vanishing", "service": "maxcompute", "operations": ["ListJobs"]}, "are cachedinstances, list, not"),
        ({"fault": "entity_bomb", "service": "batchcompute"}, "fault must be one of latency, bad_gateway"),
        ({"fault": "reset", "service": "nope"}, "Invalid enum value 'nope'"),
        ({"fault": "reset", "share": 0}, "share must be above 0"),
        ({"fault": "reset", "share": 2}, "share must be above 0"),
        ({"fault": "reset", "seconds": 0}, "seconds must be above 0"),
        ({"fault": "latency", "delay": -1}, "delay must be"),
        ({"fault": "too_many_requests", "retry_after": -1}, "retry_after between"),
        ({"fault": "clock_skew", "offset": 1e9}, "offset must be"),
        ({"fault": "huge_body", "mebibytes": 0}, "mebibytes between"),
        ([], "Expected `object`, got `array`"),
    ],
)
async def test_a_setting_that_makes_no_sense(visit: Any, body: Any, why: str) -> None:
    """Is answered with what is allowed, and changes nothing."""
    async with visit() as site:
        status, answer = await site.control("POST", "/faults", body)
        assert (status, answer["error"]["code"]) == (400, "bad_request")
        assert why in answer["error"]["message"]
        assert (await site.control("GET", "/faults"))[1]["on"] == []
        status, answer = await site.control("DELETE", "/faults/nope")
        assert status == 404
        assert "faults are latency" in answer["error"]["message"]


@pytest.mark.asyncio
async def test_the_same_seed_hits_the_same_requests(visit: Any) -> None:
    """A share of them, chosen by number; another seed chooses others."""

    async def run(seed: int) -> list[int]:
        async with visit() as site:
            await site.control("POST", "/faults", {"fault": "internal_error", "share": 0.3, "seed": seed})
            return [(await site.get("/tenants")).status for _ in range(100)]

    first = await run(1)
    assert first == await run(1)
    assert first != await run(2)
    assert 15 < first.count(500) < 45


@pytest.mark.asyncio
async def test_requests_that_are_hit_are_counted(visit: Any) -> None:
    """They arrived, whatever became of them."""
    async with visit() as site:
        await site.control("POST", "/faults", {"fault": "bad_gateway"})
        for _ in range(3):
            await site.get(LIVE)
        _, report = await site.control("GET", "/requests")
        assert report["operations"]["cachedinstances"]["count"] == 3


def test_a_fault_with_a_time_ends_by_itself() -> None:
    """And the clock is right again."""
    ticks = Ticks()
    clock = Clock(wall=lambda: 1_000_000.0 + ticks.at, ticks=ticks)
    board = Switchboard(ticks, {"maxcompute": Service(clock, FAULTS, lambda _: "list")})
    board.switch_on(Setting(fault="clock_skew", offset=-3600, seconds=10))
    board.switch_on(Setting(fault="reset", seconds=30))
    ticks.at = 9.9
    assert clock.wall() == clock.wall_at(clock.emulated()) == 996_409.9
    ticks.at = 10.0
    assert [on["fault"] for on in board.report()["on"]] == ["reset"]  # type: ignore[attr-defined]
    assert clock.wall() == clock.wall_at(clock.emulated()) == 1_000_010
    ticks.at = 30.0
    assert board.report()["on"] == []


@pytest.mark.asyncio
async def test_a_fault_hits_every_service_or_one(visit: Any) -> None:
    """As was said; in each it may be set anew without the other."""
    async with visit(speed=0) as site:

        async def statuses() -> tuple[int, int]:
            async with site.session.get(f"{site.emulator.url}/jobs") as answer:
                return (await site.get("/tenants")).status, answer.status

        assert await statuses() == (200, 400)
        await site.control("POST", "/faults", {"fault": "internal_error"})
        assert await statuses() == (500, 500)
        _, report = await site.control("GET", "/faults")
        assert [(on["service"], on["hits"]) for on in report["on"]] == [(None, 2)]
        await site.control("POST", "/faults", {"fault": "internal_error", "service": "maxcompute", "share": 1e-9})
        assert await statuses() == (200, 500)
        await site.control("POST", "/faults", {"fault": "internal_error", "operations": ["GetQuotas"]})
        assert await statuses() == (200, 400)
        _, report = await site.control("GET", "/faults")
        assert [(on["service"], on["operations"]) for on in report["on"]] == [("maxcompute", []), (None, ["GetQuotas"])]
        await site.control("DELETE", "/faults/internal_error")
        assert (await site.control("GET", "/faults"))[1]["on"] == []


def test_each_service_has_a_time_of_its_own() -> None:
    """One may be wrong while the other is right."""
    ticks = Ticks()
    clocks = [Clock(wall=lambda: 1_000_000.0, ticks=ticks) for _ in range(2)]
    one, other = (Service(clock, FAULTS, lambda _: "list") for clock in clocks)
    board = Switchboard(ticks, {"maxcompute": one, "batchcompute": other})
    board.switch_on(Setting(fault="clock_skew", offset=100, service="batchcompute"))
    assert [clock.wall() for clock in clocks] == [1_000_000, 1_000_100]
    board.switch_on(Setting(fault="clock_skew", offset=-5))
    assert [clock.wall() for clock in clocks] == [999_995, 999_995]
    board.switch_off()
    assert [clock.wall() for clock in clocks] == [1_000_000, 1_000_000]
