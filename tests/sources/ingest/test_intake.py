"""What a batch of lines tells, and that it does not matter where a text is cut into batches."""

from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.events import AnyEvent, Contradicted, Seen, StageFinished
from monitor.core.model import InstanceKey, Phase, Track
from monitor.core.tracker import Policy, step
from monitor.sources.base import Heard
from monitor.sources.ingest import IngestSection, LineIntake
from monitor.sources.ingest.intake import condensed

NOON = datetime(2016, 5, 19, 12, 0, tzinfo=UTC)
A, B = "20160519101349613gzbzufck2", "20160519101500000gaaaaaaa1"
INTAKE = LineIntake(IngestSection.model_validate({"type": "ingest", "name": "private", "projects": ["p1"]}))
SESSION = (
    f"ID = {A}",
    "Log view:",
    f"http://logview.example/logview/?h=http://service.example/api&p=p1&i={A}&token=made-up-token",
    "Job Queueing...",
    "2016-05-19 18:14:03 M1_Stg1_job0:1/0/2[RUNNING]\tR2_1_Stg1_job0:0/0/1[WAITING]",
    "2016-05-19 18:14:08 M1_Stg1_job0:0/2/2[TERMINATED]\tR2_1_Stg1_job0:0/1/1[TERMINATED]",
    "OK",
    f"ID = {B}",
    "2016-05-19 18:14:13 M1_Stg1_job0:1/0/2[RUNNING]",
    "FAILED: ODPS-0123131:User defined function exception - made up",
)


def key(instance: str) -> InstanceKey:
    return InstanceKey("private", "p1", instance)


def read(lines: Sequence[str], instance: str | None = None) -> Heard:
    return INTAKE.read(lines, project="p1", instance=instance, at=NOON)


def lived(seen: Sequence[Seen], tracks: dict[InstanceKey, Track] | None = None) -> list[AnyEvent]:
    """What changes by these observations."""
    known = {} if tracks is None else tracks
    events: list[AnyEvent] = []
    for got in seen:
        track, changed = step(known.get(got.key), got, Policy())
        assert track is not None
        known[got.key] = track
        events += changed
    return events


def test_a_session_of_two_statements() -> None:
    """Each is an instance of its own, with its stages and its end; what is no progress is passed over."""
    heard = read(SESSION)
    assert (heard.key, heard.telling, heard.unclaimed, heard.malformed) == (key(B), 8, 0, 0)
    assert [(got.key, got.phase, got.native_status) for got in heard.seen] == [
        (key(A), Phase.RUNNING, "Running"),
        (key(A), Phase.SUCCEEDED, "OK"),
        (key(B), Phase.RUNNING, "Running"),
        (key(B), Phase.FAILED, "FAILED"),
    ]
    tracks: dict[InstanceKey, Track] = {}
    lived(heard.seen, tracks)
    assert [stage.terminated for stage in tracks[key(A)].tasks[0].stages] == [2, 1]
    assert (tracks[key(A)].progress, tracks[key(A)].started_at, tracks[key(A)].ended_at) == (1.0, NOON, NOON)
    failure = tracks[key(B)].failure
    assert failure is not None
    assert (failure.code, failure.task) == ("ODPS-0123131", tracks[key(B)].tasks[0].name)


def test_lines_before_any_instance_are_counted() -> None:
    """Nobody knows what they are about; a leading id tells it."""
    heard = read(["M1:0/1/2[50%]", "hello", f"{A} 2016-05-19 18:14:03 M1:0/2/2[100%]", "M1:0/2/"])
    assert (heard.key, heard.telling, heard.unclaimed, heard.malformed) == (key(A), 3, 1, 1)
    assert read(["hello"]) == Heard(key=None, seen=(), telling=0, unclaimed=0, malformed=0)


def test_what_arrives_twice_says_nothing_new() -> None:
    """A batch whose answer was lost is sent again: no event follows, also where it ended."""
    for size in range(1, len(SESSION) + 1):
        heard = read(SESSION[:size], A)
        tracks: dict[InstanceKey, Track] = {}
        lived(heard.seen, tracks)
        again = [event for event in lived(heard.seen, tracks) if isinstance(event, StageFinished | Contradicted)]
        assert again == []


def test_the_first_end_of_an_instance_counts_and_another_is_told() -> None:
    """What runs on after its end is passed over; an end of another kind contradicts the first."""
    heard = read(["OK", "M1:1/0/2[0%]", "OK", "FAILED: late"], "nightly")
    assert [got.phase for got in heard.seen] == [Phase.SUCCEEDED, Phase.FAILED]
    assert any(isinstance(event, Contradicted) for event in lived(heard.seen))


LINES = st.lists(st.one_of(st.sampled_from(SESSION), st.sampled_from((f"ID = {A}", "M1:0/1", "testTask: running", ""))))
ANYTHING = st.lists(st.one_of(st.sampled_from(SESSION), st.text()))


@given(ANYTHING, st.one_of(st.none(), st.text(min_size=1)))
def test_no_text_raises(lines: list[str], instance: str | None) -> None:
    """Whatever it holds; and no more is told than there are lines."""
    heard = read(lines, instance)
    assert heard.unclaimed <= heard.telling <= len(lines)


@given(LINES, st.integers(0, 20), st.one_of(st.none(), st.just("nightly")))
def test_a_text_may_be_cut_anywhere(lines: list[str], at: int, instance: str | None) -> None:
    """Two batches tell together what one does, and leave every instance in the same state."""
    whole = read(lines, instance)
    first = read(lines[:at], instance)
    second = read(lines[at:], first.key.id if first.key else None)
    assert condensed((*first.seen, *second.seen)) == whole.seen
    assert second.key == whole.key
    for count in ("telling", "unclaimed", "malformed"):
        assert getattr(first, count) + getattr(second, count) == getattr(whole, count)
    once: dict[InstanceKey, Track] = {}
    twice: dict[InstanceKey, Track] = {}
    lived(whole.seen, once)
    lived((*first.seen, *second.seen), twice)
    assert {key: (track.phase, track.tasks, track.failure) for key, track in once.items()} == {
        key: (track.phase, track.tasks, track.failure) for key, track in twice.items()
    }
