from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from monitor.core.model import InstanceKey, Phase, Track
from monitor.core.schedule import Agenda, Pace, attend, backoff, vanished

POLLS = st.sampled_from("abcdef")
PRIORITIES = st.integers(min_value=0, max_value=3)


# --- the agenda ---------------------------------------------------------------------------------------------------


class AgendaMachine(RuleBasedStateMachine):
    """An agenda beside the plainest thing that keeps the same promises: a list, sorted at every question."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda: Agenda[str] = Agenda()
        self.plain: dict[str, tuple[int, float, int]] = {}  # priority, due, order of the push
        self.order = count()
        self.now = 0.0

    @rule(poll=POLLS, after=st.integers(min_value=-2, max_value=5), priority=PRIORITIES)
    def push(self, poll: str, after: int, priority: int) -> None:
        due = self.now + after
        self.agenda.push(poll, due=due, priority=priority)
        if poll in self.plain:
            old_priority, old_due, _ = self.plain[poll]
            if old_priority <= priority and old_due <= due:
                return
            priority, due = min(priority, old_priority), min(due, old_due)
        self.plain[poll] = (priority, due, next(self.order))

    @rule()
    def pop(self) -> None:
        due = sorted((*place, poll) for poll, place in self.plain.items() if place[1] <= self.now)
        popped = self.agenda.pop(self.now)
        if not due:
            assert popped is None
        else:
            priority, _, _, poll = due[0]
            assert popped == (poll, priority)
            del self.plain[poll]

    @rule(seconds=st.integers(min_value=1, max_value=5))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(priority=PRIORITIES)
    def drop(self, priority: int) -> None:
        self.agenda.drop(priority)
        self.plain = {poll: place for poll, place in self.plain.items() if place[0] != priority}

    @invariant()
    def holds_the_same(self) -> None:
        assert len(self.agenda) == len(self.plain)
        assert [poll for poll in "abcdef" if poll in self.agenda] == sorted(self.plain)

    @invariant()
    def wakes_in_time(self) -> None:
        """A sleeper that asks when to wake up sleeps past nothing, and does not wake up for nothing."""
        due = self.agenda.next_due()
        earliest = min((place[1] for place in self.plain.values()), default=None)
        if due is None or earliest is None:
            assert due == earliest
        else:
            assert due == earliest or (due <= self.now and earliest <= self.now)


TestAgenda = AgendaMachine.TestCase
TestAgenda.settings = settings(max_examples=settings().max_examples // 4)


def test_nobody_starves_among_equals() -> None:
    """However often others come back at once, each of equal priority has its turn."""
    agenda: Agenda[str] = Agenda()
    for poll in "abc":
        agenda.push(poll, due=0.0, priority=1)
    served = []
    for second in range(9):
        taken = agenda.pop(float(second))
        assert taken is not None
        served.append(taken[0])
        agenda.push(taken[0], due=second, priority=1)  # at once, but it has had its turn
    assert "".join(served) == "abcabcabc"


def test_who_is_due_first_is_served_first_whoever_came_first() -> None:
    """Waiting counts from when a poll was due, not from when it was asked for."""
    agenda: Agenda[str] = Agenda()
    agenda.push("late", due=9.0, priority=1)
    agenda.push("early", due=5.0, priority=1)
    assert [agenda.pop(10.0), agenda.pop(10.0)] == [("early", 1), ("late", 1)]


def test_replaced_plans_leave_nothing_behind() -> None:
    """While something urgent always comes first, plans are replaced again and again, and memory does not grow."""
    agenda: Agenda[int] = Agenda()
    for second in range(100):
        agenda.push(-1, due=second, priority=0)
        for poll in range(10):
            agenda.push(poll, due=second, priority=3)
        assert agenda.pop(second) == (-1, 0)
        agenda.drop(3)
    assert len(agenda) == len(agenda._future) + len(agenda._ready) == 0


# --- back-off -----------------------------------------------------------------------------------------------------


@given(
    failures=st.integers(min_value=0, max_value=10_000),
    first=st.floats(min_value=0.001, max_value=1e4),
    longest=st.floats(min_value=0.001, max_value=1e6),
    chance=st.floats(min_value=0, max_value=1),
)
def test_backoff_has_bounds(failures: int, first: float, longest: float, chance: float) -> None:
    """A wait is at least half of the first one, at most the longest, and never shorter after more failures."""
    wait = backoff(failures, first=first, longest=longest, chance=chance)
    assert min(first, longest) / 2 <= wait <= longest
    assert backoff(failures + 1, first=first, longest=longest, chance=chance) >= wait


@pytest.mark.parametrize(("failures", "whole"), [(0, 2), (1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (10_000, 300)])
def test_backoff_doubles(failures: int, whole: float) -> None:
    """Each failure doubles the wait up to the longest; chance takes up to half of it away."""
    assert backoff(failures, first=2, longest=300, chance=1) == whole
    assert backoff(failures, first=2, longest=300, chance=0) == whole / 2


# --- whose stages to read -----------------------------------------------------------------------------------------

NOW = datetime(2016, 5, 19, 10, 0, tzinfo=UTC)
COARSE = timedelta(minutes=5)


def ago(seconds: float | None) -> datetime | None:
    return None if seconds is None else NOW - timedelta(seconds=seconds)


def track(
    name: str, phase: Phase = Phase.RUNNING, *, found: float = 1000, looked: float | None = None, moved: float = 1000
) -> Track:
    """Found, last looked at and last moved so many seconds ago."""
    key = InstanceKey("warehouse", "analytics", name)
    return Track(key, "maxcompute", phase, discovered_at=ago(found), stages_at=ago(looked), moved_at=ago(moved))


def chosen(tracks: Iterable[Track], *, limit: int = 100) -> list[str]:
    return [key.id for key in attend(tracks, at=NOW, coarse=COARSE, limit=limit)]


def test_attention_goes_to_the_new_then_to_what_moved_then_by_age() -> None:
    """Never looked at (longest known first), moved since the last look (longest ago first), not looked at for long."""
    tracks = [
        track("still", looked=10, moved=20),
        track("old", looked=400, moved=500),
        track("older", looked=500, moved=600),
        track("moved", looked=30, moved=5),
        track("moved-before", looked=60, moved=50),
        track("new", found=5),
        track("new-before", found=50),
        track("waiting", Phase.WAITING, found=3),
        track("waiting-looked", Phase.WAITING, looked=20, moved=5),
        track("over", Phase.FAILED, found=900),
        track("lost", Phase.LOST, found=900),
    ]
    expected = ["new-before", "new", "waiting", "moved-before", "moved", "older", "old"]
    assert chosen(tracks) == expected
    assert chosen(tracks, limit=4) == expected[:4]


def test_everything_that_moves_has_its_turn() -> None:
    """With room for one look at a time, each of many that move all the time is looked at in turn."""
    looked = {name: 100.0 - rank for rank, name in enumerate("abcd")}
    served = []
    for _ in range(8):
        (name,) = chosen((track(name, looked=at, moved=0) for name, at in looked.items()), limit=1)
        served.append(name)
        looked = {other: 1.0 if other == name else at + 1 for other, at in looked.items()}
    assert "".join(served) == "abcdabcd"


@given(
    st.lists(
        st.builds(
            track,
            st.uuids().map(str),
            st.sampled_from(Phase),
            found=st.floats(0, 1000),
            looked=st.none() | st.floats(0, 1000),
            moved=st.floats(0, 1000),
        ),
        max_size=20,
    ),
    st.integers(min_value=0, max_value=5),
)
def test_attention_has_a_limit(tracks: list[Track], limit: int) -> None:
    """At most `limit` live instances are chosen, each once, and a larger limit chooses the same ones first."""
    some = chosen(tracks, limit=limit)
    assert len(some) == len(set(some)) <= limit
    assert some == chosen(tracks)[:limit]
    assert set(some) <= {track.key.id for track in tracks if track.phase.is_live}


@pytest.mark.parametrize(
    ("requests_per_second", "sweep_every", "looks"), [(20, 10, 50), (20, 1, 5), (0.1, 10, 1), (1000, 60, 15000)]
)
def test_half_of_the_requests_go_to_stages(requests_per_second: float, sweep_every: float, looks: int) -> None:
    """A look costs two requests, half of the budget goes to looks, and one look is always possible."""
    pace = Pace(requests_per_second=requests_per_second, sweep_every=timedelta(seconds=sweep_every))
    assert pace.attention_per_sweep() == looks


def test_vanished_is_live_and_not_listed() -> None:
    """What we think alive and the listing does not name has vanished; what only the listing knows has not."""
    assert vanished(["a", "b", "c"], {"b", "d"}) == ["a", "c"]
    assert vanished([], {"a"}) == []
