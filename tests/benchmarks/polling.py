"""What one CPU-second observes: sweeps and inspections, beside pyodps, against the same server, taking turns.

    python -m tests.benchmarks.polling

Each client is a process of its own, so that its CPU time is its own; the server is another one.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

import anyio
import uvloop
from odps import ODPS

from monitor.core.alerting import Rules
from monitor.core.events import Swept
from monitor.core.model import InstanceKey
from monitor.core.retention import Retention
from monitor.core.tracker import Policy
from monitor.engine.board import Board
from monitor.engine.bus import Bus
from monitor.engine.follower import follow
from monitor.engine.ledger import Decisions, Ledger, Observations
from monitor.sources.base import Detail, Priority
from monitor.sources.maxcompute import MaxComputeSection, MaxComputeSource
from monitor.storage.memory import MemoryStorage
from tests.benchmarks.stub import IDS

ROUNDS = 5
SECONDS = 2.0
THREADS = 50


# --- ours -----------------------------------------------------------------------------------------------------------


async def sweep_line(endpoint: str, project: str, seconds: float) -> int:
    """Pages through the whole line: driver, ledger, store in memory, follower, board. Instances observed."""

    storage, board, bus = MemoryStorage(), Board(), Bus("bench", 0)
    decisions = Decisions(policy=Policy(), rules=Rules(rules=(), external_url=""), retention=Retention())
    ledger = Ledger(storage=storage, tracks=(), seq=0, decisions=decisions, now=now)
    send, receive = anyio.create_memory_object_stream[Observations](64)
    source = open_source(endpoint, project)
    observed = 0
    async with anyio.create_task_group() as tasks:
        following = anyio.Event()
        tasks.start_soon(follow, storage, board, bus, (), following.set)
        await following.wait()
        async with send, anyio.create_task_group() as writing:
            writing.start_soon(ledger.run, receive)
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                ids: set[str] = set()
                async for page in source.sweep(project):
                    ids.update(page.ids)
                    if page.seen:
                        await send.send(page.seen)
                await send.send((Swept("bench", project, now(), frozenset(ids)),))
                observed += len(ids)
            send.close()
        storage.seal()
    await source.aclose()
    receive.close()
    assert len(board) == 1000
    return observed


async def inspect(endpoint: str, project: str, seconds: float) -> int:
    """Task status and stages of one instance after the other, as many at a time as pyodps has threads. Requests."""

    requests = 0
    source = open_source(endpoint, project, count=lambda: add(1))

    def add(number: int) -> None:
        nonlocal requests
        requests += number

    ends = time.monotonic() + seconds

    async def work(first: int) -> None:
        number = first
        while time.monotonic() < ends:
            key = InstanceKey("bench", project, IDS[number % len(IDS)])
            await source.inspect(key, Detail.STAGES, Priority.ATTENTION)
            number += THREADS

    async with anyio.create_task_group() as tasks:
        for first in range(THREADS):
            tasks.start_soon(work, first)
    await source.aclose()
    return requests


def open_source(endpoint: str, project: str, count: Callable[[], None] = lambda: None) -> MaxComputeSource:
    """The driver with a budget that does not bind."""

    section = MaxComputeSection.model_validate(
        {
            "type": "maxcompute",
            "name": "bench",
            "endpoint": endpoint,
            "region": "cn-hangzhou",
            "projects": [project],
            "access_id": "akid",
            "access_key": "a-made-up-key",
            "requests_per_second": 10_000,
            "concurrency": THREADS,
        }
    )
    return MaxComputeSource(section, now=now, report=lambda _: count())


def now() -> datetime:
    """The clock of these programs."""
    return datetime.now(UTC)  # noqa: TID251 - a program of its own


# --- pyodps ---------------------------------------------------------------------------------------------------------


def pyodps(endpoint: str, project: str) -> ODPS:
    """A client as users have it."""

    return ODPS("akid", "a-made-up-key", project=project, endpoint=endpoint, region_name="cn-hangzhou")


def pyodps_queueing(endpoint: str, project: str, seconds: float) -> int:
    """The listing of live instances, one status each. Instances observed."""
    client = pyodps(endpoint, project)
    observed, ends = 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        observed += sum(1 for instance in client.list_instance_queueing_infos() if instance.status)
    return observed


def pyodps_status(endpoint: str, project: str, seconds: float) -> int:
    """The plain listing, and the status of each. Instances observed."""
    client = pyodps(endpoint, project)
    observed, ends = 0, time.monotonic() + seconds
    for instance in client.list_instances():
        if instance.status:
            observed += 1
        if time.monotonic() > ends:
            break
    return observed


def pyodps_threads(endpoint: str, project: str, seconds: float) -> int:
    """Task status and stages of one instance after the other, in threads. Requests."""

    client = pyodps(endpoint, project)
    ends = time.monotonic() + seconds

    def work(first: int) -> int:
        requests, number = 0, first
        while time.monotonic() < ends:
            instance = client.get_instance(IDS[number % len(IDS)])
            for status in instance.get_task_statuses().values():
                assert [stage.name for stage in instance.get_task_progress(status.name).stages]
                requests += 2
            number += THREADS
        return requests

    with ThreadPoolExecutor(THREADS) as threads:
        return sum(threads.map(work, range(THREADS)))


# --- the run --------------------------------------------------------------------------------------------------------

SWEEPS: dict[str, tuple[str, Callable[[str, str, float], int]]] = {
    "stagewatch, all changed": ("p", lambda *how: uvloop.run(sweep_line(*how))),
    "stagewatch, none changed": ("same", lambda *how: uvloop.run(sweep_line(*how))),
    "pyodps list_instance_queueing_infos": ("p", pyodps_queueing),
    "pyodps list_instances + status": ("p", pyodps_status),
}
INSPECTIONS: dict[str, tuple[str, Callable[[str, str, float], int]]] = {
    "stagewatch, all changed": ("p", lambda *how: uvloop.run(inspect(*how))),
    "stagewatch, none changed": ("same", lambda *how: uvloop.run(inspect(*how))),
    f"pyodps in {THREADS} threads": ("p", pyodps_threads),
}
TABLES = {"sweep": SWEEPS, "inspect": INSPECTIONS}


def client(table: str, name: str, port: str) -> None:
    """One run in this process; prints how much was done for how much CPU."""
    project, work = TABLES[table][name]
    endpoint = f"http://127.0.0.1:{port}/api"
    with suppress(Exception):  # warm: imports, connections, caches; what fails here fails again below
        work(endpoint, project, 0.3)
    cpu = time.process_time()
    done = work(endpoint, project, SECONDS)
    print(json.dumps({"done": done, "cpu": time.process_time() - cpu}))


def measure(table: str, name: str, port: str) -> float:
    """Done per CPU-second, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.polling", table, name, port]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result = json.loads(said.splitlines()[-1])
    return float(result["done"] / result["cpu"])


def main() -> None:
    """All clients in turn, round after round; medians, and ratios to each peer."""
    stub = [sys.executable, "-m", "tests.benchmarks.stub"]
    with subprocess.Popen(stub, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        for table, rows in TABLES.items():
            figures: dict[str, list[float]] = {name: [] for name in rows}
            for _ in range(ROUNDS):
                for name in rows:
                    figures[name].append(measure(table, name, port))
            medians = {name: statistics.median(values) for name, values in figures.items()}
            what = "instances" if table == "sweep" else "requests"
            print(f"\n{table}: {what} per CPU-second, median of {ROUNDS} (lowest to highest), and ours as a multiple")
            for name, values in figures.items():
                ours = " ".join(f"{medians[one] / medians[name]:8.1f}x" for one in rows if one.startswith("stagewatch"))
                print(f"  {name:<38} {medians[name]:>12,.0f}  ({min(values):,.0f} to {max(values):,.0f})  {ours}")
        assert server.stdin is not None
        server.stdin.close()


if __name__ == "__main__":
    client(*sys.argv[1:]) if len(sys.argv) == 4 else main()
