"""Side views of a task as JSON: its workers, its costs, its quota."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator
from typing import Any

from monitor.emulator.documents import Moment
from monitor.emulator.plan import Phase, StageView

MAX_SHOWN = 500  # workers of a stage


def detail(moment: Moment) -> dict[str, Any]:
    """`?detail`: every stage with its workers."""
    tasks = [{"name": view.name, "instances": list(_workers(moment, view))} for view in moment.stages()]
    jobs = [{"name": f"{moment.instance.project}_{moment.instance.id}_SQL_0_0_0_job_0", "tasks": tasks}]
    return {"mapReduce": {"jobs": jobs if tasks else [], "jsonSummary": _costs(moment)}}


def instance_detail(moment: Moment) -> dict[str, Any]:
    """`?instancedetail`: the stages, and the instance that they belong to."""
    stages = {view.name: {**_counts(view), "Workers": list(_workers(moment, view))} for view in moment.stages()}
    return {"Instance": {"ID": moment.instance.id, "Status": moment.status, "Stages": stages}}


def summary(moment: Moment) -> dict[str, Any]:
    """`?instancesummary`: costs and counts, once the task has ended."""
    if moment.phase is not Phase.ENDED or not moment.instance.plan.stages:
        return {"Instance": {}}
    lines = [f"{view.name}:{view.running}/{view.terminated}/{view.total}" for view in moment.stages()]
    return {"Instance": {"JsonSummary": _costs(moment), "Summary": "\n".join(lines)}}


def quota(moment: Moment) -> dict[str, Any]:
    """`?instancequota`: what the job uses of its quota."""
    running = sum(view.running for view in moment.stages())
    use = {"quota": moment.instance.job.quota, "cpuUsage": running * 100, "memUsage": running * 2048}
    return {"quotaInfos": {"job0": json.dumps(use)}}


def log_of(moment: Moment, log_id: str, kind: str) -> str | None:
    """What a worker wrote; None if no worker has that log."""
    try:
        stage, _, number = urlsafe_b64decode(log_id.encode()).decode().rpartition("#")
    except (Base64Error, UnicodeError):
        return None
    view = next((view for view in moment.stages() if view.name == stage), None)
    if view is None or not number.isdigit() or not 0 <= int(number) < view.total:
        return None
    return f"{kind} of worker {number} of {stage} in instance {moment.instance.id}\n"


def _workers(moment: Moment, view: StageView) -> Iterator[dict[str, Any]]:
    begun = moment.wall_at(moment.instance.submitted + moment.instance.plan.wait)
    for number in range(min(view.total, MAX_SHOWN)):
        if number < view.terminated:
            status = "Terminated"
        else:
            status = "Running" if number < view.terminated + view.running else "Waiting"
        yield {
            "id": f"{view.name}#{number}_0",
            "logId": urlsafe_b64encode(f"{view.name}#{number}".encode()).decode(),
            "startTime": int(begun) if status != "Waiting" else 0,
            "endTime": 0,
            "status": status,
        }


def _counts(view: StageView) -> dict[str, int]:
    return {
        "WorkerCount": view.total,
        "InputRecordCounts": view.input_records,
        "OutputRecordCounts": view.output_records,
        "WriterBytes": view.output_records * 64,
    }


def _costs(moment: Moment) -> str:
    views = moment.stages()
    seconds = max(0.0, min(moment.elapsed, moment.instance.plan.ends) - moment.instance.plan.wait)
    workers = sum(view.total for view in views)
    cost = {"CPU": int(workers * seconds * 100), "Memory": int(workers * seconds * 2048), "Input": 0, "GPU": 0}
    return json.dumps(
        {"Cost": cost, "Inputs": {}, "Outputs": {}, "Stages": {view.name: _counts(view) for view in views}}
    )
