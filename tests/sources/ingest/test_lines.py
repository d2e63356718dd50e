"""What a line tells. Whatever it holds, reading it does not raise."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import Category, Phase, Stage
from monitor.sources.ingest.lines import TASK, Told, read_line

ID = "20160519101349613gzbzufck2"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"ID = {ID}", Told(instance=ID)),
        (f"  ID={ID}\r\n", Told(instance=ID)),
        (f"ID = {ID}_mcqa", Told(instance=f"{ID}_mcqa")),
        ("OK", Told(phase=Phase.SUCCEEDED)),
        ("OK\n", Told(phase=Phase.SUCCEEDED)),
        ("Job Queueing...", Told(phase=Phase.WAITING)),
        (f"{ID} 2016-05-19 18:14:03 Job Queueing...", Told(instance=ID, phase=Phase.WAITING)),
        ("testTask: running", Told(phase=Phase.RUNNING)),
        ("train: running, predict-2: running", Told(phase=Phase.RUNNING)),
        ("FAILED: Task got cancelled", Told(phase=Phase.CANCELLED)),
        (
            f"{ID} 2016-05-19 18:14:03 M1_Stg1_job0:0/1/1[100%]",
            Told(instance=ID, phase=Phase.RUNNING, stages=(Stage("M1_Stg1_job0", 0, 1, 1, percent=100),)),
        ),
        (
            "2015-11-19 16:39:07 M1_Stg1_job0:0/0/1[0%]\tR2_1_Stg1_job0:0/0/1[0%]\t",
            Told(
                phase=Phase.RUNNING,
                stages=(Stage("M1_Stg1_job0", 0, 0, 1, percent=0), Stage("R2_1_Stg1_job0", 0, 0, 1, percent=0)),
            ),
        ),
        (
            "train: 2026-11-21 18:33:28 M1_job_0:3/2/5(+1 backups)[RUNNING]",
            Told(phase=Phase.RUNNING, stages=(Stage("M1_job_0", 3, 2, 5, backups=1, status="RUNNING"),)),
        ),
        ("M1_Stg1_job0:0/1/", Told(malformed=1)),
    ],
)
def test_what_lines_tell(line: str, told: Told) -> None:
    """Both dialects of progress, and the other lines of the command line."""
    assert read_line(line) == told


@pytest.mark.parametrize(
    ("line", "code", "category", "message"),
    [
        (
            "FAILED: ODPS-0130131:[1,15] Table not found - table x cannot be resolved",
            "ODPS-0130131",
            Category.CODE,
            "ODPS-0130131:[1,15] Table not found - table x cannot be resolved",
        ),
        ("FAILED: it is broken", "", Category.UNKNOWN, "it is broken"),
        ("FAILED:", "", Category.UNKNOWN, "the service left no text about this failure"),
    ],
)
def test_why_it_failed(line: str, code: str, category: Category, message: str) -> None:
    """The code where there is one, the text as it stands, and who has to act."""
    told = read_line(line)
    assert told is not None
    assert told.failure is not None
    assert told.phase is Phase.FAILED
    failure = told.failure
    assert (failure.task, failure.code, failure.category, failure.message) == (TASK, code, category, message)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\t \r\n",
        "Log view:",
        f"http://logview.example/logview/?h=http://service.example/api&p=p1&i={ID}&token=made-up",
        "| OK |",
        "NOT OK",
        "OK, then",
        "ID = 7",
        f"Sub Instance ID = {ID}",
        f"ID = {ID} or another",
        "it FAILED: it did",
        "Job Queueing",
        "somebody is: running late",
        "STAGES: 03/04            [==================>>-----] 86%  ELAPSED TIME: 1.71 s",
        "         STAGES      STATUS  TOTAL  COMPLETED  RUNNING  PENDING  BACKUP",
    ],
)
def test_what_tells_nothing(line: str) -> None:
    """Prose, addresses, tables, and what only resembles a word of the tool."""
    assert read_line(line) is None


WORDS = st.sampled_from(
    ("ID", "=", ID, "OK", "FAILED:", "ODPS-0130131:", "Job Queueing...", "train: running", "M1:0/1/1[100%]", "M1:0/1",
     "2016-05-19 18:14:03", ",", "<Error>", "Task got cancelled", "\x00", "\ud800", "\u202e")
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join)))
def test_no_text_raises(line: str) -> None:
    """And what is told can stand in a JSON document as soon as its text can."""
    told = read_line(line)
    if told is not None and told.phase is Phase.FAILED:
        assert told.failure is not None
        assert json.dumps(told.failure.message)


@pytest.mark.parametrize(
    "line",
    [
        "FAILED:" + "x" * 1_000_000,
        "a: running, " * 100_000,
        "M1:0/1/1 " * 100_000,
        "ID = " + "0" * 1_000_000,
        " " * 10**6,
    ],
)
def test_lines_of_any_length_are_read_in_no_time(line: str) -> None:
    """A megabyte tells nothing but a failure, whose text is cut: no tool prints so many stages."""
    told = read_line(line)
    assert (told is not None) is line.startswith("FAILED:")
    assert told is None or told.failure is None or len(told.failure.message) < 10_000


def test_a_name_of_ten_kilobytes_is_cut() -> None:
    """With a mark, as of any other source."""
    told = read_line(f"{'x' * 10_000}:0/1/1[100%] M1:0/1/1[100%]")
    assert told is not None
    assert told.stages is not None
    first, second = told.stages
    assert len(first.name) <= 256
    assert (first.total, second) == (1, Stage("M1", 0, 1, 1, percent=100))
