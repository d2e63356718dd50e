"""What the line tells about itself."""

import pytest

from monitor.engine.reports import DeliveryReport, FeedStats


def test_a_report_cannot_change() -> None:
    """A hook may keep it: nobody else writes to it."""
    report = DeliveryReport(channel="ops", result="delivered", seconds=0.1)
    with pytest.raises(AttributeError):
        report.result = "timeout"
    assert not report.given_up


def test_two_feeds_count_for_themselves() -> None:
    """Numbers of one daemon are not those of another in the same process."""
    one, other = FeedStats(), FeedStats()
    one.closed["slow"] += 1
    assert other.closed == {}
