"""The end of the daemon, as an operator sees it: in order, soon, and nothing is forgotten."""

import asyncio
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import aiohttp
import pytest

from monitor.app import LAST_DELIVERIES
from monitor.core.alerting import Alert
from monitor.core.model import InstanceKey
from monitor.storage.base import Batch
from monitor.storage.section import SqliteSection
from monitor.storage.sqlite import open_sqlite
from tests.e2e.eventually import eventually
from tests.e2e.moody import Mood, receiving_moodily
from tests.e2e.processes import Running, config, running
from tests.e2e.receiver import receiving
from tests.e2e.workload import phases, submit

ALERTS = 1000
PATIENCE = 10.0  # seconds that an operator, or the service manager, waits
FAST = "  delivery: {timeout: 30s, first_retry: 100ms, longest_retry: 1s}\n"


async def stop(daemon: Running, *signals: signal.Signals) -> tuple[int, float]:
    """Send the signals, each when the one before has been understood; exit code and seconds until the end."""
    began = monotonic()
    for number, name in enumerate(signals):
        if number:
            await asyncio.to_thread(daemon.wait_for, "event=stopping")
            began = monotonic()
        daemon.process.send_signal(name)
    code = await asyncio.to_thread(daemon.process.wait, 2 * PATIENCE)
    return code, monotonic() - began


@pytest.mark.asyncio
@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
async def test_one_signal_ends_it_in_order(tmp_path: Path, name: signal.Signals) -> None:
    """What the daemon showed last is what it knows after the stop, though progress is written only now and then."""
    file = tmp_path / "stagewatch.yaml"

    async def progress(http: aiohttp.ClientSession, daemon: Running) -> Sequence[float]:
        async with http.get(f"{daemon.url}/api/v1/instances") as answer:
            return [one["progress"] or 0.0 for one in (await answer.json())["instances"]]

    async with aiohttp.ClientSession() as http:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=tmp_path / "stagewatch.db", hook="http://127.0.0.1:9/"))
            await submit(http, emulator.url, 20, seconds=20)
            with running(["serve", "--config", str(file)]) as daemon:
                before = await eventually(
                    lambda: progress(http, daemon), lambda found: len(found) == 20 and min(found) > 0.1
                )
                code, seconds = await stop(daemon, name)
                assert (code, seconds < PATIENCE) == (0, True), daemon.output
                assert "event=stopped" in daemon.output
                assert "Traceback" not in daemon.output
        with running(["serve", "--config", str(file)]) as daemon:  # there is no service to ask any more
            after = await progress(http, daemon)
    assert all(then >= shown for then, shown in zip(after, before, strict=True))


@pytest.mark.asyncio
async def test_everything_hangs(tmp_path: Path) -> None:
    """A thousand alerts wait for a receiver that never answers, every request to the service hangs, and clients of the
    feed are connected: the end comes in time all the same, and the next start goes on where this one was."""
    file, store = tmp_path / "stagewatch.yaml", tmp_path / "stagewatch.db"
    async with (
        receiving_moodily(lambda: Mood.HANGS) as receiver,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as http,
    ):
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=store, hook=receiver.url) + FAST)
            await leave_alerts(store)
            with running(["serve", "--config", str(file)]) as daemon:
                await receiver.until(1)
                (listed,) = await submit(http, emulator.url, 1, seconds=600)
                await eventually(lambda: phases(http, daemon.url), lambda found: listed in found)
                async with http.post(f"{emulator.url}/-/emulator/faults", json={"fault": "latency", "delay": 60}) as ok:
                    assert ok.status == 200
                async with (
                    asyncio.TaskGroup() as tasks,
                    http.ws_connect(f"{daemon.url}/api/v1/feed") as reading,
                    http.ws_connect(f"{daemon.url}/api/v1/feed"),  # never reads, and so never says goodbye
                ):
                    tasks.create_task(ask_in_vain(http, daemon, listed))
                    await reading.receive_json()
                    ended = tasks.create_task(stop(daemon, signal.SIGTERM))
                    goodbye = await reading.receive(timeout=PATIENCE)
                    assert (goodbye.type, goodbye.data) == (aiohttp.WSMsgType.CLOSE, 1001)
                code, seconds = ended.result()
                assert (code, seconds < PATIENCE) == (0, True), (seconds, daemon.output)
                print(f"stopped in {seconds:.1f} s with everything hanging")
                assert "Traceback" not in daemon.output
            with closing(sqlite3.connect(store)) as db:
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert db.execute("SELECT state, count(*) FROM delivery GROUP BY state").fetchall() == [
                    ("pending", ALERTS)
                ]
            receiver.arrivals.clear()
            receiver.mood = lambda: Mood.TAKES
            with running(["serve", "--config", str(file)]) as daemon:
                await receiver.until(20)
            assert [arrival.key for arrival in receiver.arrivals[:20]] == [alert_id(number) for number in range(20)]


