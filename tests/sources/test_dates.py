"""Times in headers."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from monitor.sources.dates import ServiceClock, read_http_date, retry_after

NOW = datetime(2025, 1, 24, 7, 34, 21, tzinfo=UTC)
NOW_TEXT = "Fri, 24 Jan 2025 07:34:21 GMT"


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_date_is_read_as_it_was_written(moment: datetime) -> None:
    """What the standard library writes is read to the second."""
    assert read_http_date(format_datetime(moment, usegmt=True)) == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fri, 24 Jan 2025 15:34:21 +0800", NOW),
        ("24 Jan 2025 07:34:21 GMT", NOW),
        ("", None),
        ("soon", None),
        ("Fri, 24 Jan 2025 07:34:21", None),
        ("Fri, 99 Jan 2025 07:34:21 GMT", None),
        ("Fri, 24 Foo 2025 07:34:21 GMT", None),
        ("x" * 100_000, None),
    ],
)
def test_odd_dates(text: str, expected: datetime | None) -> None:
    """Another zone is converted; what names no moment is None."""
    assert read_http_date(text) == expected


@given(st.text())
def test_no_text_raises(text: str) -> None:
    """Any text is a date or None."""
    moment = read_http_date(text)
    assert moment is None or moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 120 "}, 120.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "9" * 50}, None),
        ({"Retry-After": "Fri, 24 Jan 2025 07:34:51 GMT"}, 30.0),
        ({"Retry-After": "Fri, 24 Jan 2025 07:00:00 GMT"}, 0.0),
        ({"Retry-After": "Fri, 24 Jan 2025 08:34:51 GMT", "Date": "Fri, 24 Jan 2025 08:34:21 GMT"}, 30.0),
    ],
)
def test_retry_after_in_both_forms(headers: dict[str, str], expected: float | None) -> None:
    """Seconds, or a date that is measured from the service's own clock where it told it."""
    assert retry_after(CIMultiDict(headers), NOW) == expected


def test_a_stamp_is_made_once_a_second_and_of_the_day_in_utc() -> None:
    """Within a second it is the same object; a clock in another zone gives the same text."""
    at = NOW.astimezone(timezone(timedelta(hours=8)))
    times = iter([at, at + timedelta(milliseconds=999), at + timedelta(seconds=1), at])
    clock = ServiceClock(lambda: next(times))
    first, second, third, back = clock.stamp(), clock.stamp(), clock.stamp(), clock.stamp()
    assert first == (NOW_TEXT, "20250124")
    assert second is first
    assert third.date == "Fri, 24 Jan 2025 07:34:22 GMT"
    assert back == first


def test_dates_go_by_the_clock_that_stands_in_answers() -> None:
    """From half a minute apart they are converted in both directions; signatures wait for a refusal."""
    clock = ServiceClock(lambda: NOW)
    clock.compare(NOW - timedelta(seconds=29))
    clock.compare(None)
    assert clock.theirs(NOW) == clock.ours(NOW) == NOW
    clock.compare(NOW - timedelta(hours=1))
    assert clock.theirs(NOW) == NOW - timedelta(hours=1)
    assert clock.ours(NOW - timedelta(hours=1)) == NOW
    assert clock.ours(None) is None
    assert clock.stamp().date == NOW_TEXT
    clock.compare(NOW + timedelta(seconds=1))
    assert clock.theirs(NOW) == NOW + timedelta(seconds=1)
    clock.correct(NOW + timedelta(hours=2))
    assert clock.theirs(NOW) == NOW + timedelta(hours=2)


def test_no_clock_leads_beyond_the_calendar() -> None:
    """Whatever time a service claims to have, nothing is raised."""
    clock = ServiceClock(lambda: NOW)
    clock.compare(datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    assert clock.ours(datetime(2, 1, 1, tzinfo=UTC)) is None
    assert clock.theirs(NOW + timedelta(hours=1)) == NOW + timedelta(hours=1)


def test_a_corrected_clock_speaks_the_services_time() -> None:
    """After the correction stamps are the service's, also over midnight."""
    clock = ServiceClock(lambda: NOW)
    clock.correct(NOW + timedelta(hours=17))
    assert clock.stamp() == ("Sat, 25 Jan 2025 00:34:21 GMT", "20250125")
