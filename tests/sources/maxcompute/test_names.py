"""The names of jobs where only some are wanted: learned once each, and never a reason to miss a failure."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from monitor.emulator.server import Emulator, EmulatorOptions, serve
from monitor.sources.base import Page, Reason, RequestReport, SourceError
from monitor.sources.maxcompute import MaxComputeSource, names
from tests.sources.scripted import NOW, Answer, error, queueing, rows, section, serving, watching

ETL = {"jobs": "etl_.*"}
CACHED, ENDED, RUNNING = "/cachedinstances", "status=Terminated", "status=Running"
ENDED_AT = datetime(2025, 1, 24, 7, 40, tzinfo=UTC)  # of all rows that `rows` makes


def job(name: str) -> Answer:
    """A `?source` body."""
    return Answer(f"<Job>{name and f'<Name>{name}</Name>'}<Priority>9</Priority><Tasks/></Job>")


async def discovered(source: MaxComputeSource, listing: AsyncIterator[Page]) -> dict[str, str]:
    """What of a listing is to be tracked: names by id."""
    return {seen.key.id: seen.name async for page in listing for seen in page.seen if source.discovers(seen)}


def names_asked(reports: list[RequestReport]) -> int:
    """Requests for names."""
    return sum(report.operation == "source" for report in reports)


# --- against the emulator ---------------------------------------------------------------------------------------------


async def submit(emulator: Emulator, session: ClientSession, **wanted: Any) -> list[str]:
    """Instances of that recipe."""
    async with session.post(f"{emulator.url}/-/emulator/instances", json={"wait": 0, **wanted}) as response:
        response.raise_for_status()
        return list((await response.json())["ids"])


async def advance(emulator: Emulator, session: ClientSession, seconds: float) -> None:
    """Let so much time pass."""
    async with session.post(f"{emulator.url}/-/emulator/clock", json={"advance": seconds}) as response:
        response.raise_for_status()


@pytest.mark.asyncio
async def test_a_failure_between_two_sweeps_is_found_by_its_name() -> None:
    """Nobody saw them live: of forty that ended those with a wanted name are found, for one request each."""
    reports: list[RequestReport] = []
    async with serve(EmulatorOptions(speed=0)) as emulator, ClientSession() as session:
        read = section(emulator.endpoint, projects=["demo"], access_key="demo-secret", discover=ETL)
        source = MaxComputeSource(read, now=lambda: datetime.now(UTC), report=reports.append)  # noqa: TID251 - it checks
        failed = {"seconds": 5, "outcome": "failed"}
        wanted = await submit(emulator, session, count=10, job_name="etl_orders", **failed)
        await submit(emulator, session, count=20, job_name="adhoc", **failed)
        await submit(emulator, session, count=10, **failed)
        seen_live = await submit(emulator, session, count=5, job_name="etl_long", seconds=50)
        began = datetime.now(UTC) - timedelta(minutes=10)  # noqa: TID251 - it checks
        await advance(emulator, session, 10)
        assert await discovered(source, source.sweep("demo")) == dict.fromkeys(seen_live, "etl_long")
        assert names_asked(reports) == 0  # this listing tells them
        assert await discovered(source, source.ended("demo", began)) == dict.fromkeys(wanted, "etl_orders")
        assert names_asked(reports) == 40
        await advance(emulator, session, 100)
        both = dict.fromkeys(wanted, "etl_orders") | dict.fromkeys(seen_live, "etl_long")
        assert await discovered(source, source.ended("demo", began)) == both
        assert names_asked(reports) == 40  # those that were live are known, and the others were asked about
        await source.aclose()


# --- against a scripted service ---------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_coarse_listing_learns_names() -> None:
    """Where the better listing is refused, names cost one request each, also when an entry changes."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports, discover=ETL) as source:
        service.on(CACHED, error("NoPermission", status=403))
        service.on("/instances?", Answer(rows()))
        service.on(RUNNING, Answer(rows(("a", "Running"), ("b", "Running"))), Answer(rows(("b", "Running"))))
        service.on("status=Suspended", Answer(rows()), Answer(rows(("a", "Suspended"))))
        service.on("/a?", job("etl_orders"))
        service.on("/b?", job("adhoc"))
        assert await discovered(source, source.sweep("analytics")) == {"a": "etl_orders"}
        assert await discovered(source, source.sweep("analytics")) == {"a": "etl_orders"}
    assert names_asked(reports) == 2


