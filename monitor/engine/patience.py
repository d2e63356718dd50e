"""What follows from one try to deliver: when to try or tell it again, when to give up, when to tell another channel.

Rules of this file: decisions are values; whoever carries them out is the courier.
"""

from datetime import datetime, timedelta

from msgspec import Struct

from monitor.core.schedule import backoff
from monitor.notify.base import NotifyError, Receipt
from monitor.storage.base import Attempt, Delivery, DeliveryState, Outcome
from monitor.storage.outbox import falls_back

GRACE = timedelta(seconds=60)  # a lease outlives the try that it is for
LONGEST_REPEAT = 60.0  # seconds between tries to tell it again: a receiver that restarted knows nothing until then


class Patience(Struct, frozen=True, gc=False):
    """How long one try may take, how long to wait between tries, when to tell the fallback, and when to give up."""

    timeout: timedelta = timedelta(seconds=15)
    first: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(minutes=5)
    give_up_after: timedelta = timedelta(hours=24)
    fallback_after: timedelta = timedelta(minutes=5)

    def lease(self) -> timedelta:
        """A try is over, and its outcome settled, before anybody else may claim it."""
        return self.timeout + GRACE

    def backoff(self, failures: int, chance: float) -> float:
        """Seconds to wait after so many failures in a row."""
        return backoff(failures, first=self.first.total_seconds(), longest=self.longest.total_seconds(), chance=chance)

    def wait(self, delivery: Delivery, chance: float) -> float:
        """Seconds to wait after a try at this delivery failed."""
        if delivery.state is DeliveryState.REPEATING:
            return min(self.backoff(_failures(delivery) + 1, chance), LONGEST_REPEAT)
        return self.backoff(delivery.claims, chance)

    def after_failure(self, delivery: Delivery, failure: NotifyError, attempt: Attempt, due_at: datetime) -> Outcome:
        """What a failed try leads to, where the next one would be at `due_at`.

        No try comes between this one and the next, so if the fallback's time lies there, it is told at that time.
        """
        if delivery.state is DeliveryState.REPEATING:
            return Outcome(attempt, DeliveryState.REPEATING, due_at)
        alert = delivery.alert
        fallback = falls_back(alert, delivery.channel)
        if failure.permanent or due_at - alert.at > self.give_up_after:
            return Outcome(attempt, DeliveryState.GIVEN_UP, fallback=fallback)
        late = alert.at + self.fallback_after
        if due_at < late:
            return Outcome(attempt, DeliveryState.PENDING, due_at)
        return Outcome(attempt, DeliveryState.PENDING, due_at, fallback, max(late, attempt.at))


def after_success(receipt: Receipt, attempt: Attempt) -> Outcome:
    """It is delivered; a receiver that forgets is told again."""
    state = DeliveryState.DELIVERED if receipt.again_at is None else DeliveryState.REPEATING
    return Outcome(attempt, state, receipt.again_at)


def _failures(delivery: Delivery) -> int:
    """How many of the newest tries failed in a row."""
    newest_first = reversed(delivery.attempts)
    return next((number for number, attempt in enumerate(newest_first) if not attempt.reason), len(delivery.attempts))
