"""Sweeps and reconciling, against a scripted service."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from monitor.core.events import Seen
from monitor.core.model import Phase
from monitor.sources.base import Page, Reason, RequestReport, SourceError
from tests.sources.scripted import NOW, Answer, Clock, error, queueing, rows, serving, watching

CACHED, LISTED, SUSPENDED = "/cachedinstances", "/instances?", "status=Suspended"


def element(id_: str, **changes: Any) -> dict[str, Any]:
    """An element of the queue's listing."""
    return {"instanceId": id_, "status": "Running", "startTime": "2025-01-24 15:34:21 +0800", **changes}


def page(*elements: Any, marker: str = "") -> Answer:
    """A page of them."""
    return Answer(queueing(json.dumps(elements), marker))


async def whole(listing: AsyncIterator[Page]) -> list[Page]:
    """All pages."""
    return [it async for it in listing]


def ids(pages: list[Page]) -> list[str]:
    """Every instance that was named."""
    return [id_ for it in pages for id_ in it.ids]


def seen(pages: list[Page]) -> dict[str, Seen]:
    """What was said, by id."""
    return {it.key.id: it for each in pages for it in each.seen}


@pytest.mark.asyncio
async def test_a_sweep_of_several_pages() -> None:
    """Markers are followed to the end, and every page is observed when it arrived."""
    clock = Clock()
    async with serving() as service, watching(service, clock=clock) as source:
        service.on(CACHED, page(element("a"), element("b", waitPos=2), marker="m/2"))
        service.on("marker=m%2F2", page(element("c", status="Suspended")))
        pages = await whole(source.sweep("analytics"))
    assert [it.ids for it in pages] == [("a", "b"), ("c",)]
    assert {id_: it.phase for id_, it in seen(pages).items()} == {
        "a": Phase.RUNNING,
        "b": Phase.WAITING,
        "c": Phase.SUSPENDED,
    }
    assert {it.at for it in pages} == {NOW}
    assert str(seen(pages)["a"].key) == "warehouse/analytics/a"


@pytest.mark.asyncio
async def test_what_did_not_change_is_not_told_again() -> None:
    """Of three instances one moved: three are named, one is told, and its key is the one it had."""
    async with serving() as service, watching(service) as source:
        before = [element("a", instanceProgress=0.1), element("b"), element("c")]
        after = [element("a", instanceProgress=0.2), element("b", cpuUsage=5), element("c")]
        service.on(CACHED, page(*before), page(*after))
        first = await whole(source.sweep("analytics"))
        second = await whole(source.sweep("analytics"))
    assert ids(second) == ["a", "b", "c"]
    assert list(seen(second)) == ["a"]
    assert seen(second)["a"].progress == 0.2
    assert seen(second)["a"].created_at == seen(first)["a"].created_at
    assert seen(second)["a"].key is seen(first)["a"].key


@pytest.mark.asyncio
async def test_an_equal_page_is_named_whole_and_tells_nothing() -> None:
    """The same body again: all ids, at the new time, and no observation."""
    clock = Clock()
    async with serving() as service, watching(service, clock=clock) as source:
        service.on(CACHED, page(element("a"), element("over", status="Terminated")))
        await whole(source.sweep("analytics"))
        clock.advance(seconds=10)
        (again,) = await whole(source.sweep("analytics"))
    assert (again.at, again.ids, again.seen) == (clock.at, ("a",), ())


@pytest.mark.asyncio
async def test_who_comes_back_is_told_again() -> None:
    """An instance that was absent from a whole sweep is news when it is there again, in the same words."""
    async with serving() as service, watching(service) as source:
        service.on(CACHED, page(element("a"), element("b")), page(element("b")), page(element("a"), element("b")))
        for _ in range(2):
            await whole(source.sweep("analytics"))
        assert list(seen(await whole(source.sweep("analytics")))) == ["a"]


@pytest.mark.asyncio
async def test_what_lingers_after_the_end_is_not_live() -> None:
    """A `Terminated` entry is told once, and never named: whoever tracks it inspects it."""
    async with serving() as service, watching(service) as source:
        gone = element("a", status="Terminated")
        service.on(
            CACHED, page(element("a"), element("b")), page(gone, element("b")), page(gone, element("b", waitPos=1))
        )
        await whole(source.sweep("analytics"))
        second = await whole(source.sweep("analytics"))
        third = await whole(source.sweep("analytics"))
    assert ids(second) == ids(third) == ["b"]
    assert (seen(second)["a"].ended, seen(second)["a"].phase) == (True, None)
    assert list(seen(third)) == ["b"]


