"""The documents of the service, well formed and otherwise."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.base import Reason, SourceError
from monitor.sources.batchcompute.documents import (
    InstanceRow,
    JobRow,
    Metrics,
    Plan,
    PlannedTask,
    TaskRow,
    page_reader,
    read_error,
    read_id,
    read_plan,
    read_time,
    row_reader,
)
from tests.sources.batchcompute.jobs import ID, instance, job, page, plan, task

read_jobs, read_job = page_reader(JobRow), row_reader(JobRow)
read_tasks, read_instances = page_reader(TaskRow), page_reader(InstanceRow)


def body(*items: Any, marker: object = "") -> bytes:
    """A page as bytes."""
    return str(page(*items, marker=marker).body).encode()


def test_a_page_of_jobs() -> None:
    """All that a row tells, and where the next page is."""
    listing = read_jobs(body(job("Failed", (0, 0, 2, 1, 1), Message="one failed"), marker="next"))
    (row,) = listing.rows
    assert (listing.marker, listing.skipped) == ("next", 0)
    assert (row.id, row.name, row.state, row.owner_id, row.message) == (ID, "log-count", "Failed", 123456, "one failed")
    assert row.instance_metrics == Metrics(0, 0, 2, 1, 1)
    assert (row.instance_metrics.over, row.instance_metrics.total) == (4, 4)


def test_pages_of_tasks_and_instances() -> None:
    """The listing of instances carries what each left behind."""
    (first,) = read_tasks(body(task("count", "Running", (1, 2)))).rows
    (second,) = read_instances(body(instance(1, "Failed", exit_code=7, ErrorCode="ProgramFailed", Detail="bad"))).rows
    assert (first.task_name, first.instance_metrics) == ("count", Metrics(1, 2))
    assert second.result is not None
    assert (second.instance_id, second.result.exit_code, second.result.detail) == (1, 7, "bad")


@pytest.mark.parametrize(
    ("marker", "expected"), [("", ""), (None, ""), (0, ""), ("a", "a"), (100, "100"), ("100", "100")]
)
def test_markers(marker: object, expected: str) -> None:
    """Text or number; nothing, null and zero end the listing."""
    assert read_instances(body(marker=marker)).marker == expected


def test_equal_rows_say_the_same() -> None:
    """Whatever else stands in them."""
    one, other = read_jobs(body(job("Running"), job("Running", Priority=9, New={"x": 1}))).rows
    assert one == other
    assert read_jobs(body(job("Running", (1, 1)))).rows[0] != one


@pytest.mark.parametrize("wrong", [[], "text", 7, None, {}, {"Id": None}, {"Id": 7}, {"Name": "without an id"}])
def test_an_entry_that_is_none_is_skipped(wrong: object) -> None:
    """The others are read."""
    listing = read_jobs(body(job("Running"), wrong, job("Waiting", id_="other"), marker="next"))
    assert [row.id for row in listing.rows] == [ID, "other"]
    assert (listing.skipped, listing.marker) == (1, "next")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Name", 7),
        ("Message", ["no", "text"]),
        ("EndTime", 1700000000),
        ("InstanceMetrics", "many"),
        ("InstanceMetrics", {"FailedCount": -1}),
        ("OwnerId", 1.5),
        ("TaskMetrics", []),
    ],
)
def test_one_wrong_value_costs_no_more_than_itself(field: str, value: object) -> None:
    """Above all the state stays: a failure must not be missed for a number that is none."""
    listing = read_jobs(body(job("Failed", (0, 0, 1, 1), **{field: value}), job("Waiting", id_="other")))
    assert [(row.id, row.state) for row in listing.rows] == [(ID, "Failed"), ("other", "Waiting")]
    assert listing.skipped == 1
    row, maimed = read_job(json.dumps(job("Failed", **{field: value})).encode())
    assert (row.state, maimed) == ("Failed", True)


def test_numbers_in_quotes() -> None:
    """They are numbers all the same."""
    row, maimed = read_job(json.dumps(job("Running", InstanceMetrics={"RunningCount": "3"})).encode())
    assert row.instance_metrics == Metrics(running_count=3)
    assert maimed


@pytest.mark.parametrize("odd", ["", '{"Id": 7},'])
def test_a_page_of_far_more_than_was_asked_for(odd: str) -> None:
    """Is no page of this service: reading it would hold up everything else."""
    rows = '{"Id": "a", "State": "Running"},' * 10_000
    with pytest.raises(SourceError, match="more than 10000 entries") as caught:
        read_jobs(f'{{"Items": [{rows}{odd}{{"Id": "b", "State": "Running"}}]}}'.encode())
    assert caught.value.reason is Reason.MALFORMED


def test_half_a_character() -> None:
    """A text that the service cut in the middle of a surrogate pair spoils neither itself nor the page."""
    text = json.dumps(job("Failed", Message="cut ")).replace("cut ", r"cut \ud83d")
    listing = read_jobs(b'{"NextMarker": "", "Items": [' + text.encode() + b"]}")
    assert listing.rows[0].message == "cut �"


def test_plans() -> None:
    """Tasks in the order in which they were submitted, with what must finish before each."""
    after = {"split": ["count1", "count2"], "count1": ["merge"], "count2": ["merge"], "merge": []}
    read = read_plan(str(plan("split", "count1", "count2", "merge", retries=3, after=after).body).encode())
    assert read == Plan(
        (
            PlannedTask("split", 2, 3),
            PlannedTask("count1", 2, 3, ("split",)),
            PlannedTask("count2", 2, 3, ("split",)),
            PlannedTask("merge", 2, 3, ("count1", "count2")),
        )
    )


def test_a_plan_in_which_everything_depends_on_everything() -> None:
    """Its tasks are told, and not what they depend on: nobody could read that."""
    names = [f"t{number}" for number in range(3000)]
    first, second = names[:1500], names[1500:]
    read = read_plan(str(plan(*names, after=dict.fromkeys(first, second)).body).encode())
    assert [task.name for task in read.tasks] == names
    assert not any(task.depends_on for task in read.tasks)
    layered = read_plan(str(plan(*names[:200], after=dict.fromkeys(names[:100], names[100:200])).body).encode())
    assert [len(task.depends_on) for task in layered.tasks] == [0] * 100 + [100] * 100


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ({}, Plan()),
        ({"Type": "App", "App": {"AppName": ":x"}, "AutoRelease": True}, Plan(released=True)),
        ({"AutoRelease": "yes", "DAG": None}, Plan()),
        ({"DAG": {"Tasks": []}}, Plan()),
        ({"DAG": {"Tasks": {"a": None}, "Dependencies": []}}, Plan((PlannedTask("a"),))),
        (
            {"DAG": {"Tasks": {"a": {"InstanceCount": "many", "MaxRetryCount": -1}}, "Dependencies": {"a": "a"}}},
            Plan((PlannedTask("a"),)),
        ),
        (
            {"DAG": {"Tasks": {"a": {}, "b": {}}, "Dependencies": {"a": ["b", "b", "c", 7], "c": ["a"]}}},
            Plan((PlannedTask("a"), PlannedTask("b", depends_on=("a",)))),
        ),
    ],
)
def test_odd_plans(described: dict[str, Any], expected: Plan) -> None:
    """What is of another shape is left out, names that are no tasks as well."""
    assert read_plan(json.dumps(described).encode()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.000006Z", datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T11:04:05+08:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("", None),
        (None, None),
        ("soon", None),
        ("9999-99-99T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2" * 10_000, None),
    ],
)
def test_times(text: str | None, expected: datetime | None) -> None:
    """UTC; an empty text is no time, and so is an odd one."""
    moment = read_time(text)
    assert moment == expected
    assert moment is None or moment.tzinfo is UTC


def test_ids_of_submitted_jobs() -> None:
    """Under either name."""
    assert read_id(b'{"Id": "job-1"}') == "job-1"
    assert read_id(b'{"Name": "job-1"}') == "job-1"


@pytest.mark.parametrize("answer", [b"{}", b'{"Id": 7}', b"[]", b"", b"<html/>"])
def test_a_submission_without_an_id(answer: bytes) -> None:
    """It may have been taken: that is said."""
    with pytest.raises(SourceError) as caught:
        read_id(answer)
    assert caught.value.reason is Reason.MALFORMED


def test_errors() -> None:
    """Code and message, or neither."""
    assert read_error(b'{"Code": "StateConflict", "Message": "no"}') == ("StateConflict", "no")
    assert read_error(b"not JSON") == ("", "")


READERS: list[tuple[Callable[[bytes], object], bytes]] = [
    (read_jobs, body(job("Running"), job("Failed", id_="other"))),
    (read_tasks, body(task("count", "Running"))),
    (read_instances, body(instance(0, "Failed"))),
    (read_job, json.dumps(job("Running")).encode()),
    (read_plan, str(plan("a", "b", after={"a": ["b"]}).body).encode()),
    (read_id, b'{"Id": "job-1"}'),
]


@pytest.mark.parametrize(("read", "good"), READERS)
@given(data=st.data())
def test_no_bytes_raise_anything_else(read: Callable[[bytes], object], good: bytes, data: st.DataObject) -> None:
    """Whatever happens to a document on its way, it is read or it is malformed."""
    cut = data.draw(st.integers(0, len(good)))
    for text in (good[:cut], good[:cut] + data.draw(st.binary(max_size=8)) + good[cut:], b"[" * 5_000):
        reason = None
        try:
            read(text)
        except SourceError as error:
            reason = error.reason
        assert reason in {None, Reason.MALFORMED}


@pytest.mark.parametrize("answer", [b"", b"null", b"[]", b'{"NextMarker": ""}', b'{"Items": {}}', b"<html/>"])
def test_a_page_that_is_none(answer: bytes) -> None:
    """An answer without a list does not mean that nothing is live."""
    with pytest.raises(SourceError) as caught:
        read_jobs(answer)
    assert caught.value.reason is Reason.MALFORMED
