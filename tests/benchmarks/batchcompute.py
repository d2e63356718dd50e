"""How many jobs one CPU-second observes, beside the vendor's SDK, against the same server, taking turns.

    python -m tests.benchmarks.batchcompute

A thousand jobs run, ten instances to each task. The SDK does what its users do: it lists the jobs, the tasks of each,
and the instances of each task. Our driver sweeps, and asks for tasks where a job has several. Each client is a process
of its own, so that its CPU time is its own; the server is another one, which only has ready-made answers. What is asked
for once in the life of a job is asked for before the measurement begins.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple, cast

import uvloop
from batchcompute import Client

from monitor.core.model import InstanceKey
from monitor.sources.base import Detail, Priority
from monitor.sources.batchcompute import BatchComputeSection, BatchComputeSource

ROUNDS = 5
SECONDS = 1.0
JOBS, PAGE, INSTANCES, TURNS = 1000, 100, 10, 8
IDS = [f"job-{number:032X}" for number in range(JOBS)]
REGION = "local"
TIMES = '"CreationTime":"2026-01-02T03:04:05.000006Z","StartTime":"2026-01-02T03:04:06.000001Z","EndTime":""'


class Done(NamedTuple):
    """How many jobs were observed in how much CPU time."""

    jobs: int
    cpu: float


# --- ours -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def watching(port: int, account: str) -> AsyncIterator[BatchComputeSource]:
    """The driver with a budget that does not bind, once it knows every job."""
    section = BatchComputeSection.model_validate(
        {
            "type": "batchcompute",
            "name": "bench",
            "endpoint": f"http://127.0.0.1:{port}",
            "region": REGION,
            "access_id": account,
            "access_key": "a-made-up-key",
            "requests_per_second": 10_000,
        }
    )
    source = BatchComputeSource(section, now=now, report=lambda _: None)
    async for _ in source.sweep(REGION):
        pass
    yield source
    await source.aclose()


async def observe(port: int, account: str, tasks: int) -> Done:
    """Sweeps, each with a look at every job whose stages the listing does not tell."""
    async with watching(port, account) as source:
        jobs, began, ends = 0, time.process_time(), time.monotonic() + SECONDS
        while time.monotonic() < ends:
            ids: list[str] = []
            async for page in source.sweep(REGION):
                ids += page.ids
                assert all(seen.stages_read is (tasks == 1) for seen in page.seen)
            if tasks > 1:
                for id_ in ids:
                    await source.inspect(InstanceKey("bench", REGION, id_), Detail.STAGES, Priority.ATTENTION)
            assert len(ids) == JOBS
            jobs += len(ids)
        return Done(jobs, time.process_time() - began)


def now() -> datetime:
    """The clock of these programs."""
    return datetime.now(UTC)  # noqa: TID251 - a program of its own


# --- the SDK --------------------------------------------------------------------------------------------------------


def sdk(port: int, account: str, *, whole: bool) -> Done:
    """Lists jobs page by page; if `whole`, also the tasks of each and the instances of each task."""
    Client.register_region(REGION, "127.0.0.1", port)
    client = Client("127.0.0.1", account, "a-made-up-key")
    jobs, marker, began, ends = 0, "", time.process_time(), time.monotonic() + SECONDS
    while time.monotonic() < ends:
        page = client.list_jobs(marker, PAGE, State="Running")
        for job in page.Items:
            if whole:
                for task in client.list_tasks(job.Id, "", PAGE).Items:
                    instances = client.list_instances(job.Id, task.TaskName, 0, PAGE).Items
                    assert len(instances) == INSTANCES
            jobs += bool(job.State)
            if time.monotonic() > ends:
                break
        marker = page.NextMarker
    return Done(jobs, time.process_time() - began)


# --- the server -----------------------------------------------------------------------------------------------------


def whole(body: str) -> bytes:
    """A response, head and body."""
    data = body.encode()
    head = (
        "HTTP/1.1 200 OK\r\nDate: Fri, 02 Jan 2026 03:05:00 GMT\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\nx-acs-request-id: 8D1C0A52-0000-4000-8000-0000000000AA\r\n\r\n"
    )
    return head.encode() + data


def metrics(done: int, total: int) -> str:
    """Five counters."""
    waiting, running = (total - done) // 2, (total - done) - (total - done) // 2
    return (
        f'{{"WaitingCount":{waiting},"RunningCount":{running},"FinishedCount":{done},"FailedCount":0,"StoppedCount":0}}'
    )


def listing(items: str, marker: str = "") -> bytes:
    """A page."""
    return whole(f'{{"NextMarker":"{marker}","Items":[{items}]}}')


def jobs(turn: int, first: int) -> bytes:
    """A page of running jobs; each is further on with every turn."""
    rows = ",".join(
        f'{{"Id":"{IDS[number]}","Name":"log-count","OwnerId":123456,"Priority":0,"State":"Running","Message":"",{TIMES},'
        f'"TaskMetrics":{metrics(0, 1)},"InstanceMetrics":{metrics((turn + number) % INSTANCES, INSTANCES)}}}'
        for number in range(first, first + PAGE)
    )
    return listing(rows, IDS[first + PAGE] if first + PAGE < JOBS else "")


def tasks(turn: int, count: int) -> bytes:
    """The tasks of a job."""
    return listing(
        ",".join(
            f'{{"TaskName":"count-{number}","State":"Running",{TIMES.partition(",")[2]},'
            f'"InstanceMetrics":{metrics(turn, INSTANCES)}}}'
            for number in range(count)
        )
    )


def instances() -> bytes:
    """The instances of a task."""
    return listing(
        ",".join(
            f'{{"InstanceId":{number},"State":"Running",{TIMES.partition(",")[2]},"RetryCount":0,"Progress":50,'
            f'"StdoutRedirectPath":"oss://bkt/logs/stdout.{number}","StderrRedirectPath":"oss://bkt/logs/stderr.{number}",'
            '"Result":{"ExitCode":0,"ErrorCode":"","ErrorMessage":"","Detail":""},"Error":{"Code":"","Message":""},'
            '"Outputs":{},"NodeIp":""}'
            for number in range(INSTANCES)
        )
    )


def description(count: int) -> bytes:
    """A job as it was submitted."""
    described = ",".join(f'"count-{number}":{{"InstanceCount":{INSTANCES}}}' for number in range(count))
    return whole(f'{{"Name":"log-count","Type":"DAG","DAG":{{"Tasks":{{{described}}},"Dependencies":{{}}}}}}')


class Stub(asyncio.Protocol):
    """Speaks just enough HTTP, and knows its clients by their access ids: `one` has jobs of one task, `three` of three,
    and for `same` nothing ever moves."""

    turn = 0
    pages = [{IDS[first]: jobs(turn, first) for first in range(0, JOBS, PAGE)} for turn in range(TURNS)]
    rings = {count: [tasks(turn, count) for turn in range(TURNS)] for count in (1, 3)}
    plans = {count: description(count) for count in (1, 3)}
    rows, nothing = instances(), listing("")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.rest = cast("asyncio.Transport", transport), b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head, self.rest = self.rest[:end], self.rest[end + 4 :]
            self.transport.write(self.answer(head))

    def answer(self, head: bytes) -> bytes:
        """By what the address asks for."""
        target = head.split(b" ", 2)[1].decode()
        count = 3 if b"x-acs-access-key-id: three" in head else 1
        if target.endswith("?description"):
            return self.plans[count]
        if "/instances?" in target:
            return self.rows
        if "/tasks?" in target:
            return self.rings[count][Stub.turn]
        if "State=Running" not in target:
            return self.nothing
        marker = target.partition("Marker=")[2].partition("&")[0]
        if not marker and b"x-acs-access-key-id: same" not in head:
            Stub.turn = (Stub.turn + 1) % TURNS
        return self.pages[Stub.turn][marker or IDS[0]]


async def serve() -> None:
    """Serve until nobody holds our standard input open any more."""
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


# --- the run --------------------------------------------------------------------------------------------------------

Work = Callable[[int], Done]
TABLES: dict[str, dict[str, Work]] = {
    "jobs of one task": {
        "stagewatch, all changed": lambda port: uvloop.run(observe(port, "one", 1)),
        "stagewatch, none changed": lambda port: uvloop.run(observe(port, "same", 1)),
        "SDK list_jobs, without tasks": lambda port: sdk(port, "one", whole=False),
        "SDK list_jobs, list_tasks, list_instances": lambda port: sdk(port, "one", whole=True),
    },
    "jobs of three tasks": {
        "stagewatch, all changed": lambda port: uvloop.run(observe(port, "three", 3)),
        "SDK list_jobs, list_tasks, list_instances": lambda port: sdk(port, "three", whole=True),
    },
}


def measure(table: str, name: str, port: str) -> float:
    """Jobs per CPU-second, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.batchcompute", table, name, port]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    done = Done(*json.loads(said.splitlines()[-1]))
    return done.jobs / done.cpu


def main() -> None:
    """All clients in turn, round after round; medians, and ratios to the SDK."""
    stub = [sys.executable, "-m", "tests.benchmarks.batchcompute", "serve"]
    with subprocess.Popen(stub, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        for table, rows in TABLES.items():
            figures: dict[str, list[float]] = {name: [] for name in rows}
            for _ in range(ROUNDS):
                for name in rows:
                    figures[name].append(measure(table, name, port))
            medians = {name: statistics.median(values) for name, values in figures.items()}
            print(f"\n{table}: observed per CPU-second, median of {ROUNDS} (lowest to highest), and ours as a multiple")
            for name, values in figures.items():
                ours = " ".join(f"{medians[one] / medians[name]:8.1f}x" for one in rows if one.startswith("stagewatch"))
                print(f"  {name:<42} {medians[name]:>10,.0f}  ({min(values):,.0f} to {max(values):,.0f})  {ours}")
        server.stdin.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        uvloop.run(serve())
    elif len(sys.argv) == 4:
        warnings.simplefilter("ignore")  # the SDK's
        print(json.dumps(TABLES[sys.argv[1]][sys.argv[2]](int(sys.argv[3]))))
    else:
        main()
