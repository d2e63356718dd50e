"""`stagewatch ls`: sorted, and as it changes."""

import asyncio
import json
import os
import signal
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from monitor.core.model import Phase
from tests.cli.terminal import terminal
from tests.cli.test_asking import asked
from tests.client.test_feed import port
from tests.e2e.processes import STAGEWATCH
from tests.web.desk import NOON, failed, moved, open_desk, track


@pytest.mark.asyncio
async def test_sorted() -> None:
    """By what was asked, as lines or objects; an unknown order is a usage error that names those that are known."""
    tracks = [track(name, progress=share) for name, share in (("a", 0.2), ("b", 0.9), ("c", None))]
    async with open_desk(*tracks) as desk:
        lines = (await asked("ls", "--url", desk.url, "--sort", "progress")).stdout.decode().splitlines()
        objects = (await asked("ls", "--url", desk.url, "--sort", "key", "--json")).stdout.splitlines()
        wrong = await asked("ls", "--url", desk.url, "--sort", "size")
    assert [line.split()[2][-1] for line in lines] == ["b", "a", "c"]
    assert [json.loads(line)["id"] for line in objects] == ["a", "b", "c"]
    assert wrong.returncode == 2
    assert b"duration" in wrong.stderr


@pytest.mark.asyncio
@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
async def test_watched_in_a_terminal(width: int, height: int) -> None:
    """The list stays within the screen, counts what does not fit, and changes by itself."""
    tracks = [track(f"i{at:03}", name="每日报表" * 30, created_at=NOON + timedelta(minutes=at)) for at in range(100)]
    async with open_desk(*tracks) as desk, terminal("ls", "--watch", url=desk.url, width=width, height=height) as shown:
        lines = await shown.until(lambda text: "more" in text and text.count("\n") >= height - 2)
        assert lines[0] == "100 instances: 100 running"
        assert lines[1].split()[2] == "warehouse/analytics/i099"
        assert lines[height - 2] == f"and {100 - (height - 3)} more"
        desk.happen(moved(tracks[99], failed("i099")), tracks=[failed("i099")])
        await shown.until(lambda text: "1 failed" in text)
        await shown.press("C-c")
        assert "exit=130" in await shown.until(lambda text: "exit=" in text)


@pytest.mark.asyncio
async def test_it_says_what_is_old() -> None:
    """While the daemon is away the list says so, and since when."""
    at = port()
    async with AsyncExitStack() as first:
        desk = await first.enter_async_context(open_desk(track("i1"), port=at))
        async with terminal("ls", "--watch", url=desk.url) as shown:
            await shown.until(lambda text: "warehouse/analytics/i1" in text)
            await first.aclose()
            lines = await shown.until(lambda text: "reconnecting for" in text)
    assert "warehouse/analytics/i1" in "\n".join(lines)


@pytest.mark.asyncio
async def test_watched_in_a_pipe() -> None:
    """A line for each change of what it says, at once, of those that match, until it is interrupted."""
    async with open_desk(track("a"), track("b", Phase.SUCCEEDED)) as desk:
        watch = await asyncio.create_subprocess_exec(
            *(STAGEWATCH, "ls", "--watch", "--phase", "running,failed", "--url", desk.url),
            stdout=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
        assert watch.stdout is not None
        async with asyncio.timeout(20):
            first = await watch.stdout.readline()
            desk.happen(moved(track("a"), track("a", stages_at=NOON)), tracks=[track("a", stages_at=NOON)])
            desk.happen(moved(track("a"), failed("a")), tracks=[failed("a")])
            second = await watch.stdout.readline()
            watch.send_signal(signal.SIGINT)
            code = await watch.wait()
    assert first.split()[0] == b"running"
    assert second.split()[0] == b"failed"
    assert code == 130
