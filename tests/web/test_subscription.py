"""Which events concern a subscriber."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.events import AlertFired, AnyEvent, Lost, PhaseChanged, ProgressMoved, Removed, SourceChanged
from monitor.core.model import Phase, Track
from monitor.storage.base import Record
from monitor.web.frames import Subscribe, Wanted
from monitor.web.subscription import Subscription
from tests.web.desk import NOON, key, track

PHASES = st.sampled_from(Phase)


def concerns(wanted: Wanted, event: AnyEvent, now: Track | None) -> bool:
    """Whether a subscriber to this is told."""
    return Subscription(Subscribe("a", wanted)).concerns(Record(1, event, now))


@given(before=PHASES | st.none(), after=PHASES, now=PHASES, wanted=st.frozensets(PHASES, min_size=1))
def test_a_phase_event_concerns_whoever_asked_for_any_of_its_phases(
    before: Phase | None, after: Phase, now: Phase, wanted: frozenset[Phase]
) -> None:
    """What it was, what it became, and what it is by now: an instance neither enters nor leaves in silence."""
    event = PhaseChanged(NOON, key("i1"), before, after)
    assert concerns(Wanted(phase=wanted), event, track("i1", now)) == bool({before, after, now} & wanted)


def test_a_restart_concerns_whoever_saw_the_attempt_before() -> None:
    """A new attempt comes from how the one before stood: a screen of failures must let it go."""
    event = PhaseChanged(NOON, key("i1"), Phase.FAILED, Phase.WAITING, attempt=2)
    assert concerns(Wanted(phase=frozenset({Phase.FAILED})), event, track("i1", Phase.WAITING))
    other = Wanted(phase=frozenset({Phase.FAILED}), project=frozenset({"ads"}))
    assert not concerns(other, event, track("i1", Phase.WAITING))


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(), True),
        (Wanted(phase=frozenset({Phase.RUNNING})), True),
        (Wanted(phase=frozenset({Phase.FAILED})), False),
        (Wanted(owner=frozenset({"ann"}), q="I1"), True),
        (Wanted(owner=frozenset({"bob"})), False),
        (Wanted(key=frozenset({"warehouse/analytics/i2"})), False),
        (Wanted(source=frozenset({"render"})), False),
    ],
)
def test_other_events_concern_whoever_sees_the_instance(wanted: Wanted, told: bool) -> None:
    """All fields must agree with it as it stands."""
    assert concerns(wanted, ProgressMoved(NOON, key("i1"), 0.5), track("i1", owner="ann")) is told


def test_what_is_lost_concerns_whoever_saw_it_before() -> None:
    """Subscribed to what runs, one learns that it is lost."""
    event = Lost(NOON, key("i1"), Phase.RUNNING)
    assert concerns(Wanted(phase=frozenset({Phase.RUNNING})), event, track("i1", Phase.LOST))
    assert not concerns(Wanted(phase=frozenset({Phase.WAITING})), event, track("i1", Phase.LOST))


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(), True),
        (Wanted(phase=frozenset({Phase.FAILED}), owner=frozenset({"ann"})), True),
        (Wanted(key=frozenset({"warehouse/analytics/i1"})), True),
        (Wanted(key=frozenset({"warehouse/analytics/i2"})), False),
        (Wanted(project=frozenset({"ads"})), False),
    ],
)
def test_a_removal_concerns_whoever_may_have_seen_it(wanted: Wanted, told: bool) -> None:
    """Only its key is left to judge by: hearing once too often does no harm."""
    assert concerns(wanted, Removed(NOON, key("i1")), None) is told


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(), True),
        (Wanted(phase=frozenset({Phase.RUNNING}), q="anything"), True),
        (Wanted(source=frozenset({"render"})), False),
        (Wanted(project=frozenset({"ads"})), False),
        (Wanted(key=frozenset({"warehouse/analytics/i1"})), True),
        (Wanted(key=frozenset({"warehouse/ads/i1"})), False),
    ],
)
def test_a_source_event_concerns_whoever_watches_its_project(wanted: Wanted, told: bool) -> None:
    """Whose instances could be stale must know, whatever else was asked for."""
    assert concerns(wanted, SourceChanged(NOON, "warehouse", "analytics", False), None) is told


def test_an_alert_about_a_source_concerns_everybody() -> None:
    """The event does not say which source: alerts are never kept back."""
    event = AlertFired(NOON, None, "a1", "SourceDown", "critical")
    assert concerns(Wanted(project=frozenset({"ads"})), event, None)
