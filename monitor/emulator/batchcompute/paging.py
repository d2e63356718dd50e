"""Pages of listings. A marker is inclusive: it names the first element of its page.

Jobs are found by the number in their id, not by their place: a page stays right when the job that its marker names was
deleted meanwhile.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from monitor.emulator.batchcompute.refusals import invalid

DEFAULT_ITEMS = 50
MAX_ITEMS = 100
_ID = re.compile(r"job-[0-9A-F]{32}")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`beyond` is the first element of the next page, None on the last."""

    items: tuple[T, ...]
    beyond: T | None


def max_items_of(text: str) -> int:
    """The page size from the query, empty if it was not given. Raises ServiceError."""
    if not text:
        return DEFAULT_ITEMS
    if not (text.removeprefix("-").isdecimal() and text.isascii()):
        raise invalid("MaxItemCount", "Its type must be integer.")
    if text.startswith("-") or int(text[:9]) > MAX_ITEMS:
        raise invalid("MaxItemCount", f"It must be in [0, {MAX_ITEMS}].")
    return int(text)


def number_of(marker: str) -> int:
    """The number in a job's id. Raises ServiceError if the marker is no id."""
    if not _ID.fullmatch(marker):
        raise invalid("Marker", f"It must be the id of a job, not '{marker[:80]}'.")
    return int(marker[-16:], 16)


def cut(elements: Iterable[T], max_items: int) -> Page[T]:
    """The first page of what is given. A page of no elements is the last: it could lead only to itself."""
    if max_items == 0:
        return Page((), None)
    rest = iter(elements)
    items = tuple(islice(rest, max_items))
    return Page(items, next(rest, None))
