"""Which ended instances are forgotten."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import LIVE, InstanceKey, Phase, Track
from monitor.core.retention import Retention, forget, spent

AT = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = Retention(successes=7 * DAY, failures=30 * DAY, max_bytes=1000)


def track(name: str, phase: Phase, days: float, **more: object) -> Track:
    """A track that has been in this phase for so many days."""
    return Track(InstanceKey("s", "p", name), "maxcompute", phase, phase_since=AT - days * DAY, **more)  # type: ignore[arg-type]


def forgotten(*tracks: Track, size: int = 0, slices: int = 3) -> list[str]:
    """What goes, where the tracks are looked at in so many slices."""
    surplus = POLICY.surplus(len(tracks), size)
    found = [spent(tracks[number::slices], AT, POLICY, surplus=surplus) for number in range(slices)]
    return [key.id for key in forget(found, surplus)]


def test_age_is_measured_by_outcome() -> None:
    """Successes go after their span, everything else that ended after the longer one."""
    assert forgotten(
        track("young", Phase.SUCCEEDED, 6.9),
        track("old", Phase.SUCCEEDED, 7),
        *(track(f"young {phase}", phase, 29.9) for phase in (Phase.FAILED, Phase.CANCELLED, Phase.LOST)),
        track("failed", Phase.FAILED, 33),
        track("cancelled", Phase.CANCELLED, 32),
        track("lost", Phase.LOST, 31),
    ) == ["failed", "cancelled", "lost", "old"]


@pytest.mark.parametrize("phase", sorted(LIVE))
def test_a_live_track_is_never_forgotten(phase: Phase) -> None:
    """However old it is, and however full the store."""
    assert forgotten(track("live", phase, 1000), size=10**9) == []


def test_a_full_store_forgets_what_is_nearest_to_its_end() -> None:
    """As many as the average track says, successes before failures of the same age, the most spent first."""
    tracks = [
        *(track(f"live {number}", Phase.RUNNING, 1) for number in range(4)),
        track("success 5", Phase.SUCCEEDED, 5),
        track("success 6", Phase.SUCCEEDED, 6),
        track("failure 6", Phase.FAILED, 6.1),
        track("failure 28", Phase.FAILED, 28),
    ]
    assert forgotten(*tracks, size=1000) == []
    assert forgotten(*tracks, size=1001) == ["failure 28"]
    assert forgotten(*tracks, size=1333) == ["failure 28", "success 6"]
    assert forgotten(*tracks, size=1600) == ["failure 28", "success 6", "success 5"]
    assert forgotten(*tracks, size=10**9) == ["failure 28", "success 6", "success 5", "failure 6"]


def test_what_age_takes_counts_towards_the_size() -> None:
    """Expired tracks make room first."""
    tracks = [track("expired", Phase.SUCCEEDED, 8), track("kept", Phase.SUCCEEDED, 1)]
    assert forgotten(*tracks, size=1100) == ["expired"]


def test_nothing_is_kept_in_mind_for_nobody() -> None:
    """While the store has room, a slice remembers only what is over, however many have ended."""
    tracks = [track("kept", Phase.SUCCEEDED, 6), track("over", Phase.SUCCEEDED, 7), track("live", Phase.RUNNING, 90)]
    assert [key.id for _, key in spent(tracks, AT, POLICY)] == ["over"]
    assert [key.id for _, key in spent(tracks, AT, POLICY, surplus=1)] == ["over", "kept"]


def test_age_counts_from_when_we_learned_of_the_end() -> None:
    """An instance that was found long after it ended stays for its whole span."""
    found_late = track("late", Phase.FAILED, 1, ended_at=AT - 100 * DAY)
    assert forgotten(found_late) == []


def test_without_any_time_nothing_is_too_old() -> None:
    """What has no times is kept until room is needed."""
    bare = Track(InstanceKey("s", "p", "bare"), "maxcompute", Phase.FAILED)
    assert forgotten(bare) == []
    assert forgotten(bare, size=2000) == ["bare"]


def test_alerts_are_kept_as_long_as_any_instance() -> None:
    """The longer of the two spans."""
    assert POLICY.alerts == 30 * DAY
    assert Retention(successes=9 * DAY, failures=DAY).alerts == 9 * DAY


@given(
    st.lists(st.tuples(st.sampled_from(Phase), st.floats(-5, 100)), max_size=30),
    st.integers(0, 10_000),
    st.integers(1, 5),
)
def test_whatever_the_tracks(chosen: list[tuple[Phase, float]], size: int, slices: int) -> None:
    """Never a live one, never one twice, always all that expired, and enough for the size if there are enough; the
    slices in which they are looked at change nothing."""
    tracks = {str(number): track(str(number), *one) for number, one in enumerate(chosen)}
    gone = forgotten(*tracks.values(), size=size, slices=slices)
    assert len(gone) == len(set(gone))
    assert len(gone) == len(forgotten(*tracks.values(), size=size, slices=1))
    assert all(tracks[name].phase not in LIVE for name in gone)
    ended = [one for one in tracks.values() if one.phase not in LIVE]
    spans = {one.key.id: POLICY.successes if one.phase is Phase.SUCCEEDED else POLICY.failures for one in ended}
    assert {one.key.id for one in ended if AT - one.phase_since >= spans[one.key.id]} <= set(gone)  # type: ignore[operator]
    left = size * (len(tracks) - len(gone)) / max(len(tracks), 1)
    assert left <= POLICY.max_bytes or len(gone) == len(ended)
