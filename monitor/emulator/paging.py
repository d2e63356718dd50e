"""Pages of listings that stay right while instances come and go.

A marker names the last instance seen by its number, not by its position: what ends or is forgotten between two pages
shifts nothing, and nothing is listed twice.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from monitor.emulator.errors import bad_request
from monitor.emulator.instances import Instance

MAX_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """`marker` leads to the next page; empty on the last."""

    instances: tuple[Instance, ...]
    marker: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a listing is asked for."""

    max_items: int
    after: int | None

    @classmethod
    def read(cls, max_items: str, marker: str) -> "Wanted":
        """From the query's texts, empty if they were not given. Raises ServiceError."""
        if max_items and not (max_items.isascii() and max_items.isdigit() and int(max_items[:9]) > 0):
            raise bad_request(f"maxitems must be a whole number above 0, not '{max_items[:50]}'")
        if marker and not (marker.isascii() and marker.isalnum()):
            raise bad_request(f"marker '{marker[:50]}' was not given out by this service")
        try:
            after = int(marker, 36) if marker else None
        except ValueError:
            raise bad_request(f"marker '{marker[:50]}' was not given out by this service") from None
        return cls(min(MAX_ITEMS, int(max_items[:9])) if max_items else MAX_ITEMS, after)


def page(
    instances: Iterable[Instance], wanted: Wanted, fits: Callable[[Instance], bool], *, newest_first: bool
) -> Page:
    """The next `max_items` that fit, of instances given in the order of the listing."""
    found: list[Instance] = []
    after = wanted.after
    for instance in instances:
        if after is not None and (instance.number >= after if newest_first else instance.number <= after):
            continue
        if instance.hidden or not fits(instance):
            continue
        if len(found) == wanted.max_items:
            return Page(tuple(found), _base36(found[-1].number))
        found.append(instance)
    return Page(tuple(found), "")


def _base36(number: int) -> str:
    letters = ""
    while number:
        number, digit = divmod(number, 36)
        letters = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + letters
    return letters
