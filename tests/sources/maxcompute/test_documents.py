"""The documents of the instance API, well formed and otherwise."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import Stage
from monitor.sources.base import Reason, SourceError
from monitor.sources.maxcompute.documents import (
    QueryState,
    Row,
    TaskRow,
    is_instance_id,
    read_connection,
    read_error,
    read_job_name,
    read_listing,
    read_progress,
    read_query,
    read_queueing,
    read_results,
    read_steps,
    read_task_status,
    read_token,
    split_id,
)
from tests.sources.scripted import instance, queueing, results, rows, stages, task

ID = "20250124073421123gabc0def1"
STARTED = datetime(2025, 1, 24, 7, 34, 22, tzinfo=UTC)

READERS: list[tuple[Callable[[bytes], object], bytes]] = [
    (read_task_status, instance("Running", task("Running"), task("Waiting", "Second")).encode()),
    (read_progress, stages((3, 2, 5, 40), (0, 0, 1, 0)).encode()),
    (read_results, results(AnonymousSQLTask="ODPS-0130131:[1,15] Table not found").encode()),
    (read_listing, rows((ID, "Running"), ("other", "Terminated"), marker="next").encode()),
    (read_queueing, queueing('[{"instanceId":"a<b"}]', marker="next").encode()),
    (read_job_name, b"<Job><Name>etl_orders</Name><Tasks><SQL><Name>T</Name></SQL></Tasks></Job>"),
    (read_token, b"<Authorization><Result>token==</Result></Authorization>"),
]


def test_task_status() -> None:
    """Status, and each task's name, type, word and times."""
    body = instance("Terminated", task("Success", ended="Fri, 24 Jan 2025 07:34:51 GMT")).encode()
    read = read_task_status(body)
    assert read.status == "Terminated"
    assert read.tasks == (
        TaskRow("AnonymousSQLTask", "SQL", "Success", STARTED, datetime(2025, 1, 24, 7, 34, 51, tzinfo=UTC)),
    )


def test_task_status_in_another_order_with_more_in_it() -> None:
    """Order, unknown elements and earlier attempts change nothing."""
    body = b"""<Instance><New>1</New><Tasks><Task Type="SQL" Odd="x"><Status>Failed</Status><Histories><History>
        <Name>earlier</Name><Status>Running</Status></History></Histories><Name>T</Name></Task></Tasks>
        <Status>Terminated</Status></Instance>"""
    read = read_task_status(body)
    assert read.status == "Terminated"
    assert [(row.name, row.status) for row in read.tasks] == [("T", "Failed")]


@pytest.mark.parametrize("body", ["<Instance/>", "<Instance><Tasks/></Instance>", "<Instance><Status/></Instance>"])
def test_task_status_that_says_nothing(body: str) -> None:
    """An answer without status and tasks is read, and says nothing."""
    read = read_task_status(body.encode())
    assert (read.status, read.tasks) == ("", ())


def test_progress() -> None:
    """All numbers, the status word in capitals, and the name as it stands."""
    body = b"""<Progress><Stage ID="R2_1_job_0"><Status>running</Status><BackupWorkers>1</BackupWorkers>
        <TerminatedWorkers>2</TerminatedWorkers><RunningWorkers>3</RunningWorkers><TotalWorkers>5</TotalWorkers>
        <OutRecords>9</OutRecords><FinishedPercentage>40</FinishedPercentage></Stage></Progress>"""
    read = read_progress(body)
    assert read.stages == (Stage("R2_1_job_0", 3, 2, 5, 1, 40, "RUNNING"),)
    assert read.skipped == 0


def test_no_stages_yet() -> None:
    """A queued task has an empty list, which is an answer."""
    assert read_progress(b"<Progress/>").stages == ()


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("<TotalWorkers/>", None),
        ("<TotalWorkers>five</TotalWorkers>", None),
        ("<TotalWorkers>-5</TotalWorkers>", None),
        ("<TotalWorkers>9999999999999999999999</TotalWorkers>", None),
        ("<TotalWorkers>٣</TotalWorkers>", None),
        ("<TotalWorkers>5</TotalWorkers><FinishedPercentage>101</FinishedPercentage>", None),
        ("<TotalWorkers>5</TotalWorkers><FinishedPercentage>-1</FinishedPercentage><Status>ODD</Status>", None),
    ],
)
def test_numbers_are_never_guessed(element: str, expected: None) -> None:
    """A stage without its counts is left out and counted; an odd percentage or status word is unknown."""
    counts = "<TerminatedWorkers>1</TerminatedWorkers><RunningWorkers>1</RunningWorkers>"
    good = stages((0, 1, 1, 100)).removeprefix("<Progress>").removesuffix("</Progress>")
    read = read_progress(f'<Progress><Stage ID="M2">{counts}{element}</Stage>{good}</Progress>'.encode())
    assert read.stages[-1] == Stage("M1_job_0", 0, 1, 1, 0, 100, "RUNNING")
    assert len(read.stages) + read.skipped == 2
    if not read.skipped:
        assert read.stages[0] == Stage("M2", 1, 1, 5)
        assert read.stages[0].percent is expected


