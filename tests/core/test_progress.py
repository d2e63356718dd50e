import re
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odps.models.instance import Instance

from monitor.core.model import Stage
from monitor.core.progress import (
    ProgressLine,
    StageName,
    encode_line,
    format_stages,
    parse_line,
    ratio,
    stage_name,
)

ID = "20160519101349613gzbzufck2"
TIME = "2016-05-19 18:14:03"
LARGEST = 2**63 - 1

# Progress lines as they are seen in the wild.
SAMPLES = """\
2015-11-19 16:39:07 M1_Stg1_job0:0/0/1[0%]\tR2_1_Stg1_job0:0/0/1[0%]
20160519101349613gzbzufck2 2016-05-19 18:14:03 M1_Stg1_job0:0/1/1[100%]
2016-10-17 01:20:57 M1_Stg1_job0:1/0/1[0%]
Job Queueing...
testTask: running
         STAGES      STATUS  TOTAL  COMPLETED  RUNNING  PENDING  BACKUP
STAGES: 03/04            [==================>>-----] 86%  ELAPSED TIME: 1.71 s
2015-8-11 16:40:20\t\tinvalid json
M1_Stg1
R2_1_Stg1
M1
R2_1
M2_Stg1
J3_1_2_Stg1
J4_2_3
M5_3_4
M2Stg1
task_Nzg3ODAwNDgzMTAwNTc2NTQ2Mw==
MergeTask
R2_1_Stg1FS_6415
M1_Stg1FS_17396543
R2_1FS_DataSink_6
M1_Stg1_00000
"""


def stages_of(line: str) -> tuple[Stage, ...]:
    parsed = parse_line(line)
    return parsed.stages if parsed else ()


# --- names --------------------------------------------------------------------------------------------------------

OPAQUE = StageName(kind=None, id=None, depends_on=(), job=None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("M1", StageName("M", 1, (), None)),
        ("M1_Stg1", StageName("M", 1, (), None)),
        ("M2_Stg1", StageName("M", 2, (), None)),
        ("R2_1", StageName("R", 2, (1,), None)),
        ("R2_1_Stg1", StageName("R", 2, (1,), None)),
        ("J3_1_2_Stg1", StageName("J", 3, (1, 2), None)),
        ("J4_2_3", StageName("J", 4, (2, 3), None)),
        ("M5_3_4", StageName("M", 5, (3, 4), None)),
        ("R6_3_9_Stg2_job0", StageName("R", 6, (3, 9), 0)),
        ("M1_Stg1_job_12", StageName("M", 1, (), 12)),
        ("M1_job_0", StageName("M", 1, (), 0)),
        ("LocalM7_6", StageName("LocalM", 7, (6,), None)),
        (f"M1_Stg1_ads_{ID}_SQL_0_0_0_job0", StageName("M", 1, (), 0)),
        (f"R2_1_Stg1_my_own_project_2_{ID}_LOT_0_1_12_job_3", StageName("R", 2, (1,), 3)),
        (f"M1_ads_{ID}_mcqa_SQL_0_0_0", StageName("M", 1, (), None)),
    ],
)
def test_a_name_tells_kind_id_dependencies_and_job(name: str, expected: StageName) -> None:
    """A structured name, short or with project and instance inside, is read to its parts."""
    assert stage_name(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "M2Stg1",
        "task_Nzg3ODAwNDgzMTAwNTc2NTQ2Mw==",
        "MergeTask",
        "R2_1_Stg1FS_6415",
        "M1_Stg1FS_17396543",
        "R2_1FS_DataSink_6",
        "M1_Stg1_00000",
        "",
        "m1",
        "1",
        "_1",
        "M_1",
        "M1_",
        "M1_Stg",
        "M1_job",
        "M1_job0_Stg1",
        f"M1_{ID}_SQL_0_0_0",
        f"M1_ads_{ID}_SQL_0_0",
        "M1\n",
        "M١_٢",
        f"M{10**18}",
        f"M1_{10**18}",
    ],
)
def test_a_name_without_the_structure_is_opaque(name: str) -> None:
    """What does not keep to the grammar as a whole gives no kind, no id and no dependencies."""
    assert stage_name(name) == OPAQUE


