"""Nothing is lost: the daemon is killed again and again, in the middle of everything."""

import asyncio
import sqlite3
import subprocess
from collections import Counter, defaultdict
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from time import monotonic

import aiohttp
import pytest

from tests.e2e.eventually import eventually
from tests.e2e.moody import Mood, MoodyReceiver, by_chance, receiving_moodily
from tests.e2e.processes import STAGEWATCH, Running, config, running
from tests.e2e.size import seed, sized
from tests.e2e.workload import TERMINAL, pending, phases, submit

DELIVERY = "  delivery: {timeout: 1s, first_retry: 100ms, longest_retry: 1s}\n"
PASSING = {"progress"}  # the only kind of event that is told without being kept


@dataclass(frozen=True)
class Size:
    """`instances` run from the start for up to `span` seconds; a `wave` of short ones comes before every kill."""

    kills: int
    instances: int
    failing: int
    span: float
    wave: int
    longest_life: float  # of the daemon, in seconds from its start; it needs about one to answer


SMALL = Size(kills=4, instances=150, failing=20, span=10.0, wave=5, longest_life=2.5)
LARGE = Size(kills=50, instances=2000, failing=200, span=150.0, wave=20, longest_life=5.0)


@dataclass
class Told:
    """What the feed said: numbers of snapshots and events by epoch, and the highest one that must have been kept."""

    numbers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    kept: int = 0
    fallen_back: list[str] = field(default_factory=list)

    def hello(self, epoch: str, seq: int) -> None:
        """A connection begins: its replay may begin earlier, but the daemon is not behind what it told before."""
        before = max(self.kept, *self.numbers[epoch][-1:], 0)
        if seq < before:
            self.fallen_back.append(f"epoch {epoch} stands at {seq}, but {before} had been told before")


@pytest.mark.asyncio
@pytest.mark.timeout(sized(120, 3600))
async def test_killed_at_random_moments(tmp_path: Path) -> None:
    """After the last restart every failure was delivered at least once, each always under the same key, no success was
    alerted, no instance is stuck, the file is whole, and the feed's numbers never fell within an epoch."""
    size = sized(SMALL, LARGE)
    chance = Random(seed())
    store, file = tmp_path / "stagewatch.db", tmp_path / "stagewatch.yaml"
    told = Told()
    began = monotonic()
    async with receiving_moodily(by_chance(chance)) as receiver, aiohttp.ClientSession() as http:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=store, hook=receiver.url) + DELIVERY)
            expected = await submit_all(http, emulator.url, size, chance)
            for _ in range(size.kills):
                await submit_some(http, emulator.url, size.wave, chance, expected)
                await live_and_die(http, file, receiver, told, size.longest_life, chance)
            with running(["serve", "--config", str(file)]) as daemon:
                shown = await eventually(
                    lambda: phases(http, daemon.url),
                    lambda found: found.keys() == expected.keys() and set(found.values()) <= TERMINAL,
                    within=size.span + 60,
                )
                await eventually(lambda: pending(http, daemon.url), lambda left: left == 0, within=size.span + 60)
                async with asyncio.timeout(30), http.ws_connect(f"{daemon.url}/api/v1/feed") as feed:
                    hello = await feed.receive_json()
                    told.hello(hello["epoch"], hello["seq"])
                assert daemon.end() == 0

    assert shown == expected
    failed = {instance for instance, phase in expected.items() if phase == "failed"}
    check_deliveries(receiver, failed)
    check_store(store, expected)
    assert told.fallen_back == []
    assert all(before <= after for numbers in told.numbers.values() for before, after in pairwise(numbers))
    assert len(told.numbers) > size.kills // 4, "hardly any life was long enough to be watched"
    moods = Counter(arrival.mood.value for arrival in receiver.arrivals)
    print(
        f"{len(expected)} instances, {len(failed)} failed, {size.kills} kills, {len(told.numbers)} epochs seen, "
        f"{sum(map(len, told.numbers.values()))} feed messages, {len(receiver.arrivals)} requests for "
        f"{len(failed)} alerts ({dict(moods)}), {monotonic() - began:.0f} s"
    )


