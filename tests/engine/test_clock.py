"""Time never goes back, and a clock that was set back is told once."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from monitor.engine.clock import SteadyClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def told(seconds: list[float]) -> list[float]:
    """What the clock tells while the machine's clock reads these."""
    readings = iter([0.0, *seconds])
    clock = SteadyClock(lambda: NOON + timedelta(seconds=next(readings)))
    return [(clock.now() - NOON).total_seconds() for _ in seconds]


@given(st.lists(st.integers(-10_000, 10_000).map(float)))
def test_it_never_goes_back(seconds: list[float]) -> None:
    """It tells the latest time that the machine's clock has read."""
    assert told(seconds) == [max(0.0, *seconds[: number + 1]) for number in range(len(seconds))]


def test_a_clock_set_back_is_told_once() -> None:
    """An hour back is one line, until the clock has caught up; being kept right is none."""
    with capture_logs() as logs:
        told([10.0, 9.9, 10.0, -3590.0, -3580.0, -10.0])
        assert [(line["event"], line["seconds"]) for line in logs] == [("clock_set_back", 3600.0)]
