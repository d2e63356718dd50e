"""Nothing is lost: the daemon, watching both services, is killed again and again, in the middle of everything."""

import asyncio
import sqlite3
import subprocess
from collections import Counter, defaultdict
from contextlib import closing, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import aiohttp
import pytest

from tests.e2e.eventually import eventually
from tests.e2e.moody import Mood, MoodyReceiver, by_chance, receiving_moodily
from tests.e2e.processes import BATCHCOMPUTE, MAXCOMPUTE, STAGEWATCH, Running, config, running
from tests.e2e.sdk import Sdk
from tests.e2e.size import seed, sized
from tests.e2e.workload import TERMINAL, instances, pending, submit

PATIENCE = 10.0  # seconds; an alert comes sooner, if any is to come
DELIVERY = "  delivery: {timeout: 1s, first_retry: 100ms, longest_retry: 1s}\n"
KINDS = (MAXCOMPUTE, BATCHCOMPUTE)
MORE: dict[str, dict[str, Any]] = {MAXCOMPUTE: {}, BATCHCOMPUTE: {"tasks": 3, "again": "failed"}}  # of their recipes
PASSING = {"progress"}  # the only kind of event that is told without being kept


@dataclass(frozen=True)
class Size:
    """At each service `instances` run from the start for up to `span` seconds; a `wave` of short ones comes before
    every kill."""

    kills: int
    instances: int
    failing: int
    span: float
    wave: int
    longest_life: float  # of the daemon, in seconds


SMALL = Size(kills=4, instances=80, failing=12, span=10.0, wave=4, longest_life=1.5)
LARGE = Size(kills=50, instances=1500, failing=150, span=150.0, wave=12, longest_life=5.0)


class Death(StrEnum):
    """When the daemon is killed: at any moment, perhaps before it answers; at any moment after that; or just when an
    alert arrives."""

    EARLY = "early"
    LATER = "later"
    AT_AN_ALERT = "at_an_alert"


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
    """After the last restart every failure was delivered at least once, each always under the same key, also the second
    one of a job that was started again; no success was alerted, no instance is stuck, the file is whole, and the feed's
    numbers never fell within an epoch."""
    size = sized(SMALL, LARGE)
    chance = Random(seed())
    store, file = tmp_path / "stagewatch.db", tmp_path / "stagewatch.yaml"
    told = Told()
    began = monotonic()
    async with receiving_moodily(by_chance(chance)) as receiver, aiohttp.ClientSession() as http:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=store, hook=receiver.url, kinds=KINDS) + DELIVERY)
            expected = await submit_all(http, emulator.url, size, chance)
            failures = count_failures(expected)
            for death in deaths(size.kills, chance):
                wave = await submit_some(http, emulator.url, size.wave, chance)
                expected |= wave
                failures += count_failures(wave)
                await live_and_die(http, file, receiver, told, death, chance.uniform(0.0, size.longest_life))
                start_again(emulator.url, receiver, chance, failures)
            with running(["serve", "--config", str(file)]) as daemon:
                shown = await eventually(
                    lambda: instances(http, daemon.url),
                    lambda found: (
                        found.keys() == expected.keys() and all(is_over(it, failures) for it in found.values())
                    ),
                    within=2 * size.span + 60,
                )
                await eventually(lambda: pending(http, daemon.url), lambda left: left == 0, within=size.span + 60)
                async with asyncio.timeout(30), http.ws_connect(f"{daemon.url}/api/v1/feed") as feed:
                    hello = await feed.receive_json()
                    told.hello(hello["epoch"], hello["seq"])
                assert daemon.end() == 0

    assert {id_: it["phase"] for id_, it in shown.items()} == expected
    check_deliveries(receiver, failures)
    check_store(store, len(expected), failures.total())
    assert told.fallen_back == []
    assert all(before <= after for numbers in told.numbers.values() for before, after in pairwise(numbers))
    assert len(told.numbers) > size.kills // 4, "hardly any life was long enough to be watched"
    moods = Counter(arrival.mood.value for arrival in receiver.arrivals)
    print(
        f"{len(expected)} instances, {len(failures)} failed, {failures.total() - len(failures)} of them twice, "
        f"{size.kills} kills, {len(told.numbers)} epochs seen, "
        f"{sum(map(len, told.numbers.values()))} feed messages, {len(receiver.arrivals)} requests for "
        f"{failures.total()} alerts ({dict(moods)}), {monotonic() - began:.0f} s"
    )


def count_failures(expected: dict[str, str]) -> Counter[str]:
    """One of each that is to fail."""
    return Counter(instance for instance, phase in expected.items() if phase == "failed")


