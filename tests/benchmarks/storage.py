"""What the storage costs. Run: `python tests/benchmarks/storage.py [--folder DIR] [--seconds 2] [--tracks 100000]`

A row is one track of four stages with two lasting events; one row in ten fires an alert to one channel. Each commit is
awaited before the next begins, as the ledger does it. The folder should be on the disk that the daemon will use.
"""

import argparse
import asyncio
import gc
import random
import resource
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import anyio
from msgspec.structs import replace

from monitor.core.alerting import Alert, Rules
from monitor.core.events import PhaseChanged, Seen, StageFinished, Tick
from monitor.core.model import InstanceKey, Phase, Stage, Task, Track
from monitor.core.retention import Retention
from monitor.core.tracker import Policy
from monitor.engine.lag import watch_loop
from monitor.engine.ledger import Decisions, Ledger, Observations
from monitor.storage.base import Attempt, Batch, DeliveryState, Outcome, Record, Storage
from monitor.storage.memory import MemoryStorage
from monitor.storage.section import SqliteSection
from monitor.storage.sqlite import open_sqlite

AT = datetime(2026, 1, 1, tzinfo=UTC)
STAGE = Stage("M1_Stg1_job0", 3, 5, 9, percent=55)
LOAD_BATCH = 500


def key(number: int) -> InstanceKey:
    return InstanceKey("warehouse", "analytics", f"20260519101349{number:09d}gzbzufck2")


def track(number: int, turn: int, phase: Phase = Phase.RUNNING) -> Track:
    at = AT + timedelta(milliseconds=turn)
    stages = tuple(Stage(f"R{n}_{n - 1}_Stg{n}_job0", 3, turn % 50, 99, percent=turn % 100) for n in range(1, 5))
    return Track(
        key(number),
        "maxcompute",
        phase,
        native_status="Running",
        owner="ALIYUN$somebody@company.example",
        created_at=at,
        started_at=at,
        progress=0.4,
        tasks=(Task("AnonymousSQLTask", "SQL", phase, at, None, stages),),
        discovered_at=AT,
        phase_since=AT,
        moved_at=at,
        observed_at=at,
        stages_at=at,
    )


def alert(number: int, turn: int) -> Alert:
    labels = {"source": "warehouse", "project": "analytics", "instance": key(number).id, "code": "ODPS-0130131"}
    notes = {"summary": "it failed", "message": "Table not found: no such table " * 3, "progress": "", "logview": "x"}
    name = f"{turn:08x}{number:08x}"
    return Alert(name, "InstanceFailed", "critical", key(number), 1, AT, AT, labels, notes, ("ops",))


def batch(numbers: Sequence[int], seq: int, turn: int) -> Batch:
    records = []
    for number in numbers:
        moment = AT + timedelta(milliseconds=turn)
        records.append(Record(seq + 1, PhaseChanged(moment, key(number), Phase.WAITING, Phase.RUNNING), None))
        records.append(Record(seq + 2, StageFinished(moment, key(number), "AnonymousSQLTask", STAGE), None))
        seq += 2
    alerts = tuple(alert(number, turn) for number in numbers if number % 10 == 0)
    return Batch(tuple(records), tuple(track(number, turn) for number in numbers), alerts)


@asynccontextmanager
async def opened(driver: str, folder: Path) -> AsyncIterator[Storage]:
    if driver == "memory":
        yield MemoryStorage()
    else:
        async with open_sqlite(SqliteSection(path=folder / f"{driver}.db")) as storage:
            yield storage


async def fill(storage: Storage, count: int) -> None:
    for first in range(0, count, LOAD_BATCH):
        await storage.commit(batch(range(first, first + LOAD_BATCH), first * 2, 0))


async def commits(folder: Path, driver: str, seconds: float, known: int) -> None:
    chance = random.Random(1)
    async with opened(driver, folder) as storage:
        await fill(storage, known)
        seq, turn = known * 2, 0
        for size in (1, 10, 100, 500):
            took: list[float] = []
            while (elapsed := sum(took)) < seconds:
                turn += 1
                one = batch(chance.sample(range(known), size), seq, turn)
                seq += 2 * size
                start = perf_counter()
                await storage.commit(one)
                took.append(perf_counter() - start)
            took.sort()
            print(
                f"{driver:8} {size:6} {len(took) / elapsed:12,.0f} {len(took) * size / elapsed:10,.0f} "
                f"{took[len(took) // 2] * 1e3:8.2f} {took[int(len(took) * 0.99)] * 1e3:8.2f} {took[-1] * 1e3:8.2f}",
                flush=True,
            )


async def deliveries(folder: Path, seconds: float) -> None:
    async with opened("outbox", folder) as storage:
        await storage.commit(Batch(alerts=tuple(alert(number, 0) for number in range(20_000))))
        began, count = perf_counter(), 0
        while perf_counter() - began < seconds:
            for one in await storage.claim("ops", 10, AT, timedelta(minutes=1), "bench"):
                await storage.settle(one, Outcome(Attempt(AT, 0.1, status=200), DeliveryState.DELIVERED))
                count += 1
        print(f"\nclaim 10, settle each: {count / (perf_counter() - began):,.0f} deliveries/s")


