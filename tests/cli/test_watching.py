"""`stagewatch watch`: in a real terminal of either size, in a pipe, and across a restart of the daemon."""

import asyncio
import json

import pytest
from rich.cells import cell_len

from monitor.client import Progress
from monitor.core.health import Health
from monitor.core.model import Phase, Stage, Task, Track
from tests.cli.terminal import terminal
from tests.cli.test_asking import asked
from tests.client.test_feed import port, subscribed
from tests.e2e.processes import STAGEWATCH
from tests.web.desk import NOON, failed, moved, open_desk, staged, track


def busy(count: int, name: str = "") -> Track:
    """One with so many stages, of which ten run."""
    stages = tuple(Stage(f"M{at}_Stg1_job0", int(at < 10), 0, 4) for at in range(count))
    return track("i1", name=name, tasks=(Task("AnonymousSQLTask", "SQL", Phase.RUNNING, NOON, None, stages),))


@pytest.mark.asyncio
@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
async def test_many_stages_in_a_terminal(width: int, height: int) -> None:
    """Those that run are shown, the rest is summed up, names keep their columns; then how it ended, and a link."""
    async with (
        open_desk(busy(200, "日报汇总")) as desk,
        terminal("watch", "i1", url=desk.url, width=width, height=height) as shown,
    ):
        lines = await shown.until(lambda text: "more: " in text and text.count("\n") >= height - 2)
        assert lines[0].startswith("warehouse/analytics/i1  running")
        assert lines[0].endswith("日报汇总")
        assert sum("1 running" in line for line in lines) == 10
        assert len([line for line in lines if line]) == height - 1
        assert max(map(cell_len, lines)) <= width
        await subscribed(desk)
        new = failed("i1", message="the table is not there")
        desk.happen(moved(busy(200), new), tracks=[new])
        lines = await shown.until(lambda text: "exit=" in text)
    assert lines[-1] == "exit=1"
    end = "".join(lines)
    assert "failed after 0s: ODPS-0130131: the table is not there" in end
    assert "/api/v1/instances/warehouse/analytics/i1/logview?redirect" in end


@pytest.mark.asyncio
async def test_a_restart_is_shown() -> None:
    """While the daemon is away nothing looks fresh; when it is back everything goes on."""
    at = port()
    async with open_desk(staged("i1", 3), port=at) as desk, terminal("watch", "i1", url=desk.url) as shown:
        await shown.until(lambda text: "3/10" in text)
        await subscribed(desk)
    # the terminal is ended above only where the daemon stays; here a second one looks at the daemon that goes
    async with asyncio.timeout(60):
        desk_gone = open_desk(staged("i1", 3), port=at)
        desk = await desk_gone.__aenter__()
        async with terminal("watch", "i1", url=desk.url) as shown:
            await shown.until(lambda text: "3/10" in text)
            await subscribed(desk)
            await desk_gone.__aexit__(None, None, None)
            lines = await shown.until(lambda text: "reconnecting for" in text)
            assert "shown as of" in lines[0]
            assert "3/10" in "\n".join(lines)
            async with open_desk(staged("i1", 7), port=at, epoch="e2") as again:
                lines = await shown.until(lambda text: "7/10" in text)
                assert "reconnecting" not in "\n".join(lines)
                done = track("i1", Phase.SUCCEEDED, ended_at=NOON)
                await subscribed(again)
                again.happen(moved(staged("i1", 7), done), tracks=[done])
                assert (await shown.until(lambda text: "exit=" in text))[-1] == "exit=0"


@pytest.mark.asyncio
async def test_a_source_that_does_not_answer() -> None:
    """What the daemon cannot ask about is not shown as fresh either."""
    async with open_desk(staged("i1", 3)) as desk:
        health = Health(failing_since=NOON, reason="timeout", detail="no answer from the service", down=True)
        desk.sweep(health=health)
        async with terminal("watch", "i1", url=desk.url) as shown:
            lines = await shown.until(lambda text: "does not answer" in text)
    assert lines[0].startswith("warehouse/analytics does not answer the daemon, shown as last seen: no answer")


@pytest.mark.asyncio
async def test_interrupted() -> None:
    """Ctrl-C ends it with 130 and no word; the cursor is back."""
    async with open_desk(staged("i1", 3)) as desk, terminal("watch", "i1", url=desk.url) as shown:
        await shown.until(lambda text: "3/10" in text)
        await shown.press("C-c")
        lines = await shown.until(lambda text: "exit=" in text)
    assert lines[-1] == "exit=130"
    assert "Traceback" not in "".join(lines)


@pytest.mark.asyncio
async def test_terminated() -> None:
    """SIGTERM ends it in order, as Ctrl-C does, with the shell's code for it."""
    async with open_desk(track("i1")) as desk:
        command = STAGEWATCH, "watch", "i1", "--url", desk.url
        watch = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        await subscribed(desk)
        watch.terminate()
        async with asyncio.timeout(20):
            _, said = await watch.communicate()
    assert (watch.returncode, said) == (143, b"")


@pytest.mark.asyncio
async def test_lines_in_a_pipe() -> None:
    """A line for each change in the service's own form, which `parse` reads; the end in words."""
    async with open_desk(staged("i1", 3, stages_at=NOON)) as desk, asyncio.TaskGroup() as group:
        watch = group.create_task(asked("watch", "i1", "--url", desk.url))
        await subscribed(desk)
        for new in (staged("i1", 5, stages_at=NOON), track("i1", Phase.SUCCEEDED, ended_at=NOON)):
            desk.happen(moved(staged("i1", 3), new), tracks=[new])
        done = await watch
    first, second, end, link = done.stdout.decode().splitlines()
    assert first.split(" ", 2)[2] == "M1_Stg1_job0:1/3/10[30%]\tR2_1_Stg1_job0:0/0/4"
    assert [stage.terminated for stage in Progress.parse(second).stages] == [5, 0]
    assert Progress.parse(first).time == f"{NOON.astimezone():%Y-%m-%d %H:%M:%S}"
    assert end == "warehouse/analytics/i1 succeeded in 0s"
    assert link.strip().startswith(desk.url)
    assert done.returncode == 0


@pytest.mark.asyncio
async def test_several_in_a_pipe() -> None:
    """Then each line says whose it is, as the service's own tools do."""
    tracks = [
        track(f"2016051910134961{at}gzbzufck2", Phase.CANCELLED, tasks=staged("x", at).tasks, ended_at=NOON)
        for at in (1, 2)
    ]
    async with open_desk(*tracks) as desk:
        done = await asked("watch", *(one.key.id for one in tracks), "--url", desk.url)
    lines = done.stdout.decode().splitlines()
    assert [Progress.parse(line).instance for line in lines[:2]] == [one.key.id for one in tracks]
    assert done.returncode == 1


@pytest.mark.asyncio
async def test_as_json() -> None:
    """Each state is an object."""
    async with open_desk(failed("i1")) as desk:
        done = await asked("watch", "i1", "--url", desk.url, "--json")
        unknown = await asked("watch", "nothing", "--url", desk.url)
        late = await asked("watch", "i1", "--url", "http://127.0.0.1:9")
    assert [json.loads(line)["phase"] for line in done.stdout.splitlines()] == ["failed"]
    assert (done.returncode, unknown.returncode, late.returncode) == (1, 2, 2)
