"""Dates in SQL. They are texts such as `2025-01-24 15:34:21`, in the service's own time."""

import calendar
import re
from datetime import datetime, timedelta

from monitor.emulator.clock import CHINA
from monitor.emulator.sql.errors import SqlError
from monitor.emulator.sql.values import Value, shown

FORM = "%Y-%m-%d %H:%M:%S"
_FORM_WORDS = (("yyyy", "%Y"), ("mm", "%m"), ("dd", "%d"), ("hh", "%H"), ("mi", "%M"), ("ss", "%S"))
_PARTS = {
    **dict.fromkeys(("yyyy", "year"), "year"),
    **dict.fromkeys(("mm", "mon", "month"), "month"),
    **dict.fromkeys(("dd", "day"), "day"),
    **dict.fromkeys(("hh", "hour"), "hour"),
    **dict.fromkeys(("mi", "minute"), "minute"),
    **dict.fromkeys(("ss", "second"), "second"),
}
_SPANS = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}


def moment(value: Value, function: str) -> datetime:
    """The date that a text says. Raises SqlError in the name of that function."""
    text = str(value)
    for form in (FORM, "%Y-%m-%d", "%Y-%m-%d %H:%M:%S.%f"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=CHINA)
        except ValueError:
            continue
    raise SqlError(
        "ODPS-0121095",
        f"in function {function}, string datetime's format must be yyyy-mm-dd hh:mi:ss, input string is:{shown(value)}",
    )


def _form(words: str) -> str:
    form = words.replace("%", "%%")
    for word, code in _FORM_WORDS:
        form = re.sub(word, code, form, flags=re.IGNORECASE)
    return form


def to_char(value: Value, form: str | None = None) -> str | None:
    """A number as text, or a date in a form made of yyyy mm dd hh mi ss."""
    if value is None:
        return None
    return str(value) if form is None else moment(value, "to_char").strftime(_form(form))


def to_date(text: str | None, form: str | None = None) -> str | None:
    """The date that a text in that form stands for."""
    if text is None:
        return None
    if form is None:
        return moment(text, "to_date").strftime(FORM)
    try:
        return datetime.strptime(text, _form(form)).replace(tzinfo=CHINA).strftime(FORM)
    except ValueError:
        raise SqlError("ODPS-0121095", f"in function to_date, '{shown(text)}' is not of the form {form}") from None


def _part(name: str, function: str) -> str:
    part = _PARTS.get(name.lower())
    if part is None:
        raise SqlError("ODPS-0121095", f"in function {function}, '{shown(name)}' is no part of a date")
    return part


def datepart(date: str | None, part: str) -> int | None:
    """The year, month, day, hour, minute or second of a date."""
    if date is None:
        return None
    number: int = getattr(moment(date, "datepart"), _part(part, "datepart"))
    return number


def dateadd(date: str | None, amount: int | None, part: str) -> str | None:
    """A date so many parts later."""
    if date is None or amount is None:
        return None
    begin, unit = moment(date, "dateadd"), _part(part, "dateadd")
    try:
        if unit in _SPANS:
            return (begin + timedelta(seconds=_SPANS[unit] * amount)).strftime(FORM)
        months = begin.year * 12 + begin.month - 1 + amount * (12 if unit == "year" else 1)
        year, month = divmod(months, 12)
        day = min(begin.day, calendar.monthrange(year, month + 1)[1])
        return begin.replace(year=year, month=month + 1, day=day).strftime(FORM)
    except (OverflowError, ValueError):
        raise SqlError("ODPS-0121145", f"in function dateadd, {shown(date)} {amount:+d} {unit} is no date") from None


def datediff(later: str | None, earlier: str | None, part: str = "dd") -> int | None:
    """How many borders of that part lie between two dates."""
    if later is None or earlier is None:
        return None
    first, last, unit = moment(earlier, "datediff"), moment(later, "datediff"), _part(part, "datediff")
    if unit in _SPANS:
        span = _SPANS[unit]
        offset = 8 * 3600  # borders of days are those of the service's own time
        return int((last.timestamp() + offset) // span - (first.timestamp() + offset) // span)
    months = (last.year - first.year) * 12 + last.month - first.month
    return last.year - first.year if unit == "year" else months


def from_unixtime(seconds: int | None) -> str | None:
    """The date of an epoch second, in the service's own time."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, CHINA).strftime(FORM)
    except (OverflowError, ValueError, OSError):
        raise SqlError("ODPS-0121145", f"in function from_unixtime, {seconds} is out of range") from None
