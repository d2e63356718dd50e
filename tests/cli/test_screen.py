"""A part of the terminal that is drawn anew: here without a terminal; with one in test_watching and test_listing."""

import asyncio
import io

import pytest
from rich.console import Console
from rich.text import Text

from monitor.cli.screen import EVERY, Screen, can_draw, now


@pytest.mark.asyncio
async def test_it_draws_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, again and again, within the height; what stays the same is not drawn again; the last state stays."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=20, height=4)
    monkeypatch.setattr("rich.live.get_console", lambda: console)
    asked: list[tuple[int, int]] = []
    drawn = asyncio.Event()

    def draw(width: int, height: int) -> list[Text]:
        asked.append((width, height))
        if len(asked) == 3:
            drawn.set()
        return [Text("same" if len(asked) < 3 else "wide " * 10)]

    async with asyncio.timeout(20 * EVERY):
        with Screen(draw):
            await drawn.wait()
    assert set(asked) == {(20, 3)}
    assert out.getvalue().count("same") == 1
    assert "wide wide wide wide…" in out.getvalue()


def test_a_pipe_is_no_terminal() -> None:
    """What pytest captures is drawn on by nobody."""
    assert not can_draw()


def test_time_is_aware() -> None:
    """Screens compare it with the daemon's."""
    assert now().tzinfo is not None
