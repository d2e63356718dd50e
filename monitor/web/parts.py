"""What the web side is built from, and what it asks of the app."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import Struct

from monitor.engine.attention import Attention
from monitor.engine.board import Board
from monitor.engine.bus import Bus
from monitor.engine.control import Control
from monitor.engine.hearing import Hearing
from monitor.engine.reports import FeedStats
from monitor.storage.base import Storage


class ReloadError(Exception):
    """The config could not be taken over; the old one stays in force. The message names the fault."""


class Readiness(Struct, frozen=True, gc=False):
    """Whether there is something true to show. `missing` says in words what is awaited, one sentence each."""

    missing: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Nothing is awaited."""
        return not self.missing


class FeedLimits(Struct, frozen=True, gc=False, kw_only=True):
    """How much one reader of the feed may cost. Spans are in seconds, sizes in bytes."""

    frames: int = 10_000  # that wait for one reader; then it is cut off
    size: int = 8 << 20  # of all that waits for one reader; then it is cut off
    crowded: int = 256  # frames that wait: from here on only the newest progress of each instance is kept
    chunk: int = 256 << 10  # that is joined into one write
    part: int = 250  # instances in one part of a snapshot: a few milliseconds of work
    message: int = 64 << 10  # that a client may send in one frame
    subscriptions: int = 32  # of one connection
    watched: int = 50  # instances whose stages are read for one connection's sake
    heartbeat: float = 20.0
    stall: float = 30.0  # that one write may take until the reader is given up
    grace: float = 5.0  # for a reader to take its last frames after it was told to go


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that requests are answered from.

    `metrics` maps an Accept header to a body and its content type. `reload` raises ReloadError.
    """

    board: Board
    bus: Bus
    control: Control
    hearing: Hearing
    storage: Storage
    attention: Attention
    stats: FeedStats
    ready: Callable[[], Readiness]
    metrics: Callable[[str], Awaitable[tuple[bytes, str]]]
    reload: Callable[[], Awaitable[None]]
    now: Callable[[], datetime]
    version: str
    limits: FeedLimits = field(default_factory=FeedLimits)
