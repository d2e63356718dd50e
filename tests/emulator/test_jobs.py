import pytest

from monitor.emulator.errors import ServiceError
from monitor.emulator.jobs import DEFAULT_QUOTA, Job, read_job, source_of
from monitor.emulator.xmltext import parse_document

JOB = (
    "<Instance><Job><Name>nightly</Name><Priority>{priority}</Priority><Guid>g1</Guid>"
    "<Tasks>{tasks}</Tasks></Job></Instance>"
)
SQL = (
    "<SQL><Name>t</Name><Config><Property><Name>settings</Name><Value>{}</Value></Property></Config>"
    "<Query>select 1;</Query></SQL>"
)


def _read(tasks: str = SQL.format("{}"), priority: str = "3") -> Job:
    return read_job(parse_document(JOB.format(tasks=tasks, priority=priority).encode()))


def test_a_job_is_read() -> None:
    """Its name, priority, task, query and settings."""
    job = _read(SQL.format('{"odps.task.wlm.quota": "7@c", "n": 1}'))
    assert (job.name, job.priority) == ("nightly", 3)
    assert (job.task, job.kind, job.query) == ("t", "SQL", "select 1;")
    assert job.settings == {"odps.task.wlm.quota": "7@c", "n": "1"}
    assert job.quota == "7@c"


def test_what_is_not_said_has_a_default() -> None:
    """Priority 9, the emulator's quota."""
    job = _read(priority="")
    assert job.priority == 9
    assert job.quota == DEFAULT_QUOTA


@pytest.mark.parametrize(
    ("tasks", "why"),
    [
        ("", "jobs of one task, not of 0"),
        (SQL.format("{}") * 2, "jobs of one task, not of 2"),
        ("<CUPID><Name>t</Name></CUPID>", "kind SQL and SQLRT, not CUPID"),
        ("<SQL><Query>select 1</Query></SQL>", "needs a <Name>"),
        (SQL.format("[1"), "not JSON"),
        (SQL.format("[1]"), "not a JSON object"),
    ],
)
def test_what_the_emulator_cannot_run_is_refused(tasks: str, why: str) -> None:
    """With the reason."""
    with pytest.raises(ServiceError, match=why):
        _read(tasks)


def test_a_priority_must_be_a_number() -> None:
    """Below zero is none."""
    with pytest.raises(ServiceError, match="Priority must be"):
        _read(priority="-1")


@pytest.mark.parametrize("body", [b"<Instance/>", b"<Job><Tasks/></Job>", b"<Other><Job><Tasks/></Job></Other>"])
def test_another_document_is_refused(body: bytes) -> None:
    """A submission has a shape."""
    with pytest.raises(ServiceError, match="a submission is"):
        read_job(parse_document(body))


def test_the_source_is_what_was_submitted() -> None:
    """Clients read the tasks, the priority and the query out of it."""
    job = _read()
    again = read_job(parse_document(f"<Instance>{source_of(job)}</Instance>".encode()))
    assert again == job


def test_a_scripted_job_has_a_source_too() -> None:
    """Although nobody submitted it."""
    job = Job("t", "SQL", "-- scripted <1>", "n", priority=4)
    again = read_job(parse_document(f"<Instance>{source_of(job)}</Instance>".encode()))
    assert (again.task, again.query, again.name, again.priority) == ("t", "-- scripted <1>", "n", 4)
