"""`stagewatch wait`: exit codes, what it prints, and that it goes on when the daemon does not."""

import asyncio
import json
import subprocess
from pathlib import Path

import aiohttp
import pytest

from monitor.client import Stagewatch
from monitor.core.model import Phase
from tests.cli.command import one_line
from tests.cli.test_asking import asked
from tests.client.test_feed import port, subscribed
from tests.e2e.eventually import eventually
from tests.e2e.processes import config, running
from tests.web.desk import NOON, failed, moved, open_desk, track


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("phase", "code", "said"),
    [
        (Phase.SUCCEEDED, 0, "succeeded in 0s"),
        (Phase.CANCELLED, 1, "was cancelled after 0s"),
        (Phase.LOST, 1, "is lost: the service forgot it and never said how it ended"),
    ],
)
async def test_how_it_ended(phase: Phase, code: int, said: str) -> None:
    """Only success is 0."""
    async with open_desk(track("i1", phase, ended_at=NOON)) as desk:
        done = await asked("wait", "i1", "--url", desk.url)
    assert done.returncode == code
    assert done.stdout.decode() == f"warehouse/analytics/i1 {said}\n"
    assert done.stderr == b""


@pytest.mark.asyncio
async def test_one_of_many_failed() -> None:
    """Then all has failed: one line each, with the service's text, or one object each."""
    async with open_desk(failed("i1", message="no\ntable"), track("i2", Phase.SUCCEEDED)) as desk:
        done = await asked("wait", "i2", "i1", "--url", desk.url)
        as_json = await asked("wait", "i2", "i1", "--url", desk.url, "--json")
    assert done.returncode == as_json.returncode == 1
    assert done.stdout.decode().splitlines() == [
        "warehouse/analytics/i2 succeeded",
        r"warehouse/analytics/i1 failed after 0s: ODPS-0130131: no\ntable",
    ]
    second = json.loads(as_json.stdout.splitlines()[1])
    assert (second["phase"], second["succeeded"], second["failure"]["message"]) == ("failed", False, "no\ntable")


@pytest.mark.asyncio
async def test_the_deadline() -> None:
    """Is 124, and names what is not over; what is over counts even without any time."""
    async with open_desk(track("i1"), track("i2", Phase.SUCCEEDED)) as desk:
        late = await asked("wait", "i1", "i2", "--url", desk.url, "--timeout", "0.2")
        wrong = await asked("wait", "i1", "--url", desk.url, "--timeout", "-1")
        over = await asked("wait", "i2", "--url", desk.url, "--timeout", "0")
    assert over.returncode == 0
    assert late.returncode == 124
    assert one_line(late) == "stagewatch: not over after 0.2 s: warehouse/analytics/i1"
    assert late.stdout.startswith(b"warehouse/analytics/i2 succeeded")
    assert wrong.returncode == 2


@pytest.mark.asyncio
async def test_a_daemon_that_gives_no_answer() -> None:
    """Does not hold anybody longer than the deadline, from the first question on."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as silent:
        url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        done = await asked("wait", "i1", "--url", url, "--timeout", "0.1")
    assert done.returncode == 124
    assert one_line(done) == f"stagewatch: the daemon at {url} has not answered within 3 s"


@pytest.mark.asyncio
async def test_what_no_sweep_has_seen() -> None:
    """A whole key is enough to wait for what has just been submitted."""
    async with open_desk() as desk:
        desk.service.known = {"i1": Phase.SUCCEEDED}
        done = await asked("wait", "warehouse/analytics/i1", "--url", desk.url)
    assert done.returncode == 0


@pytest.mark.asyncio
async def test_it_survives_a_restart() -> None:
    """What ended while the daemon was away is told when it is back, and stderr says what went on."""
    at = port()
    async with asyncio.TaskGroup() as group:
        async with open_desk(track("i1"), port=at) as desk:
            wait = group.create_task(asked("wait", "i1", "--url", desk.url))
            await subscribed(desk)
        async with open_desk(failed("i1"), port=at, epoch="e2"):
            done = await wait
    assert done.returncode == 1
    assert "failed" in done.stdout.decode()
    away, back = done.stderr.decode().splitlines()
    assert away.startswith("stagewatch: reconnecting: ")
    assert back == "stagewatch: connected again"


@pytest.mark.asyncio
async def test_a_daemon_that_does_not_come_back() -> None:
    """Is an error once patience ends: 2."""

    async def wait(url: str) -> "subprocess.CompletedProcess[bytes]":
        return await asked("wait", "i1", "--url", url, "--patience", "0")

    async with asyncio.TaskGroup() as group, open_desk(track("i1")) as desk:
        waiting = group.create_task(wait(desk.url))
        await subscribed(desk)
    done = waiting.result()
    assert done.returncode == 2
    assert "has been away for" in done.stderr.decode().splitlines()[-1]


@pytest.mark.asyncio
async def test_it_ends_while_somebody_waits() -> None:
    """The command ends with the instance."""
    async with open_desk(track("i1")) as desk, asyncio.TaskGroup() as group:
        wait = group.create_task(asked("wait", "i1", "--url", desk.url, "--timeout", "20"))
        await subscribed(desk)
        new = track("i1", Phase.SUCCEEDED)
        desk.happen(moved(track("i1"), new), tracks=[new])
        assert (await wait).returncode == 0


@pytest.mark.asyncio
async def test_no_key() -> None:
    """Is a usage error."""
    assert (await asked("wait")).returncode == 2


@pytest.mark.asyncio
async def test_a_daemon_that_is_killed(tmp_path: Path) -> None:
    """The real one, with `kill -9`: what failed meanwhile is told once another one runs on the same store."""
    with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
        file = tmp_path / "stagewatch.yaml"
        text = config(emulator.url, store=tmp_path / "s.db", hook="http://127.0.0.1:9/", listen=f"127.0.0.1:{port()}")
        file.write_text(text)
        recipe = {"scenario": "join", "outcome": "failed", "seconds": 8, "wait": 0, "count": 1}
        async with asyncio.TaskGroup() as group:
            with running(["serve", "--config", str(file)]) as first:
                async with aiohttp.ClientSession() as session, Stagewatch(first.url) as daemon:
                    async with session.post(f"{emulator.url}/-/emulator/instances", json=recipe) as made:
                        (name,) = (await made.json())["ids"]
                    await daemon.register(f"warehouse/demo/{name}")
                    wait = group.create_task(asked("wait", name, "--url", first.url))

                    async def clients() -> bool:
                        async with session.get(f"{first.url}/metrics") as page:
                            return "stagewatch_feed_clients 1" in await page.text()

                    await eventually(clients, bool)
                first.process.kill()
            with running(["serve", "--config", str(file)]):
                done = await wait
    assert done.returncode == 1
    assert b"failed after" in done.stdout
    assert b"reconnecting" in done.stderr
    assert done.stderr.splitlines()[-1] == b"stagewatch: connected again"