async def submit_all(http: aiohttp.ClientSession, emulator: str, size: Size, chance: Random) -> dict[str, str]:
    """Those that run from the start, ending all over the span; the true end of each by id."""
    expected: dict[str, str] = {}
    groups = 10
    for outcome, count in (("success", size.instances - size.failing), ("failed", size.failing)):
        for group in range(groups):
            share = count // groups + (group < count % groups)
            seconds = chance.uniform(0.1, 1.0) * size.span / (0.6 if outcome == "failed" else 1.05)
            ids = await submit(http, emulator, share, outcome=outcome, seconds=seconds)
            expected |= dict.fromkeys(ids, "failed" if outcome == "failed" else "succeeded")
    return expected


async def submit_some(
    http: aiohttp.ClientSession, emulator: str, count: int, chance: Random, expected: dict[str, str]
) -> None:
    """Short ones, of which one fails: the daemon may see them live, or not at all."""
    seconds = chance.uniform(0.1, 4.0)
    expected |= dict.fromkeys(await submit(http, emulator, count - 1, seconds=seconds), "succeeded")
    expected |= dict.fromkeys(await submit(http, emulator, 1, seconds=seconds, outcome="failed"), "failed")


def begin(file: Path) -> Running:
    """A daemon that need not live long enough to answer."""
    command = [STAGEWATCH, "serve", "--config", file]
    return Running(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))


async def live_and_die(  # noqa: PLR0917 - everything that outlives a life
    http: aiohttp.ClientSession, file: Path, receiver: MoodyReceiver, told: Told, longest: float, chance: Random
) -> None:
    """One run of the daemon, killed at a moment that nobody chose: whenever, or just when an alert arrives."""
    daemon = begin(file)
    arrivals = len(receiver.arrivals)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch(http, daemon, told))
            if chance.random() < 0.4:
                with suppress(TimeoutError):
                    await receiver.until(arrivals + chance.randint(1, 5), within=longest)
            else:
                await asyncio.sleep(chance.uniform(0.0, longest))  # the moment is the test
            daemon.process.kill()
    finally:
        daemon.process.kill()
        assert daemon.end() == -9, daemon.output
    assert "Traceback" not in daemon.output


async def watch(http: aiohttp.ClientSession, daemon: Running, told: Told) -> None:
    """Follow the feed from the moment that the daemon answers until it is gone, coming back now and then."""
    try:
        url = (await asyncio.to_thread(daemon.wait_for, r"http://[\d.]+:\d+"))[0]
    except AssertionError:
        return  # killed before it answered
    after: dict[str, object] | None = None
    with suppress(aiohttp.ClientError, TypeError):  # receive_json says TypeError when the connection ended
        while True:
            async with http.ws_connect(f"{url}/api/v1/feed", max_msg_size=0) as feed:
                hello = await feed.receive_json()
                told.hello(hello["epoch"], hello["seq"])
                subscribe = {"type": "subscribe", "id": "all", "filter": {}} | ({"after": after} if after else {})
                await feed.send_json(subscribe)
                for _ in range(100):
                    message = await feed.receive_json()
                    told.numbers[hello["epoch"]].append(message["seq"])
                    if message["type"] == "event" and message["event"]["kind"] not in PASSING:
                        told.kept = max(told.kept, message["seq"])
                    after = {"epoch": hello["epoch"], "seq": message["seq"]}


def check_deliveries(receiver: MoodyReceiver, failed: set[str]) -> None:
    assert {arrival.alert["labels"]["alertname"] for arrival in receiver.arrivals} == {"InstanceFailed"}
    assert {arrival.instance for arrival in receiver.arrivals if arrival.mood is Mood.TAKES} == failed
    assert {arrival.instance for arrival in receiver.arrivals} == failed
    keys = {(arrival.instance, arrival.key) for arrival in receiver.arrivals}
    assert len(keys) == len({key for _, key in keys}) == len(failed)
    assert all(arrival.alert["fingerprint"] == arrival.key for arrival in receiver.arrivals)


def check_store(store: Path, expected: dict[str, str]) -> None:
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("SELECT count(*) FROM track").fetchone() == (len(expected),)
        failures = Counter(expected.values())["failed"]
        assert db.execute("SELECT state, count(*) FROM delivery GROUP BY state").fetchall() == [("delivered", failures)]
        assert db.execute("SELECT count(*) FROM alert").fetchone() == (failures,)
