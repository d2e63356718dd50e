"""Which run an answer tells of. What comes of it is told in `tests/journeys` and `test_tracker.py`."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from monitor.core.attempts import has_ended_again, numbered
from monitor.core.events import Seen
from monitor.core.model import LIVE, TERMINAL, InstanceKey, Phase, Track

BEGINNING = datetime(2016, 5, 19, 10, 0, tzinfo=UTC)
KEY = InstanceKey("render", "cn-qingdao", "job-1")
LINGERS = timedelta(minutes=1)


def at(seconds: float) -> datetime:
    return BEGINNING + timedelta(seconds=seconds)


FAILED = Track(
    KEY, "batchcompute", Phase.FAILED, started_at=at(10), ended_at=at(20), phase_since=at(21), observed_at=at(21)
)
AGAIN = replace(FAILED, phase=Phase.WAITING, attempt=2, started_at=None, ended_at=None, ended_before=at(20))


def said(
    phase: Phase | None, when: float = 30, *, started: float | None = None, ended: float | None = None, text: str = ""
) -> Seen:
    return Seen(
        key=KEY,
        at=at(when),
        kind="batchcompute",
        phase=phase,
        started_at=None if started is None else at(started),
        ended_at=None if ended is None else at(ended),
        end_text=text,
        restarts=True,
    )


@pytest.mark.parametrize(
    ("got", "attempt"),
    [
        (said(Phase.WAITING), 2),
        (said(Phase.WAITING, 20), 1),  # asked before its end was known
        (said(Phase.RUNNING, started=10), 1),
        (said(Phase.RUNNING), 1),
        (said(Phase.RUNNING, started=5), 1),
        (said(Phase.RUNNING, started=25), 2),
        (said(Phase.RUNNING, 80.9, started=10), 1),
        (said(Phase.RUNNING, 81, started=10), 2),
        (said(Phase.FAILED, started=10, ended=20), 1),
        (said(Phase.FAILED, started=22, ended=29), 2),
        (said(Phase.FAILED, 15, started=22, ended=29), 2),  # an end is news whenever it comes
        (said(Phase.CANCELLED, started=22, ended=29), 2),
        (said(Phase.FAILED, started=10, ended=19), 1),
        (said(Phase.FAILED), 1),
        (said(None, 90), 1),
    ],
)
def test_what_follows_an_end(got: Seen, attempt: int) -> None:
    """Waiting, a later start, a later end, or being listed for too long after the end make another attempt."""
    read = numbered(FAILED, got, LINGERS)
    assert read.attempt == attempt
    assert read.at == (max(got.at, at(21)) if attempt == 2 else got.at)


@pytest.mark.parametrize("phase", sorted(LIVE))
def test_what_lives_goes_on(phase: Phase) -> None:
    """Whatever comes after what has not ended belongs to it."""
    track = replace(FAILED, phase=phase, ended_at=None)
    for got in (said(Phase.WAITING), said(Phase.RUNNING, started=25), said(Phase.FAILED, ended=29)):
        assert numbered(track, got, LINGERS) is got


@pytest.mark.parametrize("phase", sorted(TERMINAL))
def test_a_word_about_the_run_before_is_numbered_so(phase: Phase) -> None:
    """Who still tells of the end that is known has not noticed the restart."""
    assert numbered(AGAIN, said(phase, ended=20), LINGERS).attempt == 1
    assert numbered(AGAIN, said(phase, ended=20.1), LINGERS).attempt == 2
    assert numbered(AGAIN, said(phase), LINGERS).attempt == 2


def test_a_start_before_the_last_end_is_not_this_one() -> None:
    """An answer may hold on to the start of the run before; a run cannot begin before the one before it ended."""
    assert numbered(FAILED, said(Phase.WAITING, started=10), LINGERS).started_at is None
    assert numbered(AGAIN, said(Phase.RUNNING, started=10), LINGERS).started_at is None
    assert numbered(AGAIN, said(Phase.RUNNING, started=20), LINGERS).started_at == at(20)


@pytest.mark.parametrize("started", [None, -25, 10, 15, 45])
@pytest.mark.parametrize("ended", [-15, 19.5, 20.5, 55])
def test_another_clock_is_not_another_run(started: float | None, ended: float) -> None:
    """When a source corrects its dates anew, every time moves; the end as the service writes it stays."""
    got = said(Phase.FAILED, started=started, ended=ended, text="10:00:20")
    assert not has_ended_again(replace(FAILED, end_text="10:00:20"), got)
    assert numbered(replace(AGAIN, end_text="10:00:20"), got, LINGERS).attempt == 1


def test_another_end_is_written_otherwise() -> None:
    """A later one is that of another run; one that seems earlier is that of a listing that lags, or, of what lives, is
    its own by a clock that was corrected."""
    known = replace(FAILED, end_text="10:00:20")
    assert has_ended_again(known, said(Phase.FAILED, ended=20.1, text="10:00:20.1"))
    assert not has_ended_again(known, said(Phase.FAILED, ended=19, text="10:00:19"))
    assert (
        numbered(replace(AGAIN, end_text="10:00:20"), said(Phase.FAILED, ended=15, text="10:00:50"), LINGERS).attempt
        == 2
    )


def test_an_end_that_is_told_late_is_the_one_that_was_seen() -> None:
    """An answer may know that it ended and not yet when: the time that follows opens no attempt, but a later
    start or another outcome does."""
    assert not has_ended_again(FAILED, said(Phase.FAILED, started=10, ended=22, text="10:00:22"))
    assert not has_ended_again(FAILED, said(Phase.FAILED, ended=22, text="10:00:22"))
    assert has_ended_again(FAILED, said(Phase.FAILED, started=21, ended=22, text="10:00:22"))
    assert has_ended_again(FAILED, said(Phase.CANCELLED, started=10, ended=22, text="10:00:22"))  # it did not end so


@pytest.mark.parametrize("unknown", ["started_at", "ended_at"])
def test_times_that_nobody_told(unknown: str) -> None:
    """Without both ends nothing tells two runs apart; without the starts the ends do."""
    got = said(Phase.FAILED, started=15, ended=25)
    assert has_ended_again(replace(FAILED, **{unknown: None}), got) is (unknown == "started_at")
    assert has_ended_again(FAILED, replace(got, **{unknown: None})) is (unknown == "started_at")


def test_a_service_that_counts_is_not_counted_for() -> None:
    """A later end alone means nothing where the service numbers its attempts."""
    assert not has_ended_again(FAILED, replace(said(Phase.FAILED, ended=29), restarts=False))
