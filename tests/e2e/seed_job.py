"""The job of the manual's page on concurrent tasks, its package, and the bucket that both need."""

import io
import json
import socketserver
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.sdk import SECRET
from tests.e2e.seed_worker.oss_tool import OssTool

# As the page shows it, less its comments.
SEED = """
{
    "DAG": {
        "Tasks": {
            "count": {
                "InstanceCount": 3,
                "LogMapping": {},
                "AutoCluster": {
                    "ResourceType": "OnDemand",
                    "ImageId": "img-ubuntu",
                    "InstanceType": "ecs.sn1.medium"
                },
                "Parameters": {
                    "Command": {
                        "EnvVars": {},
                        "CommandLine": "python count.py",
                        "PackagePath": "oss://your-bucket/log-count/worker.tar.gz"
                    },
                    "InputMappingConfig": {
                        "Lock": true
                    },
                    "StdoutRedirectPath": "oss://your-bucket/log-count/logs/",
                    "StderrRedirectPath": "oss://your-bucket/log-count/logs/"
                },
                "OutputMapping": {},
                "MaxRetryCount": 0,
                "Timeout": 21600,
                "InputMapping": {}
            }
        }
    },
    "Description": "batchcompute job",
    "Priority": 0,
    "JobFailOnInstanceFail": true,
    "Type": "DAG",
    "Name": "log-count"
}
"""
PRE = "oss://your-bucket/log-count"
PACKAGE = f"{PRE}/worker.tar.gz"
PARTS = ("INFO start WARN disk INFO stop", "ERROR no space ERROR no space", "DEBUG x=1 INFO done DEBUG x=2")
COUNTS = (
    {"INFO": 2, "WARN": 1, "ERROR": 0, "DEBUG": 0},
    {"INFO": 0, "WARN": 0, "ERROR": 2, "DEBUG": 0},
    {"INFO": 1, "WARN": 0, "ERROR": 0, "DEBUG": 2},
)

_WORKER = Path(__file__).parent / "seed_worker"


def changed(command: str = "python count.py", **fields: Any) -> dict[str, Any]:
    """The seed job with another command line, or other fields of its task."""
    description: dict[str, Any] = json.loads(SEED)
    task = description["DAG"]["Tasks"]["count"]
    task["Parameters"]["Command"]["CommandLine"] = command
    task.update(fields)
    return description


def bucket(url: str) -> OssTool:
    """The OSS of the emulator at `url`."""
    return OssTool(url, "tester", SECRET)


def packed(files: Mapping[str, bytes]) -> bytes:
    """A `worker.tar.gz` of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def worker(room: "Room | None" = None, failures: int = 0) -> bytes:
    """The package of the seed job; its programs meet in `room` before they work, or fail so many times."""
    conf = {
        "access_id": "tester",
        "access_key": SECRET,
        "pre": PRE,
        "room": room and [*room.address],
        "failures": failures,
    }
    programs = {path.name: path.read_bytes() for path in _WORKER.glob("*.py")}
    return packed({**programs, "conf.json": json.dumps(conf).encode()})


def upload(oss: OssTool, package: bytes, missing: int | None = None) -> None:
    """Puts the package and the parts of the log, all but the missing one, where the seed job looks for them."""
    oss.put_data(package, PACKAGE)
    for number, part in enumerate(PARTS):
        if number != missing:
            oss.put_data(part, f"{PRE}/split_results/{number}.txt")


class Room:
    """Lets nobody go on before all have come; so those who went on were there at the same time."""

    def __init__(self, address: tuple[str, int], barrier: threading.Barrier) -> None:
        self.address = address
        self.present: set[str] = set()
        self._barrier = barrier

    def enter(self) -> None:
        """Take a seat without being a program, and go on when all have come."""
        self._barrier.wait()


@contextmanager
def room(seats: int) -> Iterator[Room]:
    """A room for so many programs, and others. Who waits longer than the others need is turned away."""
    barrier = threading.Barrier(seats, timeout=20)

    class Door(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            name = self.rfile.readline().decode().strip()
            inside.present.add(name)
            try:
                barrier.wait()
            except threading.BrokenBarrierError:
                return
            self.wfile.write(b"go")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Door) as server:
        host, port = server.server_address[:2]
        inside = Room((str(host), port), barrier)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield inside
        finally:
            barrier.abort()
            server.shutdown()
            thread.join()


def processes(job_id: str) -> list[int]:
    """Ids of the processes on this machine that belong to the job: they have its id in their environment."""
    mark = f"BATCH_COMPUTE_DAG_JOB_ID={job_id}\0".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            belongs = mark in environ.read_bytes()
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
        if belongs:
            found.append(int(environ.parent.name))
    return found


def until_gone(job_id: str, within: float = 10.0) -> None:
    """Wait until no process of the job is left: its end is told while what it broke off still ends."""
    deadline = time.monotonic() + within
    while left := processes(job_id):
        assert time.monotonic() < deadline, f"processes {left} of {job_id} are still there"
        time.sleep(0.02)  # the end of somebody else's process makes no event here