@pytest.mark.parametrize(
    "name",
    ["M1" + "_1" * 10**6, "M1_" + "a_" * 10**6, "M1_a" + "_11111111" * 10**5, "M1_a" + "_11111111" * 100, "M" * 10**6],
)
def test_a_name_may_have_any_length(name: str) -> None:
    """An endless name is opaque or structured, and never slow."""
    assert stage_name(name) == OPAQUE


@given(st.text())
def test_any_text_is_a_name(name: str) -> None:
    """No name raises, and one that has an id has a kind as well."""
    read = stage_name(name)
    assert (read.kind is None) == (read.id is None)


# --- stages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("M1_Stg1_job0:0/1/1[100%]", Stage("M1_Stg1_job0", 0, 1, 1, 0, 100)),
        ("M1:3/2/5(+1 backups)[40%]", Stage("M1", 3, 2, 5, 1, 40)),
        ("R6_3_9_Stg2_job0:1/1046/1047(+1 backups)[100%]", Stage("R6_3_9_Stg2_job0", 1, 1046, 1047, 1, 100)),
        ("M1:3/2/5(+0 backups)[0%]", Stage("M1", 3, 2, 5, 0, 0)),
        ("M1_job_0:0/1/1[TERMINATED]", Stage("M1_job_0", 0, 1, 1, 0, None, "TERMINATED")),
        ("M1:3/2/5(+1 backups)[RUNNING]", Stage("M1", 3, 2, 5, 1, None, "RUNNING")),
        ("M1:0/0/7[NEVERSEEN]", Stage("M1", 0, 0, 7, 0, None, "NEVERSEEN")),
        ("M1:0/1/1", Stage("M1", 0, 1, 1)),
        ("M1:3/2/5(+1 backups)", Stage("M1", 3, 2, 5, 1)),
        ("MergeTask:0/0/0[0%]", Stage("MergeTask", 0, 0, 0, 0, 0)),
        ("task_Nzg3ODAw==:1/0/1[0%]", Stage("task_Nzg3ODAw==", 1, 0, 1, 0, 0)),
        (f"M1_Stg1_ads_{ID}_SQL_0_0_0_job0:0/1/1[1%]", Stage(f"M1_Stg1_ads_{ID}_SQL_0_0_0_job0", 0, 1, 1, 0, 1)),
        ("<script>\0\u202e:0/1/1[1%]", Stage("<script>\0\u202e", 0, 1, 1, 0, 1)),
        ("[RUNNING]:0/1/1[1%]", Stage("[RUNNING]", 0, 1, 1, 0, 1)),
        ("M1:0/5/3[99%]", Stage("M1", 0, 5, 3, 0, 99)),
        (
            f"M1:{LARGEST}/{LARGEST}/{LARGEST}(+{LARGEST} backups)[1%]",
            Stage("M1", LARGEST, LARGEST, LARGEST, LARGEST, 1),
        ),
    ],
)
def test_each_form_of_a_stage(word: str, expected: Stage) -> None:
    """Percent, status or no bracket, with or without backups, any name: what stands there is read, nothing else."""
    assert parse_line(word) == ProgressLine(None, None, (expected,), 0)


@pytest.mark.parametrize("line", ["{0}\t{1}", "{0} {1}", "{0}\t{1}\t\r\n", "  {0}\t\t{1}  ", "{0}, {1}", "{0}\t, {1},"])
@pytest.mark.parametrize("first", ["M1:0/1/1[100%]", "M1:0/1/1[RUNNING]", "M1:0/1/1", "M1:0/1/1(+2 backups)"])
def test_stages_stand_apart_by_tab_space_or_comma(line: str, first: str) -> None:
    """TAB, spaces and the comma between tasks separate stages, in every form."""
    assert format_stages(stages_of(line.format(first, "R2_1:1/0/2[50%]"))) == f"{first}\tR2_1:1/0/2[50%]"