@pytest.mark.parametrize("discover", [{}, {"jobs": ".*"}, False])
@pytest.mark.asyncio
async def test_no_request_where_no_name_matters(discover: object) -> None:
    """All jobs are wanted, or none: nobody asks for names."""
    async with serving() as service, watching(service, discover=discover) as source:
        service.on(ENDED, Answer(rows(("a", "Terminated"))))
        assert set(await discovered(source, source.ended("analytics", NOW))) == (set() if discover is False else {"a"})
    assert len(service.asked) == 1


@pytest.mark.asyncio
async def test_what_ended_long_ago_is_not_asked_about() -> None:
    """It is history, whatever its name is."""
    async with serving() as service, watching(service, discover=ETL) as source:
        service.on(ENDED, Answer(rows(("a", "Terminated"))))
        since = ENDED_AT + timedelta(seconds=1)
        assert [page.ids async for page in source.ended("analytics", since)] == [("a",)]
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        error("NoPermission", status=403),
        error("NoSuchObject", status=404),
        error("SomethingElse", status=400),
        Answer("<html>"),
        Answer(""),
    ],
)
@pytest.mark.asyncio
async def test_a_name_that_cannot_be_had(answer: Answer) -> None:
    """Rather an alert too many than a failure missed: it is tracked, and not asked about again."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports, discover=ETL) as source:
        service.on(ENDED, Answer(rows(("a", "Terminated"), ("b", "Terminated"), ("c", "Terminated"))))
        service.on("/a?", answer)
        service.on("/b?", job("adhoc"))
        service.on("/c?", job(""))
        for _ in range(2):
            assert await discovered(source, source.ended("analytics", NOW)) == {"a": ""}
    assert names_asked(reports) == 3


@pytest.mark.asyncio
async def test_a_service_that_does_not_answer_fails_the_listing() -> None:
    """What was learned is kept, and the rest is asked when the listing is tried again."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports, discover=ETL) as source:
        service.on(ENDED, Answer(rows(("a", "Terminated"), ("b", "Terminated"))))
        service.on("/a?", job("etl_orders"))
        service.on("/b?", error("InternalServerError", status=500), job("etl_items"))
        with pytest.raises(SourceError) as caught:
            await discovered(source, source.ended("analytics", NOW))
        assert caught.value.reason is Reason.UNAVAILABLE
        assert await discovered(source, source.ended("analytics", NOW)) == {"a": "etl_orders", "b": "etl_items"}
    assert names_asked(reports) == 3


@pytest.mark.asyncio
async def test_one_name_does_not_hold_up_the_others_for_ever() -> None:
    """An instance whose source fails time and again is taken without its name, and the listing goes on."""
    async with serving() as service, watching(service, discover=ETL) as source:
        service.on(ENDED, Answer(rows(("a", "Terminated"), ("b", "Terminated"))))
        service.on("/a?", error("InternalServerError", status=500))
        service.on("/b?", job("etl_items"))
        with pytest.raises(SourceError):
            await discovered(source, source.ended("analytics", NOW))
        assert await discovered(source, source.ended("analytics", NOW)) == {"a": "", "b": "etl_items"}


@pytest.mark.asyncio
async def test_a_sweep_that_failed_for_names_tells_all_of_them_later() -> None:
    """What was listed and not told yet is told by the next sweep, though its entry did not change."""
    async with serving() as service, watching(service, discover=ETL) as source:
        service.on(CACHED, error("NoPermission", status=403))
        service.on("/instances?", Answer(rows()))
        service.on(RUNNING, Answer(rows(("a", "Running"), ("b", "Running"))))
        service.on("/a?", job("etl_orders"))
        service.on("/b?", error("InternalServerError", status=500), job("etl_items"))
        with pytest.raises(SourceError):
            await discovered(source, source.sweep("analytics"))
        assert await discovered(source, source.sweep("analytics")) == {"a": "etl_orders", "b": "etl_items"}


@pytest.mark.asyncio
async def test_the_queue_tells_that_a_job_has_no_name() -> None:
    """An instance without a job name in the listing that tells them is not one that is wanted."""
    async with serving() as service, watching(service, discover=ETL) as source:
        service.on(CACHED, Answer(queueing('[{"instanceId":"a","status":"Running"}]')))
        assert await discovered(source, source.sweep("analytics")) == {}


@pytest.mark.asyncio
async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten first, and asked about again when it is listed again."""
    monkeypatch.setattr(names, "_REMEMBERED", 2)
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports, discover=ETL) as source:
        service.on("source", job("etl_orders"))
        for listed in ("abc", "c", "a"):
            service.on(ENDED, Answer(rows(*((id_, "Terminated") for id_ in listed))))
            await discovered(source, source.ended("analytics", NOW))
    assert names_asked(reports) == 4
    assert [len(service.asked_for(part)) for part in ("/a?", "/b?", "/c?")] == [2, 1, 1]
