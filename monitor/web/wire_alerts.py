"""The public JSON of alerts: what was said, to whom, and every try to say it."""

from datetime import datetime

from msgspec import Struct

from monitor.storage import base
from monitor.storage.base import AlertRecord, DeliveryState


class Attempt(Struct, frozen=True, gc=False):
    """One try at one delivery. `reason` is null when the receiver took it."""

    at: datetime
    seconds: float
    reason: str | None
    status: int | None
    detail: str


class Delivery(Struct, frozen=True, gc=False):
    """The way to one channel. `due_at` is the next try or repeat, `delivered_at` the first that was taken, or null."""

    channel: str
    state: DeliveryState
    due_at: datetime | None
    delivered_at: datetime | None
    attempts: tuple[Attempt, ...]


class Acknowledgement(Struct, frozen=True, gc=False):
    """Who took charge first, and when."""

    by: str
    at: datetime


class Alert(Struct, frozen=True, gc=False, kw_only=True):
    """`id` is its fingerprint; `key` is null for an alert about a source."""

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


class AlertPage(Struct, frozen=True, gc=False):
    """Newest first; `next` is the cursor of the page behind this one."""

    alerts: tuple[Alert, ...]
    next: str | None


def alert(record: AlertRecord) -> Alert:
    """How an alert looks from outside."""
    it, taken = record.alert, record.acknowledged
    return Alert(
        id=it.id,
        rule=it.rule,
        severity=it.severity,
        key=str(it.key) if it.key else None,
        attempt=it.attempt,
        at=it.at,
        started_at=it.started_at,
        labels=it.labels,
        annotations=it.annotations,
        deliveries=tuple(map(_delivery, record.deliveries)),
        acknowledged=Acknowledgement(taken.by, taken.at) if taken else None,
    )


def _delivery(delivery: base.Delivery) -> Delivery:
    waits = delivery.state in (DeliveryState.PENDING, DeliveryState.REPEATING)
    return Delivery(
        channel=delivery.channel,
        state=delivery.state,
        due_at=delivery.due_at if waits else None,
        delivered_at=delivery.delivered_at,
        attempts=tuple(map(_attempt, delivery.attempts)),
    )


def _attempt(attempt: base.Attempt) -> Attempt:
    return Attempt(attempt.at, attempt.seconds, attempt.reason or None, attempt.status, attempt.detail)