@pytest.mark.parametrize(
    "word",
    [
        "M1:1/2[50%]",
        "M1:1/2",
        "M1:a/b/c[0%]",
        "M1:a/b/c[RUNNING]",
        "M1:a/b/c(+1 backups)[0%]",
        "M1:1//3[0%]",
        "M1:1/2/3/4[0%]",
        "M1:1/2/3[50",
        "M1:1/2/3[50%",
        "M1:1/2/3[50]",
        "M1:1/2/3[]",
        "M1:1/2/3[%]",
        "M1:1/2/3[None%]",
        "M1:None/1/2[50%]",
        "M1:1/2/3[101%]",
        "M1:1/2/3[-1%]",
        "M1:1/2/3[50.5%]",
        "M1:1/2/3[Running]",
        "M1:1/2/3[50%]x",
        "M1:1/2/3[50%][RUNNING]",
        "M1:1/2/3x",
        "M1:+1/2/3[50%]",
        "M1:-1/2/3[50%]",
        "M1:1/2/-3[50%]",
        "M1:1_0/2/3[50%]",
        "M1:١/٢/٣[50%]",
        "M1:1/2/3(+1 backup)[50%]",
        "M1:1/2/3(+ backups)[50%]",
        "M1:1/2/3(1 backups)[50%]",
        "M1:1/2/3(+1backups)[50%]",
        "M1:1/2/3(+1  backups)[50%]",
        "M1:1/2/3 [50%]",
        "M1:1/2/3\t(+1 backups)[50%]",
        "M1:1/2/3(+1 backups) [50%]",
        "M1: 1/2/3[50%]",
        ":1/2/3[50%]",
        "M1::1/2/3[50%]",
        "task:M1:1/2/3[50%]",
        "M1:1/2/3[50%],R2:1/2/3[50%]",
        f"M1:0/0/{LARGEST + 1}[0%]",
        f"M1:0/0/1(+{LARGEST + 1} backups)[0%]",
        f"M1:{'9' * 10_000}/0/1[0%]",
        f"M1:0/0/1[{'9' * 10_000}%]",
    ],
)
def test_a_malformed_word_is_counted_and_never_guessed_at(word: str) -> None:
    """It gives no stage, it is counted once, and its neighbours are read all the same."""
    alone = parse_line(word)
    assert alone is not None
    assert (alone.stages, alone.skipped) == ((), 1)
    among = parse_line(f"{TIME} J1:0/1/1[100%]\t{word}\tJ2:1/0/1[0%]\t")
    assert among is not None
    assert among.stages == (Stage("J1", 0, 1, 1, 0, 100), Stage("J2", 1, 0, 1, 0, 0))
    assert among.skipped == 1


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        f"{TIME} ",
        f"{ID} {TIME} ",
        f"{TIME} Session starting: 1/2 [50%]",
        "M1_job_0..........   RUNNING      3          1        2        0       0",
        "http://service.example:8080/api/projects/p/instances/1/2/3[50%]",
        "localhost:8080/api",
        "File query.py:12 in a/b/c",
        "[1/3] compiling: a/b",
        "ratio 3/4 at 50%",
        "a:b/c",
        f"{TIME} | 1/2/3",
    ],
)
def test_prose_holds_no_progress(line: str) -> None:
    """Headers alone, addresses, tables and sentences are neither progress nor malformed."""
    assert parse_line(line) is None


def test_every_sample_line() -> None:
    """Of the lines known from the wild three hold progress, and bare names and tables do not."""
    first = Stage("M1_Stg1_job0", 0, 0, 1, 0, 0)
    expected = {
        0: ProgressLine(None, "2015-11-19 16:39:07", (first, Stage("R2_1_Stg1_job0", 0, 0, 1, 0, 0)), 0),
        1: ProgressLine(ID, TIME, (Stage("M1_Stg1_job0", 0, 1, 1, 0, 100),), 0),
        2: ProgressLine(None, "2016-10-17 01:20:57", (Stage("M1_Stg1_job0", 1, 0, 1, 0, 0),), 0),
    }
    assert [parse_line(line) for line in SAMPLES.splitlines()] == [expected.get(at) for at in range(23)]


