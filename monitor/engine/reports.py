"""What the line tells about itself: frozen reports to a hook, and plain numbers to read at a scrape."""

from collections import Counter
from dataclasses import dataclass, field

from msgspec import Struct


class DeliveryReport(Struct, frozen=True, gc=False):
    """One attempt to deliver: `result` is "delivered" or the reason of the NotifyError; `given_up` ends it."""

    channel: str
    result: str
    seconds: float
    given_up: bool = False


@dataclass(slots=True)
class FeedStats:
    """What the feed did since the start. `closed` counts connections by why they ended."""

    clients: int = 0
    messages: int = 0
    closed: Counter[str] = field(default_factory=Counter)
