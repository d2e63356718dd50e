"""What holds for every source. Single outages are told in `tests/journeys`."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.events import Failed, SourceChanged, Swept
from monitor.core.health import DOWN_AFTER, Health, outage_of, source_is_up, step_health

BEGINNING = datetime(2016, 5, 19, 10, 0, tzinfo=UTC)
PROJECTS = ("analytics", "ads")


def listing(project: str, answered: bool, second: int) -> Swept | Failed:
    at = BEGINNING + timedelta(seconds=second)
    return (
        Swept("warehouse", project, at, frozenset()) if answered else Failed("warehouse", project, at, "timeout", "x")
    )


# Project and whether it answered, one a second; failures in the majority, or nothing ever goes down.
listings = st.lists(
    st.tuples(st.sampled_from(PROJECTS), st.sampled_from([True, False, False, False])), max_size=40
).map(lambda asked: [listing(project, answered, second) for second, (project, answered) in enumerate(asked)])


@given(listings)
def test_down_and_up_take_turns(asked: list[Swept | Failed]) -> None:
    """A project is said to be down after so many failures in a row and up at the next answer, each once."""
    healths: dict[tuple[str, str], Health] = {}
    in_a_row = dict.fromkeys(PROJECTS, 0)
    for got in asked:
        was_down = in_a_row[got.project] >= DOWN_AFTER
        in_a_row[got.project] = 0 if isinstance(got, Swept) else in_a_row[got.project] + 1
        is_down = in_a_row[got.project] >= DOWN_AFTER
        health, changes = step_health(healths, got)
        healths[got.source, got.project] = health
        assert health.down is is_down
        assert [change.up for change in changes] == ([] if was_down is is_down else [was_down])


@given(listings)
def test_one_outage_until_all_projects_answer(asked: list[Swept | Failed]) -> None:
    """Whatever projects come and go, an outage keeps its beginning until no project of the source is down."""
    healths: dict[tuple[str, str], Health] = {}
    outage: datetime | None = None
    for got in asked:
        health, changes = step_health(healths, got)
        healths[got.source, got.project] = health
        for change in changes:
            if not change.up:
                outage = outage or health.failing_since
                assert change.outage == outage
        if not any(health.down for health in healths.values()):
            outage = None
        assert outage_of(healths, "warehouse") == outage
        assert outage_of(healths, "render") is None


def test_up_says_for_how_long_it_was_not_answered() -> None:
    """The span counts from the first listing that failed."""
    place = ("warehouse", "ads")
    health = Health()
    for second in (10, 20, 30):
        health, changes = step_health({place: health}, listing("ads", False, second))
    down = changes[0]
    assert (down.reason, down.detail, down.outage) == ("timeout", "x", BEGINNING + timedelta(seconds=10))
    health, changes = step_health({place: health}, listing("ads", True, 45))
    assert changes == (SourceChanged(BEGINNING + timedelta(seconds=45), "warehouse", "ads", up=True, lasted=35.0),)
    assert health == Health(swept_at=BEGINNING + timedelta(seconds=45))


def test_a_source_is_up_while_any_project_is() -> None:
    """One project that answers is enough; a source that was never asked counts as up, and others do not count."""
    up, down = Health(swept_at=BEGINNING), Health(failing_since=BEGINNING, failures=9, down=True, outage=BEGINNING)
    assert source_is_up({}, "warehouse")
    assert source_is_up({("warehouse", "a"): down, ("warehouse", "b"): up}, "warehouse")
    assert not source_is_up({("warehouse", "a"): down, ("render", "b"): up}, "warehouse")


def test_known_after_the_first_answer_of_any_kind() -> None:
    """An answer and a failure both are something true to show."""
    assert not Health().is_known
    for answered in (True, False):
        health, _ = step_health({}, listing("ads", answered, 0))
        assert health.is_known