def test_a_name_that_begins_with_a_bracket_is_no_part_of_the_stage_before() -> None:
    """Only a bracket that stands alone is taken for one that was torn off."""
    line = "M1:0/1/1 [x:0/1/1[1%] M2:0/1/1 (+1:0/1/1"
    assert [stage.name for stage in stages_of(line)] == ["M1", "[x", "M2", "(+1"]


def test_what_pyodps_prints_is_read_back() -> None:
    """The formatter of the real client and this grammar agree."""
    stage = (
        '<Stage ID="{}"><RunningWorkers>{}</RunningWorkers><TerminatedWorkers>{}</TerminatedWorkers>'
        "<TotalWorkers>{}</TotalWorkers><BackupWorkers>{}</BackupWorkers>"
        "<FinishedPercentage>{}</FinishedPercentage></Stage>"
    )
    xml = f"<Progress>{stage.format('M1_job_0', 3, 2, 5, 1, 40)}{stage.format('R2_1_job_0', 0, 0, 1, 0, 0)}</Progress>"
    printed = Instance.Task.TaskProgress.parse(None, xml).get_stage_progress_formatted_string()
    parsed = parse_line(f"{ID} {printed}")
    assert parsed == ProgressLine(
        ID, printed[:19], (Stage("M1_job_0", 3, 2, 5, 1, 40), Stage("R2_1_job_0", 0, 0, 1, 0, 0)), 0
    )


# --- what stands before the stages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "instance", "time"),
    [
        ("", None, None),
        (f"{TIME} ", None, TIME),
        (f"{ID} ", ID, None),
        (f"{ID} {TIME} ", ID, TIME),
        (f"{TIME} {ID} ", ID, TIME),
        (f"  {ID}\t{TIME}\t", ID, TIME),
        (f"{ID}_mcqa {TIME} ", f"{ID}_mcqa", TIME),
        (f"testTask: {TIME} ", None, TIME),
        (f"a: running, testTask: {ID} {TIME} ", ID, TIME),
        (f"2016-05-19 18:14:04,123 INFO odps: {ID} {TIME} ", ID, TIME),
        (f"2016-05-18 00:00:00 cron: {ID} {TIME} ", ID, TIME),
        ("2016-05-19T18:14:03 ", None, None),
        ("2016-5-19 18:14:03 ", None, None),
        ("2016-05-19  18:14:03 ", None, None),
        ("2016-05-19 18:14 ", None, None),
        ("2016-05-19 18:14:03.5 ", None, None),
        ("x2016-05-19 18:14:03 ", None, None),
        ("2016-13-19 18:14:03 ", None, None),
        ("2016-02-30 18:14:03 ", None, None),
        ("0000-01-01 18:14:03 ", None, None),
        ("2016-05-19 24:14:03 ", None, None),
        ("2016-05-19 18:60:03 ", None, None),
        ("2016-05-19 18:14:61 ", None, None),
        ("２０１６-05-19 18:14:03 ", None, None),
        ("2016051910134961gzbzufck2 ", None, None),
        ("20160519101349613 ", None, None),
        (f"{ID}_other ", None, None),
        (f"x{ID} ", None, None),
    ],
)
def test_instance_and_time_stand_before_the_first_stage(before: str, instance: str | None, time: str | None) -> None:
    """They are kept as written when they have their shape, the nearest to the stages; else they are unknown."""
    assert parse_line(f"{before}M1:0/1/1[100%]") == ProgressLine(instance, time, (Stage("M1", 0, 1, 1, 0, 100),), 0)


