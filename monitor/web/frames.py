"""The feed's messages, both ways: what a client may say, and what we say, encoded once however many listen."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from monitor.core.filter import Filter
from monitor.core.model import Phase
from monitor.engine.board import Board
from monitor.storage.base import Record
from monitor.web import wire, wire_events
from monitor.web.wire import encode
from monitor.web.wire_events import AnyEvent

# --- what clients say ---------------------------------------------------------------------------------------------

SubscriptionId = Annotated[str, Meta(min_length=1, max_length=64)]
Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Wanted(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A filter as clients write it. An absent or empty field asks for all."""

    source: frozenset[str] = frozenset()
    project: frozenset[str] = frozenset()
    phase: frozenset[Phase] = frozenset()
    owner: frozenset[str] = frozenset()
    key: frozenset[str] = frozenset()
    q: str = ""


class After(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Up to where a client has seen everything that it subscribed to."""

    epoch: str
    seq: Number


class Subscribe(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag_field="type", tag="subscribe"):
    """Asks for a snapshot and the events behind it. The same id again replaces the subscription.

    `detail` has the stages of matching live instances read with priority. `limit` cuts the snapshot to the newest
    discovered; events come for all. `after` asks for the missed events instead of a snapshot.
    """

    id: SubscriptionId
    filter: Wanted = Wanted()
    detail: bool = False
    after: After | None = None
    limit: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None

    @property
    def wanted(self) -> Filter:
        """The filter as the board knows it."""
        it = self.filter
        return Filter(source=it.source, project=it.project, phase=it.phase, owner=it.owner, key=it.key, q=it.q)


class Unsubscribe(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag_field="type", tag="unsubscribe"):
    """Ends a subscription."""

    id: SubscriptionId


class BadFrameError(Exception):
    """A client's frame says nothing that we understand; the message says what would have been."""


_requests: msgspec.json.Decoder[Subscribe | Unsubscribe] = msgspec.json.Decoder(Subscribe | Unsubscribe)


def read(text: str) -> Subscribe | Unsubscribe:
    """Read one frame; raise BadFrameError."""
    try:
        return _requests.decode(text)
    except msgspec.ValidationError as error:
        hint = ""
        if "$.type" in str(error) or "`type`" in str(error):
            hint = ": send subscribe or unsubscribe"
        elif "$.filter.phase" in str(error):
            hint = f": use {', '.join(Phase)}"
        raise BadFrameError(f"{error}{hint}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadFrameError(f"send one JSON object in each frame: {error}") from None


# --- what we say --------------------------------------------------------------------------------------------------


class Frame(Struct, frozen=True, gc=False):
    """One message, encoded. `mark` is the sequence number that a reader has reached once it has this frame."""

    body: bytes
    mark: int | None = None


class Hello(Struct, frozen=True, gc=False, tag_field="type", tag="hello"):
    """The first frame. Numbers of another epoch mean nothing in this one."""

    epoch: str
    seq: int
    version: str


class Snapshot(Struct, frozen=True, gc=False, tag_field="type", tag="snapshot"):
    """A part of what matches, as it stood at `seq`. `total` counts what matches, also beyond a limit."""

    id: str
    seq: int
    instances: tuple[Raw, ...]
    last: bool
    total: int


class Happened(Struct, frozen=True, gc=False, tag_field="type", tag="event"):
    """Something changed."""

    seq: int
    event: AnyEvent


class Resync(Struct, frozen=True, gc=False, tag_field="type", tag="resync"):
    """What was missed cannot be told: a fresh snapshot follows.

    `reason` is "epoch" if the numbers are of another run, "history" if they are too old (or not of ours), and "order"
    if this connection has already been told of later ones.
    """

    id: str
    reason: str


class Error(Struct, frozen=True, gc=False, tag_field="type", tag="error"):
    """A frame was not obeyed. The connection stays; `id` names the subscription, where there is one."""

    code: str
    message: str
    id: str | UnsetType = UNSET


def say(message: Hello | Resync | Error) -> Frame:
    """A message that marks no progress through the events."""
    return Frame(encode(message))


def snapshot(part: Snapshot) -> Frame:
    """A part of a snapshot; only with the last one has the reader reached its number."""
    return Frame(encode(part), part.seq if part.last else None)


def event(record: Record, board: Board) -> Frame:
    """An event with the newest state known when it was committed."""
    shown = wire.instance(record.track, board) if record.track else None
    return Frame(encode(Happened(record.seq, wire_events.event(record, shown, track=record.track))), record.seq)


class News:
    """One record on its way to every listener: encoded when the first one wants it."""

    __slots__ = ("_board", "_frame", "record")

    def __init__(self, record: Record, board: Board) -> None:
        self.record = record
        self._board = board
        self._frame: Frame | None = None

    @property
    def frame(self) -> Frame:
        """Its one encoding."""
        if self._frame is None:
            self._frame = event(self.record, self._board)
        return self._frame
