"""What bodies are made of."""

from datetime import UTC, datetime, timedelta, timezone

from monitor.notify.body import clean, rfc3339


def test_half_a_character_becomes_a_mark() -> None:
    """All else stays as it is, names included."""
    assert clean({"a": "bad \ud800 half", "b": "名\n\0\u202e"}) == {"a": "bad ? half", "b": "名\n\0\u202e"}


def test_times_are_in_utc() -> None:
    """To the microsecond where there are any."""
    assert rfc3339(datetime(2016, 5, 19, 12, 0, tzinfo=timezone(timedelta(hours=8)))) == "2016-05-19T04:00:00Z"
    assert rfc3339(datetime(2016, 5, 19, 12, 0, 0, 5, tzinfo=UTC)) == "2016-05-19T12:00:00.000005Z"
