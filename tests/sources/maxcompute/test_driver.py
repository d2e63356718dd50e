"""The driver as a whole: what it discovers, stops and hands out, and how it keeps to its budget."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from monitor.core.events import Seen
from monitor.core.model import InstanceKey, Phase
from monitor.emulator.server import EmulatorOptions, serve
from monitor.sources.base import Detail, Priority, Reason, RequestReport, SourceError
from monitor.sources.maxcompute import MaxComputeSource
from tests.sources.scripted import (
    NOW,
    Answer,
    Clock,
    error,
    instance,
    queueing,
    results,
    section,
    serving,
    task,
    watching,
)

KEY = InstanceKey("warehouse", "analytics", "20250124073421123gabc0def1")


def named(name: str) -> Seen:
    """A listed instance of that job name."""
    return Seen(key=KEY, at=NOW, kind="maxcompute", phase=Phase.RUNNING, name=name)


@pytest.mark.parametrize(
    ("discover", "name", "expected"),
    [
        ({}, "", True),
        ({}, "any\nthing", True),
        ({"jobs": "etl_.*"}, "etl_orders", True),
        ({"jobs": "etl_.*"}, "not_etl_orders", False),
        ({"jobs": "etl_.*"}, "", True),
        ({"jobs": "etl"}, "etl_orders", False),
        (False, "etl_orders", False),
    ],
)
@pytest.mark.asyncio
async def test_what_it_discovers(discover: object, name: str, expected: bool) -> None:
    """The whole job name has to match, or nobody could tell it; with `discover: false` nothing does."""
    async with serving() as service, watching(service, discover=discover) as source:
        assert source.discovers(named(name)) is expected


@pytest.mark.asyncio
async def test_a_stop_is_one_put() -> None:
    """The service is asked to end it; that it ended is observed later."""
    async with serving() as service, watching(service) as source:
        service.on(KEY.id, Answer())
        await source.stop(KEY)
    (asked,) = service.asked
    assert (asked.method, asked.headers["Content-Type"]) == ("PUT", "application/xml")
    assert asked.body == b"<Instance><Status>Terminated</Status></Instance>"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (error("InvalidStateSetting", "already terminated", 409), Reason.CONFLICT),
        (error("InvalidStateSetting", "already terminated", 400), Reason.CONFLICT),
        (error("NoSuchObject", status=404), Reason.NOT_FOUND),
        (error("NoPermission", status=403), Reason.FORBIDDEN),
        (Answer(status=503), Reason.UNAVAILABLE),
    ],
)
@pytest.mark.asyncio
async def test_a_stop_that_is_refused(answer: Answer, reason: Reason) -> None:
    """One request, one reason: a stop is never sent twice."""
    async with serving() as service, watching(service) as source:
        service.on(KEY.id, answer)
        with pytest.raises(SourceError) as caught:
            await source.stop(KEY)
    assert caught.value.reason is reason
    assert len(service.asked) == 1


@pytest.mark.asyncio
async def test_what_this_service_cannot_do() -> None:
    """It runs nothing again and takes no job descriptions: that is said without asking, with what to do instead."""
    async with serving() as service, watching(service) as source:
        with pytest.raises(SourceError, match="submit its job again") as restart:
            await source.restart(KEY)
        with pytest.raises(SourceError, match="batchcompute") as submission:
            await source.submit("analytics", {"Name": "render"}, "token-1")
    assert (restart.value.reason, submission.value.reason) == (Reason.REJECTED, Reason.REJECTED)
    assert service.asked == []


@pytest.mark.asyncio
async def test_results_by_task() -> None:
    """The text of each task as the service holds it."""
    async with serving() as service, watching(service) as source:
        service.on("&result", Answer(results(A='"a"\n1\n', B="ODPS-0130131:x")))
        assert await source.results(KEY) == {"A": '"a"\n1\n', "B": "ODPS-0130131:x"}


@pytest.mark.asyncio
async def test_a_budget_for_all_that_it_asks() -> None:
    """At twenty a second twenty-five requests of every kind take a second: five at once, the others in turn."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports, requests_per_second=20) as source:
        service.on("taskstatus", Answer(instance("Running", task("Running"))))
        service.on("&result", Answer(results()))
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(12):
                tasks.create_task(source.inspect(KEY, Detail.PHASE, Priority.ATTENTION))
                tasks.create_task(source.results(KEY))
        took = time.monotonic() - began
    assert len(service.asked) == len(reports) == 24
    assert took >= 19 / 20 - 0.01


@pytest.mark.asyncio
async def test_a_sweep_goes_before_inspections() -> None:
    """Ten inspections wait for one place: the sweep that comes last is served as soon as the place is free."""
    async with serving() as service, watching(service, requests_per_second=20, concurrency=1) as source:
        service.on("taskstatus", Answer(instance("Running", task("Running"))))
        service.on("cachedinstances", Answer(queueing("[]")))
        order: list[str] = []

        async def inspect() -> None:
            await source.inspect(KEY, Detail.PHASE, Priority.ATTENTION)
            order.append("inspection")

        async def sweep() -> None:
            order.extend([f"sweep of {len(page.ids)}" async for page in source.sweep("analytics")])

        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(inspect())
            tasks.create_task(sweep())
    assert order.index("sweep of 0") <= 2
    assert len(order) == 11


@pytest.mark.asyncio
async def test_two_sources_share_nothing() -> None:
    """One that is throttled and corrected does not slow or correct the other."""
    async with serving() as service, watching(service, clock=Clock()) as one, watching(service, name="lake") as other:
        service.on("taskstatus", Answer(status=429, headers={"Retry-After": "600"}), Answer(instance("Running")))
        with pytest.raises(SourceError):
            await one.inspect(KEY, Detail.PHASE, Priority.SWEEP)
        seen = await other.inspect(KEY, Detail.PHASE, Priority.SWEEP)
    assert isinstance(seen, Seen)
    assert (one.name, other.name, one.kind, one.projects) == ("warehouse", "lake", "maxcompute", ("analytics",))


@pytest.mark.parametrize("region", [None, "cn-hangzhou"])
@pytest.mark.asyncio
async def test_signatures_that_somebody_else_verifies(region: str | None) -> None:
    """The emulator shares no code with us and checks every signature: each is taken the first time, both ways."""
    reports: list[RequestReport] = []
    async with serve(EmulatorOptions()) as emulator:
        read = section(emulator.endpoint, projects=["demo"], access_key="demo-secret", region=region)
        source = MaxComputeSource(read, now=lambda: datetime.now(UTC), report=reports.append)  # noqa: TID251 - it checks
        assert [page.ids async for page in source.sweep("demo")] == [()]
        await source.inspect(InstanceKey("warehouse", "demo", "nobody"), Detail.PHASE, Priority.SWEEP)
        token = (await source.logview(InstanceKey("warehouse", "demo", "nobody"), 1)).rpartition("token=")[2]
        await source.aclose()
    assert token
    assert {it.result for it in reports} == {"ok", Reason.NOT_FOUND}  # nothing is found, and nothing is unauthorized


def test_it_is_built_without_a_loop() -> None:
    """A config can be checked, and a program built, before anything runs."""
    source = MaxComputeSource(section("https://service.example/api"), now=Clock(), report=lambda _: None)
    assert source.name == "warehouse"