def test_several_tasks_on_one_line() -> None:
    """Stages of all tasks are read in order; times between them do not replace the first."""
    line = f"{ID} {TIME} M1_job_0:0/1/1[100%]\t 2016-05-19 18:14:04 R2_1_job_0:1/0/1[0%]\t, other: running"
    stages = (Stage("M1_job_0", 0, 1, 1, 0, 100), Stage("R2_1_job_0", 1, 0, 1, 0, 0))
    assert parse_line(line) == ProgressLine(ID, TIME, stages, 0)


# --- hostile text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile",
    [
        "a", ":", " ", "/", "1", "1/", "a:", "a:1/", ":/", "/[(", "a:/[", "a:[/", "[", "a ", "1/2/3[",
        "9" * 17 + "g", f"{TIME} ", "a:1/2/3  ", "a:1/2/3(+1 ", "a:1/2/3(+1 backups", "(+",
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "a:1/2/3", "a:/", f"{ID}"])
def test_a_line_of_any_length_is_read_in_linear_time(before: str, hostile: str) -> None:
    """Half a megabyte of anything returns: with any backtracking these would take hours."""
    parsed = parse_line(f"{before}{hostile * (500_000 // len(hostile))}/")
    assert parsed is None or parsed.skipped or parsed.stages


def test_ten_megabytes_on_one_line() -> None:
    """Every stage of a huge line is read, and one huge word is one word."""
    parsed = parse_line("M1_Stg1_job0:12/345/6789(+1 backups)[99%]\t" * 240_000)
    assert parsed is not None
    assert (len(parsed.stages), parsed.skipped) == (240_000, 0)
    assert stages_of("M" * 10**7 + ":0/1/1[0%]")[0].name == "M" * 10**7


@given(st.text() | st.text(alphabet="M1:/[]%(+ )\tbackups2016-05g,\n"))
def test_no_text_raises(line: str) -> None:
    """Whatever the line holds, there is an answer, and it can be encoded."""
    parsed = parse_line(line)
    if parsed is not None:
        assert msgspec.json.decode(encode_line(1, parsed))["line"] == 1


# --- there and back -----------------------------------------------------------------------------------------------

counts = st.integers(0, LARGEST)
names = st.text(min_size=1).map(lambda text: re.sub(r"[\s:]", "_", text)) | st.sampled_from(["M1", "R2_1_Stg1_job_0"])
percents = st.builds(Stage, names, counts, counts, counts, counts, st.integers(0, 100), st.none())
statuses = st.sampled_from([None, "READY", "RUNNING", "TERMINATED", "CANCELLING"])
words = st.builds(Stage, names, counts, counts, counts, counts, st.none(), statuses)
HEADERS = ["", f"{TIME} ", f"{ID} {TIME} ", f"{ID} ", "task: ", f"task: {ID}_mcqa {TIME} "]


@given(st.sampled_from(HEADERS), st.lists(percents | words, min_size=1), st.sampled_from(["\t", " ", ", ", " \t "]))
def test_what_is_written_is_read_back(header: str, stages: list[Stage], apart: str) -> None:
    """Any stages, in either dialect and behind any header, come back equal."""
    line = header + apart.join(format_stages([stage]) for stage in stages)
    assert parse_line(line) == ProgressLine(
        next((word for word in header.split() if word.startswith(ID)), None),
        TIME if TIME in header else None,
        tuple(stages),
        0,
    )


def literally(stage: Stage) -> str:
    """A pattern of every text that says exactly this stage."""
    backups = rf"\(\+0*{stage.backups} backups\)" + ("" if stage.backups else "|")
    state = ""
    if stage.percent is not None:
        state = rf"\[0*{stage.percent}%\]"
    elif stage.status is not None:
        state = rf"\[{stage.status}\]"
    counted = rf"0*{stage.running}/0*{stage.terminated}/0*{stage.total}"
    return rf"(?<!\S){re.escape(stage.name)}:{counted}(?:{backups}){state},?(?!\S)"


def replaced(line: str, at: int, text: str) -> str:
    return line[:at] + text + line[at + 1 :]


