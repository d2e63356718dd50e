"""`stagewatch top` in a real terminal, and where it cannot be."""

import asyncio
import subprocess
import sys

import pytest
from rich.cells import cell_len

from monitor.core.model import Phase
from tests.cli.command import one_line
from tests.cli.terminal import terminal
from tests.cli.test_asking import asked
from tests.web.desk import failed, moved, open_desk, staged, track

WITHOUT = """
import sys
sys.modules["textual"] = None
from monitor.cli import main
main()
"""


@pytest.mark.asyncio
@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
async def test_a_person_at_work(width: int, height: int) -> None:
    """Look, narrow, follow one, stop it, leave; every screen keeps its size, with Chinese names."""
    tracks = [staged(f"i{at:03}", 3, name="每日报表" * 9) for at in range(100)]
    async with open_desk(*tracks) as desk, terminal("top", url=desk.url, width=width, height=height) as shown:
        desk.service.known = {"i042": Phase.RUNNING}
        lines = await shown.until(lambda text: "100 running" in text and "follow" in text)
        assert len(lines) == height
        assert max(map(cell_len, lines)) <= width
        await shown.press("/", "0", "4", "2")
        await shown.until(lambda text: "i042" in text and "i099" not in text)
        await shown.press("Enter")
        await shown.until(lambda text: "follow" in text)
        await shown.press("f")
        await shown.until(lambda text: "3/10, 1 running" in text)
        desk.happen(moved(tracks[42], staged("i042", 7)), tracks=[staged("i042", 7)])
        await shown.until(lambda text: "7/10, 1 running" in text)
        await shown.press("x")
        await shown.until(lambda text: "Stop warehouse/analytics/i042?" in text)
        await shown.press("y")
        await shown.until(lambda text: "asked" in text)
        assert desk.service.known == {"i042": Phase.CANCELLED}
        await shown.resize(100, 30)
        await shown.press("q", "q")
        assert (await shown.until(lambda text: "exit=" in text))[-1] == "exit=0"


@pytest.mark.asyncio
async def test_what_happens_is_seen() -> None:
    """A failure shows by itself."""
    async with open_desk(track("i1")) as desk, terminal("top", url=desk.url, width=200, height=50) as shown:
        await shown.until(lambda text: "1 running" in text)
        desk.happen(moved(track("i1"), failed("i1")), tracks=[failed("i1")])
        await shown.until(lambda text: "1 failed" in text and "Table not found" in text)


@pytest.mark.asyncio
async def test_nobody_there() -> None:
    """The screen is not even taken: one line, and 2."""
    async with terminal("top", url="http://127.0.0.1:9") as shown:
        lines = await shown.until(lambda text: "exit=" in text)
    assert lines[-1] == "exit=2"
    assert "cannot reach a daemon" in "".join(lines)


@pytest.mark.asyncio
async def test_no_terminal() -> None:
    """Says what to use instead."""
    done = await asked("top")
    assert done.returncode == 2
    assert "ls --watch" in one_line(done)


@pytest.mark.asyncio
async def test_the_extra_is_missing() -> None:
    """Says how to get it."""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", WITHOUT, "top"], capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "pip install 'stagewatch[tui]'" in one_line(done)