def test_long_names_are_cut_with_a_mark() -> None:
    """A stage name of ten thousand characters fits a page afterwards."""
    body = stages((0, 0, 1, 0)).replace("M1_job_0", "M" * 10_000).encode()
    (stage,) = read_progress(body).stages
    assert len(stage.name) == 256
    assert stage.name.endswith("…")


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ('<Result Transform="Base64" Format="text">T0RQUzog5Lit</Result>', "ODPS: 中"),
        ('<Result Transform="base64">T0RQ\n UzogeA==</Result>', "ODPS: x"),
        ("<Result><![CDATA[a < b]]></Result>", "a < b"),
        ("<Result>plain</Result>", "plain"),
        ('<Result Transform="Base64">not base64!</Result>', "not base64!"),
        ('<Result Transform="Base64">AAA</Result>', "AAA"),
        ('<Result Transform="Base64">/w==</Result>', "\ufffd"),
        ("<Result/>", ""),
        ("", ""),
    ],
)
def test_result_texts(element: str, expected: str) -> None:
    """Base64, CDATA and plain text are read; what is not Base64 after all is shown as it came; absent is empty."""
    body = f"<Instance><Tasks><Task><Name>T</Name>{element}</Task></Tasks></Instance>".encode()
    assert read_results(body) == {"T": expected}


def test_results_of_nothing() -> None:
    """An instance without tasks has no results."""
    assert read_results(b"<Instance/>") == {}


@given(st.text())
def test_any_text_survives_base64(text: str) -> None:
    """What was encoded is what is read."""
    encoded = b64encode(text.encode()).decode()
    body = (
        f'<Instance><Tasks><Task><Name>T</Name><Result Transform="Base64">{encoded}</Result></Task></Tasks></Instance>'
    )
    assert read_results(body.encode()) == {"T": text}


def test_a_listing() -> None:
    """Marker and rows with their times; the end only where there is one."""
    read = read_listing(rows((ID, "Running"), ("b", "Terminated"), marker="next").encode())
    at = datetime(2025, 1, 24, 7, 34, 21, tzinfo=UTC)
    end = datetime(2025, 1, 24, 7, 40, tzinfo=UTC)
    assert read.marker == "next"
    assert read.rows == (
        Row(ID, "ALIYUN$me@example.test", "Running", at, None),
        Row("b", "ALIYUN$me@example.test", "Terminated", at, end),
    )


def test_a_listing_leaves_out_rows_without_an_id() -> None:
    """A row that names nothing is counted, the others are used; an empty listing is one."""
    read = read_listing(rows(("", "Running"), ("../x", "Running"), ("b", "Running")).encode())
    assert [row.id for row in read.rows] == ["b"]
    assert read.skipped == 2
    assert read_listing(b"<Instances/>").rows == ()


def test_the_envelope_of_the_queue() -> None:
    """The content comes out unescaped; without one it is malformed."""
    assert read_queueing(queueing('[{"a":"<&>"}]', marker="m").encode()) == ("m", '[{"a":"<&>"}]')
    with pytest.raises(SourceError, match="no <Content>"):
        read_queueing(b"<Instances><Marker/></Instances>")


def test_the_name_of_a_job() -> None:
    """Its own and not that of a task in it; empty where it has none."""
    assert read_job_name(b"<Job><Tasks><SQL><Name>T</Name></SQL></Tasks><Name> etl </Name></Job>") == "etl"
    assert read_job_name(b"<Job><Tasks><SQL><Name>T</Name></SQL></Tasks></Job>") == ""


def test_a_token_must_be_there() -> None:
    """An answer without a token is malformed."""
    assert read_token(READERS[-1][1]) == "token=="
    with pytest.raises(SourceError, match="no token"):
        read_token(b"<Authorization><Result> </Result></Authorization>")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<Error><Message>why</Message><Code>NoSuchObject</Code></Error>", ("NoSuchObject", "why")),
        (b"<Error><Code>NoSuchObject</Code></Error>", ("NoSuchObject", "")),
        (b' {"Code":"NoSuchObject","Message":"why","HostId":1}', ("NoSuchObject", "why")),
        (b'{"Code":1}', ("", "")),
        (b"{" + b'"a":[' * 100_000, ("", "")),
        (b"<html><body>502 Bad Gateway</body></html>", ("", "")),
        (b"", ("", "")),
        (b"\xff\xfe", ("", "")),
    ],
)
def test_error_documents(body: bytes, expected: tuple[str, str]) -> None:
    """XML and JSON are read as far as they go; anything else tells nothing."""
    assert read_error(body) == expected