def is_over(shown: dict[str, Any], failures: Counter[str]) -> bool:
    """Whether it has ended, and not only a run that was not its last."""
    return shown["phase"] in TERMINAL and shown["attempt"] == max(1, failures[shown["id"]])


async def submit_all(http: aiohttp.ClientSession, emulator: str, size: Size, chance: Random) -> dict[str, str]:
    """Those that run from the start, ending all over the span; the true end of each by id."""
    expected: dict[str, str] = {}
    groups = 10
    for kind, outcome in product(KINDS, ("success", "failed")):
        count = size.failing if outcome == "failed" else size.instances - size.failing
        for group in range(groups):
            share = count // groups + (group < count % groups)
            seconds = chance.uniform(0.1, 1.0) * size.span / (0.6 if outcome == "failed" else 1.05)
            ids = await submit(http, emulator, share, kind=kind, outcome=outcome, seconds=seconds, **MORE[kind])
            expected |= dict.fromkeys(ids, "failed" if outcome == "failed" else "succeeded")
    return expected


def deaths(kills: int, chance: Random) -> list[Death]:
    """So many, in an order that nobody chose; every other one at an alert."""
    kinds = [Death.EARLY, Death.AT_AN_ALERT, Death.LATER, Death.AT_AN_ALERT]
    chosen = [kinds[number % len(kinds)] for number in range(kills)]
    chance.shuffle(chosen)
    return chosen


async def submit_some(http: aiohttp.ClientSession, emulator: str, count: int, chance: Random) -> dict[str, str]:
    """Short ones, of which one of each service fails: the daemon may see them live, or not at all."""
    seconds = chance.uniform(0.1, 4.0)
    expected: dict[str, str] = {}
    for kind in KINDS:
        brief = partial(submit, http, emulator, kind=kind, seconds=seconds, **MORE[kind])
        expected |= dict.fromkeys(await brief(count - 1), "succeeded")
        expected |= dict.fromkeys(await brief(1, outcome="failed"), "failed")
    return expected


def start_again(emulator: str, receiver: MoodyReceiver, chance: Random, failures: Counter[str]) -> None:
    """One more failure of a job that has failed once: the daemon knows that, since it has told somebody."""
    told = {arrival.instance for arrival in receiver.arrivals if arrival.alert["labels"]["source"] == "render"}
    once = sorted(job for job in told if failures[job] == 1)
    if once:
        job = chance.choice(once)
        Sdk(emulator).start_job(job)
        failures[job] += 1


def begin(file: Path) -> Running:
    """A daemon that need not live long enough to answer."""
    command = [STAGEWATCH, "serve", "--config", file]
    return Running(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))


async def live_and_die(  # noqa: PLR0917 - everything that outlives a life
    http: aiohttp.ClientSession, file: Path, receiver: MoodyReceiver, told: Told, death: Death, life: float
) -> None:
    """One run of the daemon, killed at a moment that nobody chose."""
    daemon = begin(file)
    answers = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch(http, daemon, told, answers))
            if death is not Death.EARLY:
                await answers.wait()
            if death is Death.AT_AN_ALERT:
                with suppress(TimeoutError):
                    await receiver.until(len(receiver.arrivals) + 1 + int(4 * life), within=PATIENCE)
            else:
                await asyncio.sleep(life)  # the moment is the test
            daemon.process.kill()
    finally:
        daemon.process.kill()
        assert daemon.end() == -9, daemon.output
    assert "Traceback" not in daemon.output


async def watch(http: aiohttp.ClientSession, daemon: Running, told: Told, answers: asyncio.Event) -> None:
    """Follow the feed from the moment that the daemon answers until it is gone, coming back now and then."""
    try:
        url = (await asyncio.to_thread(daemon.wait_for, r"http://[\d.]+:\d+"))[0]
    except AssertionError:
        return  # killed before it answered
    answers.set()
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


def check_deliveries(receiver: MoodyReceiver, failures: Counter[str]) -> None:
    assert {arrival.alert["labels"]["alertname"] for arrival in receiver.arrivals} == {"InstanceFailed"}
    keys = {(arrival.key, arrival.instance) for arrival in receiver.arrivals}
    assert Counter(instance for _, instance in keys) == failures
    assert keys == {(arrival.key, arrival.instance) for arrival in receiver.arrivals if arrival.mood is Mood.TAKES}
    assert len(keys) == len({key for key, _ in keys})
    assert all(arrival.alert["fingerprint"] == arrival.key for arrival in receiver.arrivals)


def check_store(store: Path, instances: int, failures: int) -> None:
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("SELECT count(*) FROM track").fetchone() == (instances,)
        assert db.execute("SELECT state, count(*) FROM delivery GROUP BY state").fetchall() == [("delivered", failures)]
        assert db.execute("SELECT count(*) FROM alert").fetchone() == (failures,)
