"""A MaxCompute service that only has ready-made answers, so that the client's cost is what is measured.

    python -m tests.benchmarks.stub PORT        runs until its standard input closes

Every page of live instances is further on in all of them than the page before, and stages come from a ring of bodies
that differ in every number, as a busy service's would; the answers of project `same` never change.
"""

import asyncio
import sys
from itertools import count, cycle
from typing import cast

import uvloop

IDS = [f"20250124073421{number:03d}g{number:06x}" for number in range(1000)]
RING = 8
ANSWER = (
    "HTTP/1.1 200 OK\r\nServer: Tengine\r\nDate: Fri, 24 Jan 2025 07:34:21 GMT\r\nContent-Type: application/xml\r\n"
    "Content-Length: {length}\r\nConnection: keep-alive\r\nx-odps-request-id: 5A0000000000000000000001\r\n"
    "x-odps-owner: ALIYUN$me@example.test\r\nx-odps-start-time: Fri, 24 Jan 2025 07:34:21 GMT\r\nx-odps-end-time: \r\n"
    "\r\n"
)


def whole(body: str) -> bytes:
    """A response, head and body."""
    data = body.encode()
    return ANSWER.format(length=len(data)).encode() + data


def queueing(turn: int) -> str:
    """One page of live instances; the progress of all of them grows with the turn."""
    done = [f"{0.1 + (turn * 10 + number) / 1_000_000:.6f}" for number in range(10)]
    entries = ",".join(
        f'{{"instanceId":"{instance}","projectName":"p","userAccount":"ALIYUN$me@example.test","status":"Running",'
        f'"subStatus":{{"start_time":"2025-01-24 15:34:25 +0800","code":1012,"description":""}},"instancePriority":9,'
        f'"instanceProgress":{done[number % 10]},"instanceProcess":{done[number % 10]},'
        f'"startTime":"2025-01-24 15:34:21 +0800","taskType":"SQL","taskName":"AnonymousSQLTask","jobName":"",'
        f'"waitPos":0,"queueLength":12,"cpuUsage":100,"memUsage":2048,"totalCpuUsage":3000,"totalMemUsage":61440}}'
        for number, instance in enumerate(IDS)
    )
    return (
        f"<Instances><Marker></Marker><MaxItems>1000</MaxItems><Content><![CDATA[[{entries}]]]></Content></Instances>"
    )


def listing() -> str:
    """One page of the plain listing."""
    rows = "".join(
        f"<Instance><Name>{instance}</Name><Owner>ALIYUN$me@example.test</Owner>"
        "<StartTime>Fri, 24 Jan 2025 07:34:21 GMT</StartTime><EndTime></EndTime><Status>Running</Status></Instance>"
        for instance in IDS
    )
    return f"<Instances><Marker></Marker><MaxItems>1000</MaxItems>{rows}</Instances>"


STATUS = "<Instance><Status>Running</Status></Instance>"
TASKS = (
    '<Instance><Status>Running</Status><Tasks><Task Type="SQL"><Name>AnonymousSQLTask</Name>'
    "<StartTime>Fri, 24 Jan 2025 07:34:22 GMT</StartTime><EndTime></EndTime><Status>Running</Status><Histories/>"
    "</Task></Tasks></Instance>"
)


def progress(turn: int) -> str:
    """Four stages, further on each turn."""
    stages = "".join(
        f'<Stage ID="{name}_job_0"><Status>RUNNING</Status><BackupWorkers>0</BackupWorkers>'
        f"<TerminatedWorkers>{turn * 10 + number}</TerminatedWorkers><RunningWorkers>{number + 1}</RunningWorkers>"
        "<TotalWorkers>100</TotalWorkers><InputRecords>0</InputRecords><OutputRecords>0</OutputRecords>"
        f"<FinishedPercentage>{turn * 10 + number}</FinishedPercentage></Stage>"
        for number, name in enumerate(("M1_Stg1", "M2_Stg1", "J3_1_2_Stg1", "R4_3_Stg1"))
    )
    return f"<Progress>{stages}</Progress>"


class Stub(asyncio.Protocol):
    """Speaks just enough HTTP for clients that keep their connections."""

    pages = (whole(queueing(turn)) for turn in count())
    page = whole(queueing(0))
    stages = cycle([whole(progress(turn)) for turn in range(RING)])
    stage = whole(progress(0))
    rows, status, tasks = whole(listing()), whole(STATUS), whole(TASKS)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.rest = cast("asyncio.Transport", transport), b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head, self.rest = self.rest[:end], self.rest[end + 4 :]
            self.transport.write(self.answer(head.split(b" ", 2)[1]))

    def answer(self, target: bytes) -> bytes:
        """By what the address asks for."""
        same = b"/same/" in target
        if b"instanceprogress" in target:
            return self.stage if same else next(self.stages)
        if b"taskstatus" in target:
            return self.tasks
        path = target.partition(b"?")[0]
        if path.endswith(b"/cachedinstances"):
            return self.page if same else next(self.pages)
        return self.rows if path.endswith(b"/instances") else self.status


async def main(port: int) -> None:
    """Serve until nobody holds our standard input open any more."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Stub, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
