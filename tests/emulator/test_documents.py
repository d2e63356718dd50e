import json
import xml.etree.ElementTree as ET
from random import Random

import pytest

from monitor.emulator import documents
from monitor.emulator.clock import Clock
from monitor.emulator.documents import Moment
from monitor.emulator.instances import Book, Result
from monitor.emulator.jobs import Job
from monitor.emulator.plan import Outcome, Part, Plan, lay_out

PLAN = lay_out([Part("M", 1, (), 4), Part("R", 2, (1,))], wait=2, seconds=10, queue=7)
CSV = Result('"a"\n1\n', "csv")


def _moment(at: float, plan: Plan = PLAN, result: Result = CSV, name: str = "") -> Moment:
    ticks = [0.0]
    clock = Clock(1, wall=lambda: 1737704061.0 + ticks[0], ticks=lambda: ticks[0])
    job = Job("AnonymousSQLTask", "SQL", "select 1", name)
    instance = Book(clock, Random(1)).add("demo", "ALIYUN$me", job, plan, result)
    ticks[0] = at
    return Moment(instance, clock)


@pytest.mark.parametrize(
    ("at", "plan", "status", "task"),
    [
        (1, PLAN, "Running", "Waiting"),
        (3, PLAN, "Running", "Running"),
        (3, PLAN.paused(3, 5, suspended=True), "Suspended", "Suspended"),
        (10, PLAN, "Terminated", "Success"),
        (6, PLAN.cut(5, Outcome.FAILED), "Terminated", "Failed"),
        (6, PLAN.cut(5, Outcome.CANCELLED), "Terminated", "Cancelled"),
    ],
)
def test_words_of_the_wire(at: float, plan: Plan, status: str, task: str) -> None:
    """Only the task tells waiting from running, and one end from another."""
    moment = _moment(at, plan)
    assert ET.fromstring(documents.status(moment)).findtext("Status") == status
    root = ET.fromstring(documents.task_status(moment))
    assert root.findtext("Status") == status
    assert root.findtext("Tasks/Task/Status") == task
    assert root.find("Tasks/Task").attrib == {"Type": "SQL"}  # type: ignore[union-attr]


def test_times_are_empty_until_they_are_known() -> None:
    """Start with the first worker, end with the last."""
    roots = [ET.fromstring(documents.task_status(_moment(at))) for at in (1, 3, 10)]
    times = [(root.findtext(".//StartTime"), root.findtext(".//EndTime")) for root in roots]
    assert times == [
        ("", ""),
        ("Fri, 24 Jan 2025 07:34:23 GMT", ""),
        ("Fri, 24 Jan 2025 07:34:23 GMT", "Fri, 24 Jan 2025 07:34:31 GMT"),
    ]


def test_a_result_waits_for_the_end() -> None:
    """Rows in base64, failures as they are."""
    assert ET.fromstring(documents.result(_moment(3))).findtext("Tasks/Task/Result") in ("", None)
    result = ET.fromstring(documents.result(_moment(10))).find("Tasks/Task/Result")
    assert result is not None
    assert (result.text, result.attrib) == ("ImEiCjEK", {"Transform": "Base64", "Format": "csv"})
    failed = _moment(6, PLAN.cut(5, Outcome.FAILED), Result("ODPS-1: a < b ]]> c"))
    assert ET.fromstring(documents.result(failed)).findtext("Tasks/Task/Result") == "ODPS-1: a < b ]]> c"


def test_progress_has_every_number_of_every_stage() -> None:
    """And is a document when there are none."""
    stages = ET.fromstring(documents.progress(_moment(4).stages())).findall("Stage")
    assert [stage.get("ID") for stage in stages] == ["M1_Stg1_job_0", "R2_1_Stg1_job_0"]
    wanted = {"BackupWorkers", "TerminatedWorkers", "RunningWorkers", "TotalWorkers", "FinishedPercentage"}
    for stage in stages:
        numbers = {child.tag: int(child.text or "") for child in stage if child.tag != "Status"}
        assert wanted < numbers.keys()
    assert [stage.findtext("Status") for stage in stages] == ["RUNNING", "WAITING"]
    assert len(ET.fromstring(documents.progress(()))) == 0


def test_a_row_of_all_instances() -> None:
    """Id, owner, times, status."""
    row = ET.fromstring(documents.listing([documents.listing_row(_moment(10))], "m1", 5))
    assert (row.findtext("Marker"), row.findtext("MaxItems")) == ("m1", "5")
    instance = row.find("Instance")
    assert instance is not None
    assert [(child.tag, child.text) for child in instance][1:] == [
        ("Owner", "ALIYUN$me"),
        ("StartTime", "Fri, 24 Jan 2025 07:34:21 GMT"),
        ("EndTime", "Fri, 24 Jan 2025 07:34:31 GMT"),
        ("Status", "Terminated"),
    ]


def _live_row(moment: Moment) -> dict[str, object]:
    content = ET.fromstring(documents.live_listing([documents.live_row(moment)], "", 1000)).findtext("Content")
    (row,) = json.loads(content or "")
    assert isinstance(row, dict)
    return row


def test_a_row_of_the_live_ones() -> None:
    """JSON within XML, with place in the queue and progress under both of its names."""
    waiting, running = _live_row(_moment(1, name="a<b>&\"c'\x00")), _live_row(_moment(6))
    assert waiting["jobName"] == "a<b>&\"c'\x00"
    assert (waiting["status"], waiting["waitPos"], waiting["queueLength"]) == ("Running", 4, 7)
    assert waiting["subStatus"] == {
        "start_time": "2025-01-24 15:34:21 +0800",
        "code": 1010,
        "description": "Waiting for scheduling",
    }
    assert waiting["startTime"] == "2025-01-24 15:34:21 +0800"
    assert (running["waitPos"], running["queueLength"]) == (0, 0)
    assert running["instanceProcess"] == running["instanceProgress"]
    assert 0 < float(str(running["instanceProcess"])) < 1
    assert running["taskType"] == "SQL"
    assert running["instancePriority"] == 9


def test_an_error_has_all_four_parts() -> None:
    """Clients drop it otherwise."""
    root = ET.fromstring(documents.error("NoSuchObject", "no <such>", "5A", "http://h"))
    parts = [(child.tag, child.text) for child in root]
    assert parts == [("Code", "NoSuchObject"), ("Message", "no <such>"), ("RequestId", "5A"), ("HostId", "http://h")]
