from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import LIVE, TERMINAL, InstanceKey, Phase, Stage, Track

SUBMITTED = datetime(2016, 5, 19, 10, 0, tzinfo=UTC)
STARTED = datetime(2016, 5, 19, 10, 5, tzinfo=UTC)

words = st.text(st.characters(exclude_characters="/"), min_size=1)


def test_every_phase_is_live_or_terminal_or_lost() -> None:
    """The three kinds share no phase and leave none out."""
    assert LIVE | TERMINAL | {Phase.LOST} == set(Phase)
    assert not LIVE & TERMINAL
    assert [phase for phase in Phase if phase.is_live] == ["waiting", "running", "suspended"]
    assert [phase for phase in Phase if phase.is_terminal] == ["succeeded", "failed", "cancelled"]


@pytest.mark.parametrize("phase", Phase)
def test_a_phase_is_its_word(phase: Phase) -> None:
    """A phase equals its word and is found under it."""
    assert phase == phase.value
    assert {phase.value: True}[phase]
    assert {phase: True}[phase.value]


@given(words, words, st.text(min_size=1))
def test_a_key_reads_back(source: str, project: str, instance: str) -> None:
    """The text of a key is the key, also where the service uses slashes in its ids."""
    key = InstanceKey(source, project, instance)
    assert InstanceKey.parse(str(key)) == key


@pytest.mark.parametrize("text", ["", "a", "a/b", "a//c", "/b/c", "a/b/", "//"])
def test_a_key_has_three_parts(text: str) -> None:
    """What is not a key is refused with the form that a key has."""
    with pytest.raises(ValueError, match="write it as source/project/id"):
        InstanceKey.parse(text)


def test_keys_sort_and_hash_by_their_parts() -> None:
    """Equal parts make equal keys, and keys have an order."""
    one, other = InstanceKey("a", "b", "c"), InstanceKey("a", "b", "d")
    assert {one, InstanceKey("a", "b", "c")} == {one}
    assert sorted([other, one]) == [one, other]


@pytest.mark.parametrize(
    ("running", "terminated", "total", "finished"),
    [
        (0, 3, 3, True),
        (0, 4, 3, True),  # the total fell while it ran
        (1, 3, 3, False),  # a backup still runs
        (0, 2, 3, False),
        (0, 0, 0, False),  # nothing was planned yet
    ],
)
def test_a_stage_is_finished_when_all_planned_workers_ended(
    running: int, terminated: int, total: int, *, finished: bool
) -> None:
    """All that was planned has ended and nothing runs on; the percentage does not count."""
    assert Stage("M1", running, terminated, total, percent=100).is_finished is finished


def test_records_cannot_be_changed() -> None:
    """A reader needs no lock, because nobody can change what it holds."""
    stage = Stage("M1", 0, 0, 1)
    with pytest.raises(AttributeError):
        stage.total = 2


@pytest.mark.parametrize(
    ("created_at", "started_at", "began_at"),
    [(None, None, None), (SUBMITTED, None, SUBMITTED), (SUBMITTED, STARTED, STARTED), (None, STARTED, STARTED)],
)
def test_work_begins_with_the_first_worker_or_else_with_submission(
    created_at: datetime | None, started_at: datetime | None, began_at: datetime | None
) -> None:
    """Where the service does not say when work began, the submission stands for it."""
    key = InstanceKey("a", "b", "c")
    track = Track(key, "maxcompute", Phase.RUNNING, created_at=created_at, started_at=started_at)
    assert track.began_at == began_at


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("failed", [0, 1])
def test_a_partial_failure_is_a_success_with_failed_workers(phase: Phase, failed: int) -> None:
    """A third outcome beside success and failure: it is neither of these alone."""
    track = Track(InstanceKey("render", "cn-qingdao", "job-1"), "batchcompute", phase, failed_workers=failed)
    assert track.partial_failure is (phase is Phase.SUCCEEDED and failed == 1)