async def restore(folder: Path, count: int) -> None:
    async with opened("restore", folder) as storage:
        await fill(storage, count)
    file = folder / "restore.db"
    gc.collect()
    began = perf_counter()
    async with opened("restore", folder) as storage:
        ready = perf_counter() - began
        before, began = _resident(), perf_counter()
        tracks = await storage.load()
        took, grown = perf_counter() - began, _resident() - before
        print(
            f"\nrestore {len(tracks):,} tracks from {file.stat().st_size / 2**20:.0f} MiB: open and check "
            f"{ready:.2f} s, load {took:.2f} s, {grown / 2**20:.0f} MiB ({grown / len(tracks):.0f} B each)"
        )
        began = perf_counter()
        for number in range(2000):
            await storage.history(key(number))
        print(f"history of one instance: {(perf_counter() - began) / 2000 * 1e6:.0f} us")
        await retire(storage, tracks)


async def retire(storage: Storage, tracks: Sequence[Track]) -> None:
    """Have the ledger forget nine tracks in ten, then compact, while observations and commits go on."""
    last = len(tracks) // 10
    ended = [replace(one, phase=Phase.SUCCEEDED) if at >= last else one for at, one in enumerate(tracks)]
    waits, late, seconds = await _forgotten(storage, ended, keep=last)
    print(f"the ledger forgets {len(tracks) - last:,} of {len(tracks):,} tracks: {seconds:.2f} s; the loop is at most")
    print(f"  {late * 1e3:.0f} ms late; {len(waits)} observations meanwhile: {_shown(waits)}")
    size, began, compacted = await storage.size(), perf_counter(), anyio.Event()

    async def compact() -> None:
        await storage.compact(AT + timedelta(days=1))
        compacted.set()

    async with anyio.create_task_group() as group:
        group.start_soon(compact)
        during = await _commit_singly(storage, compacted)
    print(f"compact {size / 2**20:.0f} MiB in use: {perf_counter() - began:.2f} s")
    alone = await _commit_singly(storage, anyio.Event(), len(during))
    for name, waits in (("during it", during), ("without it", alone)):
        print(f"  {len(waits)} commits {name}: {_shown(waits)}")


async def _forgotten(storage: Storage, tracks: Sequence[Track], *, keep: int) -> tuple[list[float], float, float]:
    """How long each of a row of observations took until kept, sorted, while all but so many tracks were forgotten;
    how late the loop was; and seconds for all."""
    at = AT + timedelta(days=10)
    decisions = Decisions(policy=Policy(), rules=Rules(rules=(), external_url=""), retention=Retention())
    seq = await storage.last_seq()
    ledger = Ledger(storage=storage, tracks=tracks, seq=seq, decisions=decisions, now=lambda: AT)
    send, receive = anyio.create_memory_object_stream[Observations](1)
    waits: list[float] = []
    lags: list[float] = []
    kept, left = anyio.Event(), len(tracks)
    following = storage.follow()

    async def follow() -> None:
        nonlocal kept, left
        async for one in following:
            left -= len(one.remove)
            if one.save:
                kept.set()

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        group.start_soon(watch_loop, lags.append)
        began = perf_counter()
        with receive:
            group.start_soon(ledger.run, receive)
            async with send:
                await send.send((Tick(at=at),))
                while left > keep:
                    kept = anyio.Event()
                    start = perf_counter()
                    await send.send((Seen(key=key(10**8 + len(waits)), at=at, kind="maxcompute", phase=Phase.RUNNING),))
                    await kept.wait()
                    waits.append(perf_counter() - start)
                seconds = perf_counter() - began
                group.cancel_scope.cancel()
    return sorted(waits), max(lags), seconds


def _shown(waits: Sequence[float]) -> str:
    return (
        f"p50 {waits[len(waits) // 2] * 1e3:.1f} ms, p99 {waits[int(len(waits) * 0.99)] * 1e3:.1f} ms, "
        f"longest {waits[-1] * 1e3:.1f} ms"
    )


async def _commit_singly(storage: Storage, enough: anyio.Event, most: int = 1_000_000) -> list[float]:
    """How long each of a row of small commits took, sorted."""
    waits: list[float] = []
    seq = await storage.last_seq()
    while not enough.is_set() and len(waits) < most:
        one = batch([len(waits) % 100], seq, len(waits))
        start = perf_counter()
        await storage.commit(one)
        waits.append(perf_counter() - start)
        seq += 2
    return sorted(waits)


def _resident() -> int:
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--tracks", type=int, default=100_000)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=chosen.folder))
    try:
        print(f"{'driver':8} {'batch':>6} {'commits/s':>12} {'rows/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
        for driver in ("sqlite", "memory"):
            asyncio.run(commits(folder, driver, chosen.seconds, min(chosen.tracks, 50_000)))
        asyncio.run(deliveries(folder, chosen.seconds))
        asyncio.run(restore(folder, chosen.tracks))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