def inserted(line: str, at: int, text: str) -> str:
    return line[:at] + text + line[at:]


def cut(line: str, at: int, text: str) -> str:
    return line[at:] if text > "M" else line[:at]


@given(
    st.lists(percents | words, min_size=1, max_size=3).map(format_stages),
    st.lists(
        st.tuples(
            st.sampled_from([replaced, inserted, cut]),
            st.floats(0, 1),
            st.sampled_from(" \t:/[]%()+,0aM") | st.characters(),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_a_mutated_line_gives_only_what_it_literally_says(
    line: str, mutations: list[tuple[Callable[[str, int, str], str], float, str]]
) -> None:
    """However a line is damaged, every stage read from it stands in it to the letter."""
    for mutate, where, text in mutations:
        line = mutate(line, int(where * len(line)), text)
    for stage in stages_of(line):
        assert re.search(literally(stage), line)


# --- writing, adding up, and JSON ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([], ""),
        ([Stage("M1", 0, 1, 1, 0, 100, "TERMINATED")], "M1:0/1/1[100%]"),
        ([Stage("M1", 0, 0, 1, 0, 0)], "M1:0/0/1[0%]"),
        ([Stage("M1", 3, 2, 5, 1, None, "RUNNING")], "M1:3/2/5(+1 backups)[RUNNING]"),
        ([Stage("M1", 3, 2, 5, 1)], "M1:3/2/5(+1 backups)"),
        ([Stage("M1", 0, 1, 1, 0, 100), Stage("R2_1", 1, 0, 2)], "M1:0/1/1[100%]\tR2_1:1/0/2"),
    ],
)
def test_stages_are_written_as_the_services_tools_do(stages: list[Stage], expected: str) -> None:
    """Percent before status, neither where neither is known, backups only where there are some, TAB between."""
    assert format_stages(stages) == expected


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([], None),
        ([Stage("M1", 0, 0, 0)], None),
        ([Stage("M1", 0, 7, 0), Stage("R2_1", 0, 1, 2)], 0.5),
        ([Stage("M1", 0, 3, 3), Stage("R2_1", 1, 0, 1)], 0.75),
        ([Stage("M1", 0, 0, 5)], 0.0),
        ([Stage("M1", 0, 5, 3)], 1.0),
        ([Stage("M1", 0, -5, 3)], 0.0),
        ([Stage("M1", 0, 2, 2), Stage("R2_1", 0, 3, -3)], 1.0),
    ],
)
def test_the_ratio_counts_workers_that_have_ended(stages: list[Stage], expected: float | None) -> None:
    """Over stages that have planned workers, within 0..1, and unknown while there are none."""
    assert ratio(stages) == expected


def test_a_line_is_encoded_as_the_contract_says() -> None:
    """Keys, their order, nulls for what is unknown, the meaning of the name beside it."""
    parsed = parse_line(
        "2016-05-19 18:14:03 R6_3_9_Stg2_job0:1/1046/1047(+1 backups)[100%]\tMergeTask:0/1/1[TERMINATED]"
    )
    assert parsed is not None
    assert encode_line(3, parsed).decode() == (
        '{"line":3,"instance":null,"time":"2016-05-19 18:14:03","stages":['
        '{"name":"R6_3_9_Stg2_job0","kind":"R","id":6,"depends_on":[3,9],"running":1,"terminated":1046,"total":1047,'
        '"backups":1,"percent":100,"status":null},'
        '{"name":"MergeTask","kind":null,"id":null,"depends_on":[],"running":0,"terminated":1,"total":1,'
        '"backups":0,"percent":null,"status":"TERMINATED"}]}'
    )


def test_half_a_surrogate_pair_is_shown_as_unreadable() -> None:
    """A name that UTF-8 cannot hold is encoded all the same, and only its broken part is replaced."""
    parsed = parse_line("查询\udc80:0/1/1[0%]")
    assert parsed is not None
    assert msgspec.json.decode(encode_line(1, parsed))["stages"][0]["name"] == "查询\ufffd"
