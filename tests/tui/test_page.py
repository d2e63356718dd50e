"""One instance on a screen of its own."""

import pytest

from monitor.core.events import Removed
from monitor.core.model import Phase, Stage, Task, Track
from monitor.tui.page import Page
from tests.tui.test_top import text, top, until
from tests.web.desk import NOON, failed, key, moved, staged, track


def busy(count: int) -> Track:
    """One with so many stages, of which the last ten run."""
    stages = tuple(Stage(f"M{at}_Stg1_job0", int(at >= count - 10), 0, 4) for at in range(count))
    return track("a", name="每日报表", tasks=(Task("AnonymousSQLTask", "SQL", Phase.RUNNING, NOON, None, stages),))


@pytest.mark.asyncio
async def test_stages_as_they_work() -> None:
    """They move by themselves, read with priority while the page is open."""
    async with top(staged("a", 3)) as (desk, screen, pilot, _):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(screen.screen, Page) and "3/10" in text(screen, "#page"))
        await until(pilot, lambda: key("a") in desk.attention)
        desk.happen(moved(staged("a", 3), staged("a", 7)), tracks=[staged("a", 7)])
        await until(pilot, lambda: "7/10" in text(screen, "#page"))
        await pilot.press("escape")
        await until(pilot, lambda: key("a") not in desk.attention)


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_following_shows_what_runs(size: tuple[int, int]) -> None:
    """As much as fits; otherwise all is there to scroll through."""
    async with top(busy(200), size=size) as (_desk, screen, pilot, _):
        await pilot.press("f")
        await until(pilot, lambda: isinstance(screen.screen, Page) and "more: " in text(screen, "#page"))
        shown = text(screen, "#page").splitlines()
        assert len(shown) < size[1]
        assert sum("1 running" in line for line in shown) == 10
        await pilot.press("f")
        await until(pilot, lambda: len(text(screen, "#page").splitlines()) > 200)
        assert "more: " not in text(screen, "#page")


@pytest.mark.asyncio
async def test_why_it_failed() -> None:
    """The whole text, line by line."""
    async with top(failed("a", message="first line\nsecond \x1b[31mline")) as (_desk, screen, pilot, _):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(screen.screen, Page))
        shown = text(screen, "#page").splitlines()
    assert "failed in AnonymousSQLTask: ODPS-0130131 (unknown)" in shown
    assert shown[-2:] == ["first line", r"second \x1b[31mline"]


@pytest.mark.asyncio
async def test_one_that_is_forgotten() -> None:
    """Stays as it was, and says so."""
    async with top(track("a")) as (desk, screen, pilot, _):
        await pilot.press("enter")
        await until(pilot, lambda: key("a") in desk.attention)
        desk.happen(Removed(NOON, key("a")), remove=[key("a")])
        await until(pilot, lambda: "does not know it any more" in text(screen, "#doubts"))
        assert "warehouse/analytics/a  running" in text(screen, "#page")


@pytest.mark.asyncio
async def test_the_daemon_goes() -> None:
    """The page says since when what it shows is old."""
    async with top(staged("a", 3)) as (_desk, screen, pilot, running):
        await pilot.press("f")
        await until(pilot, lambda: isinstance(screen.screen, Page) and "3/10" in text(screen, "#page"))
        await running.aclose()
        await until(pilot, lambda: "reconnecting" in text(screen, "#doubts"))
        assert "3/10" in text(screen, "#page")
