"""When each verdict holds. How they are raised and taken back along a life stands in `tests/journeys`."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from monitor.core.model import InstanceKey, Phase, Stage, Task, Track, Verdict
from monitor.core.verdicts import Limits, judge, take_back

BEGINNING = datetime(2016, 5, 19, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIMITS = Limits(stalled=30 * MINUTE, straggling=10 * MINUTE, queued=20 * MINUTE, late=60 * MINUTE)
OFF = Limits(stalled=None, straggling=None, queued=None, late=None)


def track(phase: Phase = Phase.RUNNING, *stages: Stage, progress: float | None = 0.5) -> Track:
    """Submitted, started, moved and looked at for the last time at the beginning."""
    return Track(
        InstanceKey("warehouse", "analytics", "i"),
        "maxcompute",
        phase,
        progress=progress,
        tasks=(Task("AnonymousSQLTask", stages=stages),),
        created_at=BEGINNING,
        started_at=BEGINNING,
        phase_since=BEGINNING,
        moved_at=BEGINNING,
        observed_at=BEGINNING,
        stages_at=BEGINNING,
    )


def verdicts(of: Track, minutes: float, limits: Limits = LIMITS) -> set[Verdict]:
    return set(judge(of, BEGINNING + minutes * MINUTE, limits)[0].verdicts)


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(0, set()), (29.9, set()), (30, {Verdict.STALLED}), (59.9, {Verdict.STALLED}), (60, {"stalled", "late"})],
)
def test_running(minutes: float, expected: set[Verdict]) -> None:
    """What runs may stall and be late, from the very moment of the limit on."""
    assert verdicts(track(), minutes) == expected


@pytest.mark.parametrize(("minutes", "expected"), [(19.9, set()), (20, {Verdict.QUEUED_TOO_LONG})])
def test_waiting(minutes: float, expected: set[Verdict]) -> None:
    """What waits may only wait too long."""
    assert verdicts(track(Phase.WAITING), minutes) == expected


@pytest.mark.parametrize("phase", sorted(set(Phase) - {Phase.WAITING, Phase.RUNNING}))
def test_what_neither_waits_nor_runs_is_not_judged(phase: Phase) -> None:
    """A suspended instance was suspended by a person, and what ended is over."""
    assert not verdicts(track(phase), 10_000)


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.RUNNING])
def test_a_verdict_that_is_off_never_holds(phase: Phase) -> None:
    """None switches a verdict off."""
    assert not verdicts(track(phase, Stage("M1", 1, 9, 10)), 10_000, OFF)


@pytest.mark.parametrize(
    ("stage", "straggles"),
    [
        (Stage("M1", 1, 9, 10), True),
        (Stage("M1", 1, 9, 10, backups=1), True),
        (Stage("M1", 100, 900, 1000), True),
        (Stage("M1", 2, 8, 10), False),  # a fifth is no tail
        (Stage("M1", 0, 9, 10), False),  # the last one waits for a place, it does not run
        (Stage("M1", 1, 10, 10), False),  # only a backup runs on
        (Stage("M1", 0, 10, 10), False),
        (Stage("M1", 0, 0, 0), False),
        (Stage("M1", 1, 0, 1), False),
    ],
)
def test_a_long_tail_straggles(stage: Stage, *, straggles: bool) -> None:
    """Nine tenths of the workers have ended, some still run, and nothing has moved for a while."""
    assert verdicts(track(Phase.RUNNING, stage), 9.9) == set()
    assert verdicts(track(Phase.RUNNING, stage), 10) == ({Verdict.STRAGGLING} if straggles else set())


@pytest.mark.parametrize(
    ("progress", "counted", "looked", "stalls"),
    [
        (0.5, False, 0, True),  # each listing says 0.5: nothing moved
        (0.5, True, 0, False),  # counted from stages that nobody looked at since
        (0.5, True, 29, False),
        (0.5, True, 30, True),
        (None, False, 0, False),
        (None, False, 30, True),  # the last look found no stages, as all looks before
        (None, False, None, False),  # nobody looked at all
    ],
)
def test_a_stall_must_have_been_seen(
    progress: float | None, looked: float | None, *, counted: bool, stalls: bool
) -> None:
    """That nobody looked does not mean that nothing moved."""
    looked_at = None if looked is None else BEGINNING + looked * MINUTE
    watched = replace(track(progress=progress), counted=counted, stages_at=looked_at)
    assert (Verdict.STALLED in verdicts(watched, 45)) is stalls


@pytest.mark.parametrize(
    ("phase", "verdict", "minutes"),
    [(Phase.RUNNING, Verdict.STALLED, 30), (Phase.RUNNING, Verdict.LATE, 60), (Phase.WAITING, "queued_too_long", 20)],
)
def test_what_nobody_has_told_yet_is_not_judged(phase: Phase, verdict: str, minutes: int) -> None:
    """Since the last listing was through, time alone makes no verdict; and one that holds goes on to hold."""
    late, last = BEGINNING + 90 * MINUTE, BEGINNING + minutes * MINUTE
    before, _ = judge(track(phase), late, LIMITS, listed_at=last - timedelta(seconds=1))
    assert verdict not in before.verdicts
    judged, _ = judge(track(phase), late, LIMITS, listed_at=last)
    assert verdict in judged.verdicts
    assert judge(judged, late + 90 * MINUTE, LIMITS, listed_at=last) == (judged, ())


def test_a_look_may_tell_more_than_the_last_listing() -> None:
    """That nothing moved in the stages, or that it still waits."""
    looked = BEGINNING + 30 * MINUTE
    for phase, verdict in ((Phase.RUNNING, Verdict.STALLED), (Phase.WAITING, Verdict.QUEUED_TOO_LONG)):
        seen = replace(track(phase), stages_at=looked, observed_at=looked)
        assert verdict in judge(seen, looked + 9 * MINUTE, LIMITS, listed_at=BEGINNING)[0].verdicts


def test_judging_again_changes_nothing() -> None:
    """A verdict that holds already is not raised again, and the track stays the same one."""
    judged, raised = judge(track(), BEGINNING + 40 * MINUTE, LIMITS)
    assert [(event.verdict, event.raised, event.evidence) for event in raised] == [
        (Verdict.STALLED, True, "nothing moved for 40 min")
    ]
    again, nothing = judge(judged, BEGINNING + 41 * MINUTE, LIMITS)
    assert again is judged
    assert nothing == ()


def test_other_limits_take_back() -> None:
    """What holds no longer under new limits is taken back; what does stays without a word."""
    judged, _ = judge(track(), BEGINNING + 70 * MINUTE, LIMITS)
    assert judged.verdicts == {"stalled", "late"}
    relaxed, changes = judge(judged, BEGINNING + 70 * MINUTE, replace(LIMITS, stalled=None))
    assert relaxed.verdicts == {"late"}
    assert [(event.verdict, event.raised) for event in changes] == [(Verdict.STALLED, False)]


def test_all_verdicts_end_together() -> None:
    """What ends takes all its verdicts with it, each with an event of its own."""
    judged, _ = judge(track(), BEGINNING + 70 * MINUTE, LIMITS)
    over = take_back(judged, BEGINNING + 71 * MINUTE)
    assert [(event.verdict, event.raised) for event in over] == [(Verdict.LATE, False), (Verdict.STALLED, False)]
