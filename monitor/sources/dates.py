"""Times in HTTP headers and XML: RFC 1123 in GMT, read and written without the cost of a general parser."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import NamedTuple

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_FORM = len("Fri, 24 Jan 2025 07:34:21 GMT")
_LONGEST = 64  # nothing longer is a date; the general parser is not asked about it
_TOLERATED = timedelta(seconds=30)  # between two clocks: whole seconds in headers, and the way of an answer


def read_http_date(text: str) -> datetime | None:
    """An aware UTC time, or None of an empty or odd text."""
    try:
        if len(text) == _FORM and text.endswith(" GMT"):
            return datetime(
                int(text[12:16]),
                _MONTHS[text[8:11]],
                int(text[5:7]),
                int(text[17:19]),
                int(text[20:22]),
                int(text[23:25]),
                tzinfo=UTC,
            )
        if not text or len(text) > _LONGEST:
            return None
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The `Retry-After` header in seconds, given as seconds or as a date; None if absent or odd.

    A date is measured from the answer's own `Date`, and from `now` where it has none: the two clocks may disagree.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    moment = read_http_date(text)
    if moment is None:
        return None
    return max(0.0, (moment - (read_http_date(headers.get("Date", "")) or now)).total_seconds())


class Stamp(NamedTuple):
    """One second, as requests are signed with it."""

    date: str  # Fri, 24 Jan 2025 07:34:21 GMT
    day: str  # 20250124


class ServiceClock:
    """The service's time: ours and a correction. Text is made once a second, not once a request.

    There are two corrections: signatures are judged by the service itself, and believe only its refusals; dates that
    the service tells and is told are compared with the clock that stands in its answers.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._offset = timedelta()
        self._apart = timedelta()
        self._stamp = Stamp("", "")
        self._begins = self._ends = datetime.min.replace(tzinfo=UTC)  # the second of which the stamp tells

    def stamp(self) -> Stamp:
        """The time by which the service judges a signature."""
        now = self._now()
        if self._offset:
            now += self._offset
        if not self._begins <= now < self._ends:
            self._begins = now.astimezone(UTC).replace(microsecond=0)
            self._ends = self._begins + timedelta(seconds=1)
            self._stamp = Stamp(format_datetime(self._begins, usegmt=True), self._begins.strftime("%Y%m%d"))
        return self._stamp

    def correct(self, theirs: datetime) -> None:
        """Believe the service about what time it is: it has refused a signature."""
        self._offset = self._apart = theirs - self._now()

    def compare(self, theirs: datetime | None) -> None:
        """Note what time an answer says it is, for the dates that it holds."""
        if theirs is not None and abs(theirs - self._now() - self._apart) > _TOLERATED:
            self._apart = theirs - self._now()

    def theirs(self, ours: datetime) -> datetime:
        """A time of ours as the service would date it."""
        try:
            return ours + self._apart
        except OverflowError:
            return ours

    def ours(self, theirs: datetime | None) -> datetime | None:
        """A date of the service's by our clock; None of one beyond the calendar."""
        try:
            return theirs and theirs - self._apart
        except OverflowError:
            return None
