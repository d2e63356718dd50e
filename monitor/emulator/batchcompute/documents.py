"""Jobs, tasks and instances as JSON: every field always, since clients take a missing one for an empty object."""

from datetime import UTC, datetime
from typing import Any

from monitor.emulator.batchcompute.book import Job
from monitor.emulator.batchcompute.views import InstanceView, Metrics, TaskView

NO_TOPIC = {"Name": "", "Endpoint": "", "Events": []}


def stamp(epoch: float | None) -> str:
    """UTC with six digits of a second, which clients insist on; empty if the time has not come."""
    if epoch is None:
        return ""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def metrics(counts: Metrics) -> dict[str, int]:
    """The five counters."""
    return {
        "WaitingCount": counts.waiting,
        "RunningCount": counts.running,
        "FinishedCount": counts.finished,
        "FailedCount": counts.failed,
        "StoppedCount": counts.stopped,
    }


def job(one: Job) -> dict[str, Any]:
    """A job as it stands now."""
    view = one.course.view()
    return {
        "Id": one.id,
        "Name": one.course.name,
        "OwnerId": one.owner,
        "Priority": one.priority,
        "State": view.state,
        "Message": view.message,
        "CreationTime": stamp(one.created),
        "StartTime": stamp(view.started),
        "EndTime": stamp(view.ended),
        "TaskMetrics": metrics(Metrics.of(task.state for task in view.tasks)),
        "InstanceMetrics": metrics(Metrics.total(task.instances for task in view.tasks)),
    }


def description(one: Job) -> dict[str, Any]:
    """What was submitted, with the id, the present priority, and a topic that the command line client looks for."""
    said = dict(one.course.describe())
    notification = dict(said.get("Notification") or {})
    notification["Topic"] = NO_TOPIC | dict(notification.get("Topic") or {})
    return said | {"Id": one.id, "Priority": one.priority, "Notification": notification}


def task(view: TaskView) -> dict[str, Any]:
    """A task."""
    return {
        "TaskName": view.name,
        "State": view.state,
        "StartTime": stamp(view.started),
        "EndTime": stamp(view.ended),
        "InstanceMetrics": metrics(view.instances),
    }


def instance(view: InstanceView) -> dict[str, Any]:
    """An instance."""
    return {
        "InstanceId": view.number,
        "State": view.state,
        "StartTime": stamp(view.started),
        "EndTime": stamp(view.ended),
        "RetryCount": view.retries,
        "Progress": view.progress,
        "StdoutRedirectPath": view.stdout,
        "StderrRedirectPath": view.stderr,
        "Result": {
            "ExitCode": view.result.exit_code,
            "ErrorCode": view.result.code,
            "ErrorMessage": view.result.message,
            "Detail": view.result.detail,
        },
        "Error": {"Code": "", "Message": ""},
        "Outputs": {},
        "NodeIp": "127.0.0.1" if view.started is not None else "",
    }
