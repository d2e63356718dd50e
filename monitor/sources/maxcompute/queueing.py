"""The listing of queued and running instances (`cachedinstances`): JSON elements, and what they say in our terms.

Pure. This is the path of the sweep, a thousand elements at a time: decoding is typed, and an element that was there
before lends its key and its times to its successor.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from email.errors import MessageError
from email.header import decode_header

import msgspec
from msgspec import Struct

from monitor.core.events import Seen
from monitor.core.model import InstanceKey, Phase, Queue
from monitor.core.text import clip
from monitor.sources.maxcompute.documents import LONGEST_NAME, is_instance_id
from monitor.sources.maxcompute.markup import malformed
from monitor.sources.maxcompute.words import RUNNING, SUSPENDED, TERMINATED
from monitor.sources.surrogates import replace_halves
from monitor.sources.unknown import LONGEST_WORD

QUEUEING = "Waiting for scheduling"
_SPACE = " \t\r\n"  # as JSON has it
_LARGEST = 2**53
_WAITING, _RUNNING = Phase.WAITING, Phase.RUNNING  # looking them up in the enumeration costs as much as a call
_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?) ?([+-])(\d\d):?(\d\d)", re.ASCII)


class SubStatus(Struct, frozen=True, gc=False):
    """What the scheduler says it is doing."""

    description: str | None = None


class Entry(Struct, frozen=True, gc=False, rename="camel"):
    """One element, as far as we read it. Two equal entries say the same."""

    instance_id: str
    status: str = ""
    user_account: str | None = None
    sub_status: SubStatus | None = None
    instance_progress: float | None = None
    instance_process: float | None = None
    start_time: str | None = None
    job_name: str | None = None
    wait_pos: int | None = None
    queue_length: int | None = None


class _Named(Struct, frozen=True, gc=False, rename="camel"):
    """All that can be had of an element that is wrong elsewhere."""

    instance_id: str


class Entries(Struct, frozen=True, gc=False):
    """The elements of a page. `named` are ids of those that could not be read further; `skipped` counts all unread."""

    entries: Sequence[Entry]
    named: tuple[str, ...] = ()
    skipped: int = 0


_WHOLE = msgspec.json.Decoder(list[Entry])
_PIECES = msgspec.json.Decoder(list[msgspec.Raw])
_ENTRY = msgspec.json.Decoder(Entry, strict=False)
_NAMED = msgspec.json.Decoder(_Named)
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


def read_entries(content: str) -> Entries:
    """The array in `Content`, which may be wrapped as an RFC 2047 encoded word.

    Elements that cannot be read are left out; raises SourceError(MALFORMED) where there is no array at all.
    """
    text = _unwrap(content.strip(_SPACE))
    try:
        return Entries(_WHOLE.decode(text))
    except _UNREADABLE:
        return _read_one_by_one(text)


def observe(entry: Entry, status: str, *, key: InstanceKey, created_at: datetime | None, at: datetime) -> Seen:
    """What an entry says. `status` is its word in lower case; `created_at` was read from its `start_time`."""
    reason = entry.sub_status.description or "" if entry.sub_status is not None else ""
    position = entry.wait_pos
    phase = _phase(status, reason, position)
    fraction = entry.instance_progress
    if fraction is None:
        fraction = entry.instance_process
    queue = None
    if phase is not _RUNNING and (position is not None or entry.queue_length is not None or reason):
        queue = Queue(_natural(position), _natural(entry.queue_length), clip(reason, LONGEST_NAME))
    return Seen(
        key=key,
        at=at,
        kind="maxcompute",
        phase=phase,
        native_status=entry.status if len(entry.status) <= LONGEST_WORD else clip(entry.status, LONGEST_WORD),
        name=clip(entry.job_name, LONGEST_NAME) if entry.job_name else "",
        owner=clip(entry.user_account, LONGEST_NAME) if entry.user_account else "",
        created_at=created_at,
        progress=None if fraction is None or fraction < 0 else min(1.0, fraction),
        queue=queue,
        ended=status == TERMINATED,
    )


def read_start_time(text: str | None) -> datetime | None:
    """`2025-01-24 15:34:21 +0800`, also with microseconds glued to the zone. None without a zone."""
    found = _TIME.fullmatch(text) if text else None
    if found is None:
        return None
    clock, sign, hours, minutes = found.groups()
    try:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        zone = timezone(offset if sign == "+" else -offset)
        return datetime.fromisoformat(clock).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _phase(status: str, reason: str, position: int | None) -> Phase | None:
    if status == RUNNING:
        queued = reason == QUEUEING or (position is not None and position > 0)
        return _WAITING if queued else _RUNNING
    return Phase.SUSPENDED if status == SUSPENDED else None


def _natural(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < _LARGEST else None


def _unwrap(content: str) -> str:
    if not content.startswith("=?"):
        return content
    try:
        pieces = decode_header(content)
        return "".join(
            piece if isinstance(piece, str) else piece.decode(charset or "ascii") for piece, charset in pieces
        )
    except (MessageError, LookupError, ValueError):
        raise malformed("the <Content> is an encoded word that cannot be decoded") from None


def _read_one_by_one(text: str) -> Entries:
    try:
        pieces = _PIECES.decode(replace_halves(text))
    except _UNREADABLE as error:
        raise malformed(f"the <Content> is not a JSON array: {error}") from None
    entries: list[Entry] = []
    named: list[str] = []
    for piece in pieces:
        try:
            entries.append(_ENTRY.decode(piece))
        except _UNREADABLE:
            named.extend(_name_of(piece))
    return Entries(entries, tuple(named), len(pieces) - len(entries))


def _name_of(piece: msgspec.Raw) -> tuple[str, ...]:
    try:
        name = _NAMED.decode(piece).instance_id
    except _UNREADABLE:
        return ()
    return (name,) if is_instance_id(name) else ()