@pytest.mark.parametrize("id_", [ID, f"{ID}_mcqa", "a", "a-b_C9"])
def test_ids(id_: str) -> None:
    """Letters, digits, underscores and dashes."""
    assert is_instance_id(id_)


@pytest.mark.parametrize("id_", ["", ".", "..", "a/b", "a b", "a%2f", "中", "²", "x" * 129, "a\n"])
def test_what_is_no_id(id_: str) -> None:
    """What would not survive a URL is no id of this service."""
    assert not is_instance_id(id_)


@given(st.data())
def test_damaged_bodies(data: st.DataObject) -> None:
    """Truncate a body, or change bytes in it: it is read or it is malformed, and nothing else ever happens."""
    reader, body = data.draw(st.sampled_from(READERS))
    damaged = bytearray(body[: data.draw(st.integers(0, len(body)))] if data.draw(st.booleans()) else body)
    for _ in range(data.draw(st.integers(0, 5)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(reader, bytes(damaged)) in {None, Reason.MALFORMED}
    assert all(isinstance(text, str) for text in read_error(bytes(damaged)))


def outcome(reader: Callable[[bytes], object], body: bytes) -> Reason | None:
    """Why it was refused, or None if it was read."""
    try:
        reader(body)
    except SourceError as error:
        return error.reason
    return None


def test_steps_of_a_workflow() -> None:
    """Those that are instances, each once, each under its own name, in the order in which they began."""
    body = b"""<Xinstance><Actions><Action NodeType="Local"><InstanceId/><Name>start</Name></Action>
    <Action NodeType="Instance"><InstanceId>i1</InstanceId><Name>train</Name><Result Format="text">x</Result></Action>
    <Action NodeType="SubWorkflow"><Name>sub</Name><InstanceId>i2</InstanceId></Action>
    <Action NodeType="Instance"><InstanceId>i3</InstanceId><Name>train</Name></Action>
    <Action NodeType="Instance"><InstanceId>i1</InstanceId><Name>again</Name></Action>
    <Action NodeType="Instance"><InstanceId>no/id</InstanceId><Name>odd</Name></Action>
    <Action NodeType="Instance"><InstanceId>i4</InstanceId></Action></Actions></Xinstance>"""
    steps = [("train", "i1", False), ("sub", "i2", True), ("train (3)", "i3", False), ("i4", "i4", False)]
    assert [(step.name, step.id, step.is_workflow) for step in read_steps(body) or ()] == steps


@pytest.mark.parametrize("body", [b"<Xinstance/>", b"<Xinstance><Actions/></Xinstance>"])
def test_no_steps_are_no_workflow(body: bytes) -> None:
    """One that has begun has at least the step that the service does itself."""
    assert read_steps(body) is None
    assert read_steps(b'<X><Actions><Action NodeType="Local"/></Actions></X>'.replace(b"X>", b"Xinstance>")) == ()


@pytest.mark.parametrize(("text", "parts"), [("a1", ("a1", "")), ("a1_mcqa", ("a1_mcqa", "")), ("a1:20", ("a1", "20"))])
def test_ids_of_queries_within_a_session(text: str, parts: tuple[str, str]) -> None:
    """The instance, and the number of the query."""
    assert split_id(text) == parts


@pytest.mark.parametrize("text", ["", ":1", "a1:", "a1:x", "a/b", "a1:1:2", "a1:-1"])
def test_what_cannot_be_an_id(text: str) -> None:
    """It is named."""
    with pytest.raises(ValueError, match="cannot be an id"):
        split_id(text)


def test_a_connection_is_a_header() -> None:
    """What could not be one is left out."""
    assert read_connection(b'{"connInfo":"made-up","quotaType":"FUXI_VW"}') == "made-up"
    assert read_connection(b"{}") == read_connection(b'{"connInfo":"two\\nlines"}') == ""
    with pytest.raises(SourceError):
        read_connection(b"<html>")


def test_how_a_query_stands() -> None:
    """An empty answer tells nothing; a result may be null."""
    assert read_query(b" ") is None
    assert read_query(b'{"status":5,"result":null,"subQueryId":3}') == QueryState(5, None)
    with pytest.raises(SourceError):
        read_query(b"busy")
