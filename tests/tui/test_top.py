"""`top` with textual's pilot, against a real API; in a real terminal in tests/cli/test_full_screen.py."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Static

from monitor.client import ClientError
from monitor.core.model import Phase, Track
from monitor.tui.confirm import Confirm
from monitor.tui.page import Page
from monitor.tui.top import Top
from tests.client.test_feed import client, port
from tests.e2e.eventually import eventually
from tests.web.desk import HOSTILE, NOON, Desk, failed, moved, open_desk, staged, track

SIZES = pytest.mark.parametrize("size", [(80, 24), (200, 50)])


@asynccontextmanager
async def top(
    *tracks: Track, size: tuple[int, int] = (80, 24), patience: float = 60
) -> AsyncIterator[tuple[Desk, Top, Pilot[None], AsyncExitStack]]:
    """The screen over a daemon with these; closing the stack ends the daemon."""
    at = port()
    async with AsyncExitStack() as running, client(at, patience=patience) as daemon:
        desk = await running.enter_async_context(open_desk(*tracks, port=at))
        screen = Top(daemon, lambda: NOON)
        async with screen.run_test(size=size) as pilot:
            await until(pilot, lambda: len(screen._table.rows) == len(tracks))
            yield desk, screen, pilot, running


async def until(pilot: Pilot[None], good: Callable[[], bool]) -> None:
    """Let the screen work until it shows what is awaited."""

    async def look() -> bool:
        await pilot.pause()
        return good()

    await eventually(look, bool)


def ids(screen: Top) -> list[str]:
    """Whose rows are shown, from above."""
    return [str(row.value).rsplit("/", maxsplit=1)[-1] for row in screen._table.rows]


def text(screen: Top, where: str) -> str:
    """What a line says."""
    return str(screen.screen.query_one(where, Static).content)


@pytest.mark.asyncio
@SIZES
async def test_filter_as_one_types(size: tuple[int, int]) -> None:
    """Each letter narrows the list; Enter keeps it, Escape shows all again."""
    async with top(track("a1"), track("a2"), failed("b"), size=size) as (_desk, screen, pilot, _):
        await pilot.press("slash", *"s/a2")
        await until(pilot, lambda: ids(screen) == ["a2"])
        assert "/s/a2 (1)" in text(screen, "#head")
        for key in ("enter", "s"):  # as quickly as a person who knows them: the pilot's own would wait in between
            screen.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: "by phase" in text(screen, "#head"))
        assert ids(screen) == ["a2"]
        await pilot.press("escape")
        await until(pilot, lambda: len(ids(screen)) == 3)


@pytest.mark.asyncio
async def test_sort_and_reverse() -> None:
    """`s` goes through the orders, `r` turns one round; the cursor stays at the top, and else with its instance."""
    async with top(track("a"), failed("b"), track("c", Phase.SUCCEEDED)) as (_desk, screen, pilot, _):
        await pilot.press("s")
        await until(pilot, lambda: ids(screen) == ["b", "a", "c"])
        assert screen._under_cursor == "warehouse/analytics/b"
        await pilot.press("down", "r")
        await until(pilot, lambda: ids(screen) == ["c", "a", "b"])
        assert screen._under_cursor == "warehouse/analytics/a"
        assert "by phase, reversed" in text(screen, "#head")


@pytest.mark.asyncio
async def test_it_is_always_current() -> None:
    """What happens is shown without a key being pressed, and one that is forgotten goes."""
    async with top(track("a"), track("b")) as (desk, screen, pilot, _):
        desk.happen(moved(track("a"), failed("a")), tracks=[failed("a")])
        await until(pilot, lambda: "1 failed" in text(screen, "#head"))
        assert str(screen._table.get_cell("warehouse/analytics/a", "WHY")) == "ODPS-0130131: Table not found"


@pytest.mark.asyncio
async def test_stop_asks_first() -> None:
    """`n` does nothing; `y` asks the service; what is over already is not asked about."""
    async with top(track("a"), failed("b")) as (desk, screen, pilot, _):
        desk.service.known = {"a": Phase.RUNNING}
        await until(pilot, lambda: screen._under_cursor == "warehouse/analytics/b")
        await pilot.press("x")
        await until(pilot, lambda: len(screen._notifications) == 1)
        await pilot.press("down", "x")
        await until(pilot, lambda: isinstance(screen.screen, Confirm))
        await pilot.press("n")
        await until(pilot, lambda: not isinstance(screen.screen, Confirm))
        assert not desk.service.asked["stop"]
        await pilot.press("x")
        await until(pilot, lambda: isinstance(screen.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: desk.service.known == {"a": Phase.CANCELLED})


@pytest.mark.asyncio
async def test_a_stop_that_is_refused() -> None:
    """Says why, and the screen goes on."""
    async with top(track("a")) as (desk, screen, pilot, _):
        desk.service.known = {"a": Phase.SUCCEEDED}
        await pilot.press("x")
        await until(pilot, lambda: isinstance(screen.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: len(screen._notifications) == 1)
        assert "already ended" in next(iter(screen._notifications)).message


@pytest.mark.asyncio
async def test_hostile_names() -> None:
    """Are shown as text: no markup, no control characters."""
    async with top(*(track(f"i{at}", name=name) for at, name in enumerate(HOSTILE))) as (_desk, screen, _pilot, _):
        shown = [str(screen._table.get_cell(row.value or "", "NAME")) for row in screen._table.rows]
    assert any("<script>" in name for name in shown)
    assert all(name.isprintable() for name in shown)


@pytest.mark.asyncio
async def test_what_is_old_says_so() -> None:
    """While the daemon is away, and when it is away for too long the screen ends with the reason."""
    async with top(track("a"), patience=0) as (_desk, screen, pilot, running):
        await running.aclose()
        await until(pilot, lambda: screen.fault is not None or "reconnecting" in text(screen, "#doubts"))
        await until(pilot, lambda: screen.fault is not None)
    assert isinstance(screen.fault, ClientError)


@pytest.mark.asyncio
@pytest.mark.parametrize(("key", "following"), [("enter", False), ("f", True)])
async def test_open_and_follow(key: str, following: bool) -> None:
    """Both show an instance's page, which knows which; what is about the list does nothing there."""
    async with top(staged("a", 3)) as (_desk, screen, pilot, _):
        await pilot.press(key)
        await until(pilot, lambda: isinstance(screen.screen, Page))
        assert isinstance(screen.screen, Page)
        assert screen.screen.following is following
        await pilot.press("s", "slash")
        assert screen._order == 0
        await pilot.press("q")
        await until(pilot, lambda: not isinstance(screen.screen, Page))
