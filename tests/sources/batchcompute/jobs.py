"""The scripted service in the words of Batch Compute, and the driver that asks it."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from monitor.core.events import Seen
from monitor.core.model import InstanceKey
from monitor.sources.base import Page, RequestReport
from monitor.sources.batchcompute import BatchComputeSection, BatchComputeSource
from tests.sources.scripted import NOW, SECRETS, Answer, Asked, Clock, Service

REGION = "cn-qingdao"
ID = "job-000000006B01E4A80000000000000001"
KEY = InstanceKey("render", REGION, ID)
CREATED, STARTED, ENDED = "2025-01-24T07:30:00.000006Z", "2025-01-24T07:30:01.000001Z", "2025-01-24T07:33:00.000001Z"


def numbered(number: int) -> str:
    """The id of a job."""
    return f"job-{number:032X}"


def section(endpoint: str, **changes: Any) -> BatchComputeSection:
    """A section with made-up credentials; `changes` of None remove a key."""
    data: dict[str, Any] = {
        "type": "batchcompute",
        "name": "render",
        "endpoint": endpoint,
        "region": REGION,
        "access_id": "testAccessId",
        "access_key": SECRETS["access_key"],
        "requests_per_second": 1000,
        **changes,
    }
    return BatchComputeSection.model_validate({key: value for key, value in data.items() if value is not None})


@asynccontextmanager
async def watching(
    service: Service, *, clock: Clock | None = None, reports: list[RequestReport] | None = None, **changes: Any
) -> AsyncIterator[BatchComputeSource]:
    """A source that asks the service, closed when the block ends. Retries follow without a pause."""
    source = BatchComputeSource(
        section(service.endpoint, **changes),
        now=clock or Clock(),
        report=(reports if reports is not None else []).append,
        jitter=lambda: 0.0,
    )
    try:
        yield source
    finally:
        await source.aclose()


def error(code: str, message: str = "made-up text", status: int = 400) -> Answer:
    """A refusal."""
    return Answer(json.dumps({"HostId": "127.0.0.1", "Code": code, "Message": message}), status)


NOT_FOUND = error("InvalidResource.NotFound", "Specified resource is not found.", 404)


def metrics(waiting: int = 0, running: int = 0, finished: int = 0, failed: int = 0, stopped: int = 0) -> dict[str, int]:
    """The five counters."""
    return {
        "WaitingCount": waiting,
        "RunningCount": running,
        "FinishedCount": finished,
        "FailedCount": failed,
        "StoppedCount": stopped,
    }


def job(state: str, counts: Sequence[int] = (0, 2), id_: str = ID, **changes: Any) -> dict[str, Any]:
    """A job as listings and GetJob tell it; `counts` are of its instances."""
    over = state in {"Finished", "Failed", "Stopped"}
    return {
        "Id": id_,
        "Name": "log-count",
        "OwnerId": 123456,
        "Priority": 0,
        "State": state,
        "Message": "",
        "CreationTime": CREATED,
        "StartTime": "" if state == "Waiting" else STARTED,
        "EndTime": ENDED if over else "",
        "TaskMetrics": metrics(*(min(1, count) for count in counts)),
        "InstanceMetrics": metrics(*counts),
        **changes,
    }


def task(name: str, state: str, counts: Sequence[int] = (0, 2), **changes: Any) -> dict[str, Any]:
    """A task as listings tell it."""
    over = state in {"Finished", "Failed", "Stopped"}
    return {
        "TaskName": name,
        "State": state,
        "StartTime": "" if state == "Waiting" else STARTED,
        "EndTime": ENDED if over else "",
        "InstanceMetrics": metrics(*counts),
        **changes,
    }


def instance(number: int, state: str, *, exit_code: int = 0, retries: int = 0, **result: str) -> dict[str, Any]:
    """An instance as listings tell it; `result` are more words of its `Result`."""
    over = state in {"Finished", "Failed", "Stopped"}
    return {
        "InstanceId": number,
        "State": state,
        "StartTime": STARTED,
        "EndTime": f"2025-01-24T07:32:{number % 60:02d}.000001Z" if over else "",
        "RetryCount": retries,
        "Progress": 0,
        "StdoutRedirectPath": f"oss://bkt/logs/stdout.{ID}.count.{number}",
        "StderrRedirectPath": f"oss://bkt/logs/stderr.{ID}.count.{number}",
        "Result": {"ExitCode": exit_code, "ErrorCode": "", "ErrorMessage": "", "Detail": "", **result},
        "Error": {"Code": "", "Message": ""},
        "Outputs": {},
        "NodeIp": "",
    }


def page(*items: Any, marker: object = "") -> Answer:
    """A page of a listing."""
    return Answer(json.dumps({"NextMarker": marker, "Items": items}))


def one(item: Any) -> Answer:
    """An answer about one thing."""
    return Answer(json.dumps(item))


def plan(*tasks: str, retries: int = 0, instances: int = 2, after: Any = None, **changes: Any) -> Answer:
    """The description of a job with these tasks."""
    described = {
        name: {"InstanceCount": instances, "MaxRetryCount": retries, "Parameters": {}, "Timeout": 60} for name in tasks
    }
    dag = {"Tasks": described, "Dependencies": after or {}}
    return one({"Id": ID, "Name": "log-count", "Type": "DAG", "DAG": dag, "Priority": 0, **changes})


def lists(
    service: Service, waiting: Sequence[Answer] = (), running: Sequence[Answer] = (), ended: Sequence[Answer] = ()
) -> None:
    """The listings of jobs, by state: answers in turn, the last one for ever; empty where nothing is said."""
    service.on("State=Waiting", *(waiting or [page()]))
    service.on("State=Running", *(running or [page()]))
    for state in ("Finished", "Failed", "Stopped"):
        service.on(f"State={state}", page())
    if ended:
        service.on("State=Finished", *ended)


async def whole(listing: AsyncIterator[Page]) -> tuple[set[str], list[Seen]]:
    """All ids that were named, and all that was said, in order."""
    ids: set[str] = set()
    said: list[Seen] = []
    async for got in listing:
        ids.update(got.ids)
        said.extend(got.seen)
    return ids, said


def targets(asked: Sequence[Asked]) -> list[str]:
    """What was asked for, below the endpoint."""
    return [one.target.removeprefix("/api") for one in asked]


__all__ = ["NOW", "SECRETS", "Answer", "Clock"]