@pytest.mark.asyncio
async def test_odd_elements_do_not_spoil_a_page() -> None:
    """They are left out and counted in the report; one that still has an id is named, so that it is not missed."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports) as source:
        service.on(CACHED, page(element("a"), 5, {"instanceId": "odd", "status": 1, "waitPos": []}, element("a/../b")))
        pages = await whole(source.sweep("analytics"))
    assert sorted(ids(pages)) == ["a", "odd"]
    assert list(seen(pages)) == ["a"]
    assert [(it.operation, it.result, it.skipped) for it in reports] == [("sweep", "ok", 3)]


@pytest.mark.asyncio
async def test_a_malformed_page_ends_the_sweep_and_is_counted() -> None:
    """A page that is no listing: the sweep is not complete, the reason is told with who and what."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports) as source:
        service.on(CACHED, page(element("a"), marker="2"))
        service.on("marker=2", Answer("<html>Log in</html>"))
        with pytest.raises(SourceError, match="warehouse: sweep: the body is a <html>") as caught:
            await whole(source.sweep("analytics"))
    assert caught.value.reason is Reason.MALFORMED
    assert [it.result for it in reports] == ["ok", Reason.MALFORMED]


@pytest.mark.asyncio
async def test_what_was_not_told_is_told_next_time() -> None:
    """A sweep that broke on its first page had told nothing: the next one tells all."""
    async with serving() as service, watching(service) as source:
        service.on(CACHED, Answer("<Instances><Content>[</Content></Instances>"), page(element("a")))
        with pytest.raises(SourceError):
            await whole(source.sweep("analytics"))
        assert list(seen(await whole(source.sweep("analytics")))) == ["a"]


@pytest.mark.asyncio
async def test_a_listing_that_leads_in_circles() -> None:
    """The same marker twice is malformed; it is not asked for ever."""
    async with serving() as service, watching(service) as source:
        service.on(CACHED, page(element("a"), marker="again"))
        with pytest.raises(SourceError, match="a marker came twice") as caught:
            await whole(source.sweep("analytics"))
    assert caught.value.reason is Reason.MALFORMED
    assert len(service.asked) == 2


# --- the coarse listing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        error("NoPermission", status=403),
        error("NoPermission", status=400),
        error("MethodNotAllowed", status=405),
        Answer("not here", 404),
    ],
)
@pytest.mark.asyncio
async def test_a_refused_listing_falls_back(refusal: Answer) -> None:
    """Without the better listing the coarse one is read: it cannot tell waiting from running."""
    async with serving() as service, watching(service) as source:
        service.on(CACHED, refusal)
        service.on(LISTED, Answer(rows(("a", "Running"), ("over", "Terminated"), ("odd", "Dreaming"))))
        service.on(SUSPENDED, Answer(rows(("b", "Suspended"))))
        pages = await whole(source.sweep("analytics"))
    assert ids(pages) == ["a", "odd", "b"]
    told = seen(pages)
    assert {id_: (it.phase, it.ended) for id_, it in told.items()} == {
        "a": (None, False),
        "over": (None, True),
        "odd": (None, False),
        "b": (Phase.SUSPENDED, False),
    }
    assert (told["a"].native_status, told["a"].created_at, told["a"].owner) == (
        "Running",
        NOW,
        "ALIYUN$me@example.test",
    )


@pytest.mark.asyncio
async def test_the_better_listing_is_tried_again_after_ten_minutes() -> None:
    """Until then it is not asked for; once the right is granted it is used again, and what it adds is told."""
    clock = Clock()
    async with serving() as service, watching(service, clock=clock) as source:
        service.on(CACHED, error("NoPermission", status=403), page(element("a", waitPos=3)))
        service.on(LISTED, Answer(rows(("a", "Running"))))
        service.on(SUSPENDED, Answer(rows()))
        for _ in range(3):
            await whole(source.sweep("analytics"))
            clock.advance(minutes=3)
        assert len(service.asked_for(CACHED)) == 1
        clock.advance(minutes=1)
        pages = await whole(source.sweep("analytics"))
    assert len(service.asked_for(CACHED)) == 2
    assert seen(pages)["a"].phase is Phase.WAITING


