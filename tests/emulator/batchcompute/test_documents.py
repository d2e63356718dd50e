import json
from typing import Any

import pytest

from monitor.emulator.batchcompute import documents
from monitor.emulator.batchcompute.book import Job
from monitor.emulator.batchcompute.description import check_description
from monitor.emulator.batchcompute.executed import Executed
from monitor.emulator.batchcompute.orders import Ending
from monitor.emulator.batchcompute.views import Metrics
from tests.emulator.batchcompute.client import job

COUNTERS = ("WaitingCount", "RunningCount", "FinishedCount", "FailedCount", "StoppedCount")


def book_entry(**fields: Any) -> tuple[Job, Executed]:
    """A job of two tasks of two instances each."""
    course = Executed("job-1", check_description(job(tasks=("split", "merge"), InstanceCount=2, **fields)))
    return Job("job-1", 1, 42, 7, 1_800_000_000.25, course), course


def test_times_have_six_digits_of_a_second() -> None:
    """Also where they are naught; what has not come is empty."""
    assert documents.stamp(1_800_000_000.0) == "2027-01-15T08:00:00.000000Z"
    assert documents.stamp(1_800_000_000.25) == "2027-01-15T08:00:00.250000Z"
    assert documents.stamp(None) == ""


def test_all_counters_are_told() -> None:
    """Clients add them up."""
    assert list(documents.metrics(Metrics(1, 2, 3, 4, 5)).items()) == list(zip(COUNTERS, range(1, 6), strict=True))


def test_a_job_has_every_field_from_the_beginning() -> None:
    """With the types that clients insist on."""
    shown = json.loads(json.dumps(documents.job(book_entry()[0])))
    assert shown == {
        "Id": "job-1",
        "Name": "log-count",
        "OwnerId": 42,
        "Priority": 7,
        "State": "Waiting",
        "Message": "",
        "CreationTime": "2027-01-15T08:00:00.250000Z",
        "StartTime": "",
        "EndTime": "",
        "TaskMetrics": dict.fromkeys(COUNTERS, 0) | {"WaitingCount": 2},
        "InstanceMetrics": dict.fromkeys(COUNTERS, 0) | {"WaitingCount": 4},
    }


def test_a_task_and_a_failed_instance() -> None:
    """What failed has an error code; what did not has an empty result."""
    entry, course = book_entry()
    ready = course.ready(2)
    for task, instance in ready:
        course.begin(task, instance, 1_800_000_001.0)
    course.end(*ready[0], Ending(3, "ProgramFailed", "exit code 3", "oh\n"), 1_800_000_002.0)
    assert documents.job(entry)["TaskMetrics"]["StoppedCount"] == 1
    (split, _) = course.view().tasks
    assert documents.task(split) == {
        "TaskName": "split",
        "State": "Failed",
        "StartTime": "2027-01-15T08:00:01.000000Z",
        "EndTime": "2027-01-15T08:00:02.000000Z",
        "InstanceMetrics": dict.fromkeys(COUNTERS, 0) | {"FailedCount": 1, "StoppedCount": 1},
    }
    failed, stopped = (documents.instance(one) for one in course.instances("split"))
    assert failed["Result"] == {
        "ExitCode": 3,
        "ErrorCode": "ProgramFailed",
        "ErrorMessage": "exit code 3",
        "Detail": "oh\n",
    }
    assert stopped == {
        "InstanceId": 1,
        "State": "Stopped",
        "StartTime": "2027-01-15T08:00:01.000000Z",
        "EndTime": "2027-01-15T08:00:02.000000Z",
        "RetryCount": 0,
        "Progress": 0,
        "StdoutRedirectPath": "oss://emulator/logs/stdout.job-1.split.1",
        "StderrRedirectPath": "oss://emulator/logs/stderr.job-1.split.1",
        "Result": {"ExitCode": 0, "ErrorCode": "", "ErrorMessage": "", "Detail": ""},
        "Error": {"Code": "", "Message": ""},
        "Outputs": {},
        "NodeIp": "127.0.0.1",
    }


@pytest.mark.parametrize(
    ("given", "topic"),
    [
        ({}, {"Name": "", "Endpoint": "", "Events": []}),
        ({"Notification": None}, {"Name": "", "Endpoint": "", "Events": []}),
        ({"Notification": {"Topic": {}}}, {"Name": "", "Endpoint": "", "Events": []}),
        (
            {"Notification": {"Topic": {"Name": "t", "Events": ["OnJobFailed"], "UserData": "u"}}},
            {"Name": "t", "Endpoint": "", "Events": ["OnJobFailed"], "UserData": "u"},
        ),
    ],
)
def test_a_description_always_has_a_topic(given: dict[str, Any], topic: dict[str, Any]) -> None:
    """Besides what was submitted, the id, and the priority as it is now."""
    entry, course = book_entry(**given)
    shown = documents.description(entry)
    assert shown == {**course.describe(), "Id": "job-1", "Priority": 7, "Notification": {"Topic": topic}}
    assert (shown["Type"], shown["Name"]) == ("DAG", "log-count")
