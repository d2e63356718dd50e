"""What an outcome does to a row of the outbox: the same rules for every driver.

Rules of this file: rows and outcomes are values; who reads and writes them is the driver's business.
"""

from msgspec import Struct
from msgspec.structs import replace

from monitor.core.alerting import Alert
from monitor.storage.base import MAX_ATTEMPTS, Attempt, Delivery, DeliveryState, Outcome

_WAITS = (DeliveryState.PENDING, DeliveryState.REPEATING)


class Settlement(Struct, frozen=True, gc=False):
    """The row as it is to be kept, whether its lease ends, and the channels that get the alert unless they have it."""

    row: Delivery
    ends_lease: bool
    fallback: tuple[str, ...]


def settle(row: Delivery, claims: int, outcome: Outcome) -> Settlement:
    """Apply the outcome of claim number `claims` to a row that may have gone on since."""
    kept = replace(row, attempts=remember(row.attempts, outcome.attempt))
    counts = _counts(row, claims, outcome.state)
    if counts:
        due = (outcome.due_at or row.alert.at) if outcome.state in _WAITS else None
        kept = replace(kept, state=outcome.state, due_at=due)
    undelivered = kept.state in (DeliveryState.PENDING, DeliveryState.GIVEN_UP)
    return Settlement(kept, counts, outcome.fallback if undelivered else ())


def falls_back(alert: Alert, channel: str) -> tuple[str, ...]:
    """The channels that get an alert which this one does not take: a fallback has none of its own."""
    return alert.fallback if channel in alert.channels else ()


def _counts(row: Delivery, claims: int, state: DeliveryState) -> bool:
    """Whether an outcome moves the row: its holder's always does, a latecomer's only if it is better."""
    mine = claims == row.claims
    match row.state:
        case DeliveryState.PENDING:
            return mine or state is not DeliveryState.PENDING
        case DeliveryState.REPEATING:
            return state is DeliveryState.DELIVERED or (mine and state is DeliveryState.REPEATING)
        case DeliveryState.GIVEN_UP:
            return state in (DeliveryState.DELIVERED, DeliveryState.REPEATING)
        case DeliveryState.DELIVERED:
            return False


def remember(attempts: tuple[Attempt, ...], newest: Attempt) -> tuple[Attempt, ...]:
    """The tries that are kept: the newest, and always the first that was taken."""
    every = (*attempts, newest)
    if len(every) <= MAX_ATTEMPTS:
        return every
    oldest = every[0]
    return every[1:] if oldest.reason else (oldest, *every[2:])