@pytest.mark.asyncio
async def test_the_coarse_listing_tells_only_what_changed_too() -> None:
    """The second time nothing moved: all are named, none is told."""
    async with serving() as service, watching(service) as source:
        service.on(CACHED, error("NoPermission", status=403))
        service.on(LISTED, Answer(rows(("a", "Running"))))
        service.on(SUSPENDED, Answer(rows(("b", "Suspended"))))
        await whole(source.sweep("analytics"))
        again = await whole(source.sweep("analytics"))
    assert (ids(again), seen(again)) == (["a", "b"], {})


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (error("Unauthorized", status=401), Reason.UNAUTHORIZED),
        (error("FlowExceeded", status=429), Reason.THROTTLED),
        (error("InternalServerError", status=500), Reason.UNAVAILABLE),
    ],
)
@pytest.mark.asyncio
async def test_other_refusals_are_no_reason_to_fall_back(refusal: Answer, reason: Reason) -> None:
    """A wrong key or an outage would be no better on the other listing."""
    async with serving() as service, watching(service) as source:
        service.on(CACHED, refusal)
        with pytest.raises(SourceError) as caught:
            await whole(source.sweep("analytics"))
    assert caught.value.reason is reason
    assert not service.asked_for(LISTED)


@pytest.mark.asyncio
async def test_a_refusal_on_a_later_page_is_an_error() -> None:
    """Half of one listing and half of another would be no listing."""
    async with serving() as service, watching(service) as source:
        service.on(CACHED, page(element("a"), marker="2"))
        service.on("marker=2", error("NoPermission", status=403))
        with pytest.raises(SourceError) as caught:
            await whole(source.sweep("analytics"))
    assert caught.value.reason is Reason.FORBIDDEN


@pytest.mark.asyncio
async def test_without_any_right_the_missing_one_is_told() -> None:
    """Both listings refused: the service's own sentence and a way out."""
    async with serving() as service, watching(service) as source:
        service.on("analytics", error("NoPermission", "no privilege odps:List", 403))
        with pytest.raises(SourceError, match=r"no privilege odps:List.*owner: mine") as caught:
            await whole(source.sweep("analytics"))
    assert caught.value.reason is Reason.FORBIDDEN


# --- what ended -----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_what_ended_is_told_every_time() -> None:
    """All pages since the time, each entry over and without a phase, also when nothing changed."""
    async with serving() as service, watching(service) as source:
        service.on("status=Terminated", Answer(rows(("a", "Terminated"), ("live", "Running"), marker="2")))
        service.on("marker=2", Answer(rows(("b", "Terminated"))))
        for _ in range(2):
            pages = await whole(source.ended("analytics", NOW))
            assert ids(pages) == ["a", "b"]
            assert all(it.ended and it.phase is None and it.ended_at for it in seen(pages).values())
    assert "daterange=1737704061%3A" in service.asked[0].target


@pytest.mark.asyncio
@pytest.mark.parametrize("apart", [-3600, -600, 600, 3600])
async def test_a_service_with_another_clock_is_asked_by_its_own(apart: int) -> None:
    """Where its clock is behind ours, what it dates before the span that we asked for would never be found; dates that
    it tells are told by our clock."""
    date = {"Date": format_datetime(NOW + timedelta(seconds=apart), usegmt=True)}
    ended = Answer(rows(("a", "Terminated")), headers=date)
    spans = []
    async with serving() as service, watching(service) as source:
        service.on("status=Terminated", ended)
        for _ in range(2):
            pages = await whole(source.ended("analytics", NOW))
            assert ids(pages) == ["a"]
            assert seen(pages)["a"].created_at == NOW - timedelta(seconds=apart)
            assert seen(pages)["a"].ended_at == NOW - timedelta(seconds=apart) + timedelta(minutes=5, seconds=39)
        spans = [int(re.findall(r"daterange=(\d+)", asked.target)[0]) for asked in service.asked]
        service.on(CACHED, Answer(page(element("b")).body, headers=date))
        assert seen(await whole(source.sweep("analytics")))["b"].created_at == NOW - timedelta(seconds=apart)
    told = int(NOW.timestamp())
    assert spans == ([told, told + apart, told + apart] if apart < 0 else [told, told + apart])


@pytest.mark.asyncio
async def test_own_instances_only() -> None:
    """`owner: mine` is said in every listing."""
    async with serving() as service, watching(service, discover={"owner": "mine"}) as source:
        service.on(CACHED, page())
        service.on(LISTED, Answer(rows()))
        await whole(source.sweep("analytics"))
        await whole(source.ended("analytics", NOW))
    assert all("onlyowner=yes" in asked.target for asked in service.asked)
