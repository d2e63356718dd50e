"""What follows from a try, as values."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.core.alerting import Alert
from monitor.engine.patience import LONGEST_REPEAT, Patience, after_success
from monitor.notify.base import NotifyError, Reason, Receipt
from monitor.storage.base import Attempt, Delivery, DeliveryState

AT = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PATIENCE = Patience()
PASSES = NotifyError(Reason.UNAVAILABLE, "503", permanent=False)
STAYS = NotifyError(Reason.REFUSED, "400", permanent=True)
PENDING, REPEATING, DELIVERED, GIVEN_UP = DeliveryState


def delivery(channel: str = "ops", state: DeliveryState = PENDING, *reasons: str, claims: int = 1) -> Delivery:
    alert = Alert("a", "Rule", "critical", None, 1, AT, AT, {}, {}, ("ops",), ("mail", "pager"))
    return Delivery(1, alert, channel, state, tuple(Attempt(AT, 0.1, reason) for reason in reasons), AT, claims)


def test_a_success_is_final_unless_it_is_told_again() -> None:
    """At the time that the channel wishes."""
    attempt = Attempt(AT, 0.1)
    final, again = after_success(Receipt(), attempt), after_success(Receipt(again_at=AT + SECOND), attempt)
    assert (final.state, final.due_at) == (DELIVERED, None)
    assert (again.state, again.due_at) == (REPEATING, AT + SECOND)


@pytest.mark.parametrize(
    ("tried", "due", "failure", "state", "fallback_at"),
    [
        (0, 299, PASSES, PENDING, None),
        (0, 300, PASSES, PENDING, 300),
        (254, 510, PASSES, PENDING, 300),
        (400, 700, PASSES, PENDING, 400),
        (0, 2, STAYS, GIVEN_UP, 0),
        (86_300, 86_401, PASSES, GIVEN_UP, 86_300),
    ],
)
def test_when_another_channel_is_told(
    tried: int, due: int, failure: NotifyError, state: DeliveryState, fallback_at: int | None
) -> None:
    """At once when it is given up; else five minutes after the alert, which no try of this channel comes before."""
    attempt = Attempt(AT + tried * SECOND, 0.1, failure.reason)
    outcome = PATIENCE.after_failure(delivery(), failure, attempt, AT + due * SECOND)
    assert outcome.state is state
    assert outcome.due_at == (AT + due * SECOND if state is PENDING else None)
    assert outcome.fallback == (() if fallback_at is None else ("mail", "pager"))
    if fallback_at is not None:
        assert (outcome.fallback_at or attempt.at) == AT + fallback_at * SECOND


@pytest.mark.parametrize("failure", [PASSES, STAYS])
def test_a_fallback_has_no_fallback(failure: NotifyError) -> None:
    """What fails there is tried again or given up like anywhere."""
    outcome = PATIENCE.after_failure(delivery("mail"), failure, Attempt(AT, 0.1, "x"), AT + 1000 * SECOND)
    assert outcome.fallback == ()


@pytest.mark.parametrize("failure", [PASSES, STAYS])
def test_a_repeat_that_fails_is_tried_again(failure: NotifyError) -> None:
    """Whatever the receiver says, and however late: it has the alert."""
    due = AT + timedelta(days=9)
    outcome = PATIENCE.after_failure(delivery("ops", REPEATING, ""), failure, Attempt(AT, 0.1, "x"), due)
    assert (outcome.state, outcome.due_at, outcome.fallback) == (REPEATING, due, ())


def test_waiting_grows_with_failures_in_a_row() -> None:
    """Of a delivery, with its claims; of a repeat, with those since it was told last, and never for long."""
    assert [PATIENCE.wait(delivery(claims=claims), 1.0) for claims in (1, 2, 3, 20)] == [2, 4, 8, 300]
    told = delivery("ops", REPEATING, "timeout", "", claims=60)
    assert PATIENCE.wait(told, 1.0) == 2
    assert PATIENCE.wait(delivery("ops", REPEATING, "", "timeout", claims=61), 1.0) == 4
    assert PATIENCE.wait(delivery("ops", REPEATING, "", *["timeout"] * 19), 1.0) == LONGEST_REPEAT


def test_a_lease_outlives_its_try() -> None:
    """By enough to settle it."""
    assert PATIENCE.lease() >= PATIENCE.timeout + 30 * SECOND
