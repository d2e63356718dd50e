"""What an outcome does to a row of the outbox; the drivers' part of it is in tests/contracts/test_storage.py."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from monitor.core.alerting import Alert
from monitor.storage.base import MAX_ATTEMPTS, Attempt, Delivery, DeliveryState, Outcome
from monitor.storage.outbox import remember, settle

AT = datetime(2026, 1, 1, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
ALERT = Alert("a", "Rule", "critical", None, 1, AT, AT, {"source": "s", "project": "p"}, {}, ("ops",))
PENDING, REPEATING, DELIVERED, GIVEN_UP = DeliveryState

# state before, outcome -> who must come with it for it to count: its holder, or anybody who once held it
COUNTS = {
    (PENDING, PENDING): "holder",
    (PENDING, REPEATING): "anybody",
    (PENDING, DELIVERED): "anybody",
    (PENDING, GIVEN_UP): "anybody",
    (REPEATING, REPEATING): "holder",
    (REPEATING, DELIVERED): "anybody",
    (GIVEN_UP, REPEATING): "anybody",
    (GIVEN_UP, DELIVERED): "anybody",
}


@pytest.mark.parametrize(("before", "outcome", "holder"), list(product(DeliveryState, DeliveryState, [True, False])))
def test_a_row_only_gets_better(before: DeliveryState, outcome: DeliveryState, holder: bool) -> None:
    """By its holder's outcome, or by a latecomer's that is better; a delivery is never taken back."""
    row = Delivery(1, ALERT, "ops", before, (), AT, claims=2)
    due = LATER if outcome in {PENDING, REPEATING} else None
    settled = settle(row, 2 if holder else 1, Outcome(Attempt(AT, 0.1), outcome, due))
    counts = COUNTS.get((before, outcome)) in ({"holder", "anybody"} if holder else {"anybody"})
    assert settled.ends_lease == counts
    assert (settled.row.state, settled.row.due_at) == ((outcome, due) if counts else (before, AT))
    assert settled.row.attempts == (Attempt(AT, 0.1),)


@pytest.mark.parametrize("state", DeliveryState)
def test_only_what_is_not_delivered_falls_back(state: DeliveryState) -> None:
    """Whatever the outcome says, it is the row that counts."""
    row = Delivery(1, ALERT, "ops", state, (), AT, claims=1)
    settled = settle(row, 1, Outcome(Attempt(AT, 0.1, "refused"), GIVEN_UP, None, ("mail",)))
    assert settled.fallback == (("mail",) if state in {PENDING, GIVEN_UP} else ())


def test_a_try_without_a_time_is_due_since_the_alert() -> None:
    """So that it cannot be forgotten."""
    row = Delivery(1, ALERT, "ops", claims=1)
    assert settle(row, 1, Outcome(Attempt(LATER, 0.1, "timeout"), PENDING)).row.due_at == AT


@pytest.mark.parametrize("taken", [None, 0, 7, MAX_ATTEMPTS, MAX_ATTEMPTS + 3])
def test_the_first_try_that_was_taken_is_kept(taken: int | None) -> None:
    """Beside the newest; without one, the newest alone."""
    every = [Attempt(AT + timedelta(minutes=turn), 0.1, "" if turn == taken else "no") for turn in range(50)]
    kept: tuple[Attempt, ...] = ()
    for attempt in every:
        kept = remember(kept, attempt)
        assert len(kept) <= MAX_ATTEMPTS
    newest = every[-MAX_ATTEMPTS:]
    assert list(kept) == (newest if taken is None else [every[taken], *newest[1:]])