def alert_id(number: int) -> str:
    return f"{number:016x}"


async def leave_alerts(store: Path) -> None:
    """What a daemon leaves behind whose receiver was away."""
    now = datetime.now(UTC)  # noqa: TID251 - the daemon gives up what is older than a day
    names = ("alertname", "severity", "source", "project", "instance", "task", "owner", "code")
    words = ("summary", "message", "progress", "duration", "logview")

    def alert(number: int) -> Alert:
        return Alert(
            id=alert_id(number),
            rule="InstanceFailed",
            severity="critical",
            key=InstanceKey("warehouse", "demo", f"i{number}"),
            attempt=1,
            at=now,
            started_at=now,
            labels=dict.fromkeys(names, "x"),
            annotations=dict.fromkeys(words, "x"),
            channels=("team",),
        )

    async with open_sqlite(SqliteSection(path=store)) as storage:
        await storage.commit(Batch(alerts=tuple(map(alert, range(ALERTS)))))


async def ask_in_vain(http: aiohttp.ClientSession, daemon: Running, instance: str) -> None:
    """A person asks what only the service can tell, and the service does not answer."""
    try:
        async with http.get(f"{daemon.url}/api/v1/instances/{instance}/results") as answer:
            assert answer.status >= 500
    except aiohttp.ClientError:
        pass  # the daemon has left


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_second_signal_ends_it_at_once(tmp_path: Path, name: signal.Signals, code: int) -> None:
    """Somebody who cannot wait for the last alerts need not."""
    file, store = tmp_path / "stagewatch.yaml", tmp_path / "stagewatch.db"
    async with receiving_moodily(lambda: Mood.HANGS) as receiver, aiohttp.ClientSession() as http:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=store, hook=receiver.url) + FAST)
            await submit(http, emulator.url, 1, seconds=0.5, outcome="failed")
            with running(["serve", "--config", str(file)]) as daemon:
                await receiver.until(1)
                ended, seconds = await stop(daemon, name, name)
                assert (ended, seconds < LAST_DELIVERIES) == (code, True), (seconds, daemon.output)
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT state FROM delivery").fetchall() == [("pending",)]


@pytest.mark.asyncio
async def test_the_last_alerts_are_taken_along(tmp_path: Path) -> None:
    """An alert that fired just before the stop is still delivered before the end."""
    file, store = tmp_path / "stagewatch.yaml", tmp_path / "stagewatch.db"
    async with receiving() as receiver, aiohttp.ClientSession() as http:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=store, hook=receiver.url))
            failing = await submit(http, emulator.url, 200, seconds=0.5, outcome="failed")
            with running(["serve", "--config", str(file)]) as daemon:
                await asyncio.to_thread(daemon.wait_for, "event=alert_fired")
                code, seconds = await stop(daemon, signal.SIGTERM)
                assert (code, seconds < PATIENCE) == (0, True), daemon.output
    with closing(sqlite3.connect(store)) as db:
        kept = db.execute("SELECT state, count(*) FROM delivery GROUP BY state").fetchall()
    assert kept == [("delivered", len(receiver.requests))]
    assert 0 < len(receiver.requests) <= len(failing)
