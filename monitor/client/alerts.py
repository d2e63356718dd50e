"""What the API says of alerts, as values: what was said, to whom, and every try to say it."""

from datetime import datetime

from msgspec import Struct


class Attempt(Struct, frozen=True, gc=False):
    """One try at one delivery. `reason` is None when the receiver took it; `seconds` is how long it took."""

    at: datetime
    seconds: float
    reason: str | None
    status: int | None
    detail: str


class Delivery(Struct, frozen=True, gc=False):
    """The way to one channel. `due_at` is the next try or repeat, `delivered_at` the first that was taken."""

    channel: str
    state: str
    due_at: datetime | None
    delivered_at: datetime | None
    attempts: tuple[Attempt, ...]


class Acknowledgement(Struct, frozen=True, gc=False):
    """Who took charge first, and when."""

    by: str
    at: datetime


class Alert(Struct, frozen=True, gc=False, kw_only=True):
    """`id` is its fingerprint, which `acknowledge` takes; `key` is None for an alert about a source."""

    id: str
    rule: str
    severity: str
    key: str | None
    attempt: int
    at: datetime
    started_at: datetime
    labels: dict[str, str]
    annotations: dict[str, str]
    deliveries: tuple[Delivery, ...]
    acknowledged: Acknowledgement | None
