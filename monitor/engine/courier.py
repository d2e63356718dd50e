"""Takes alerts out of the outbox to their channels: at least once, in order per channel, every try on record."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from math import inf

import anyio
import structlog
from msgspec import Struct

from monitor.core.schedule import backoff
from monitor.engine.reports import DeliveryReport
from monitor.notify.base import Notifier, NotifyError, Reason
from monitor.storage.base import Attempt, Batch, Delivery, DeliveryState, Outcome, Storage

CLAIMED_AT_ONCE = 16

log = structlog.get_logger()


class Patience(Struct, frozen=True, gc=False):
    """How long one try may take, how long to wait between tries, and when to give up."""

    timeout: timedelta = timedelta(seconds=15)
    first: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(minutes=5)
    give_up_after: timedelta = timedelta(hours=24)

    def lease(self) -> timedelta:
        """A claimed round is over before anybody else may claim it."""
        return self.timeout * CLAIMED_AT_ONCE + timedelta(seconds=60)


class Courier:
    """One task per channel, so that a channel that hangs delays no other."""

    def __init__(
        self,
        *,
        storage: Storage,
        channels: Mapping[str, Notifier],
        patience: Patience,
        who: str,
        now: Callable[[], datetime],
        chance: Callable[[], float],
        report: Callable[[DeliveryReport], None],
    ) -> None:
        self._storage = storage
        self._channels = channels
        self._patience = patience
        self._who = who
        self._now = now
        self._chance = chance
        self._report = report
        self._wake = anyio.Event()

    def on_batch(self, batch: Batch) -> None:
        """A follower's hook: look into the outbox when something was put there."""
        if batch.alerts:
            self._wake.set()
            self._wake = anyio.Event()

    async def run(self) -> None:
        """Deliver until cancelled. A try that is cancelled half-way is made again after its lease."""
        async with anyio.create_task_group() as channels:
            for notifier in self._channels.values():
                channels.start_soon(self._serve, notifier)

    async def _serve(self, notifier: Notifier) -> None:
        while True:
            woken = self._wake  # taken before looking, so that what arrives meanwhile is not missed
            claimed = await self._storage.claim(
                notifier.name, CLAIMED_AT_ONCE, self._now(), self._patience.lease(), self._who
            )
            for delivery in claimed:
                await self._deliver(notifier, delivery)
            if claimed:
                continue
            due = await self._storage.next_due(notifier.name)
            wait = inf if due is None else max(0.0, (due - self._now()).total_seconds())
            with anyio.move_on_after(wait):
                await woken.wait()

    async def _deliver(self, notifier: Notifier, delivery: Delivery) -> None:
        at, started = self._now(), anyio.current_time()
        try:
            with anyio.fail_after(self._patience.timeout.total_seconds()):
                receipt = await notifier.send((delivery.alert,))
        except NotifyError as error:
            failure = error
        except TimeoutError:
            text = f"no answer within {self._patience.timeout.total_seconds():g} s"
            failure = NotifyError(Reason.TIMEOUT, text, permanent=False)
        except Exception as error:  # a bug in one channel must not stop the others: it is told, and tried again
            log.exception("channel_crashed", channel=notifier.name, alert=delivery.alert.id)
            failure = NotifyError(Reason.CRASHED, repr(error), permanent=False)
        else:
            seconds = anyio.current_time() - started
            taken = Attempt(at=at, seconds=seconds, status=receipt.status, detail=receipt.detail)
            await self._settle(delivery, Outcome(attempt=taken, state=DeliveryState.DELIVERED))
            return
        seconds = anyio.current_time() - started
        await self._settle(delivery, self._after(failure, delivery, at, seconds))

    def _after(self, failure: NotifyError, delivery: Delivery, at: datetime, seconds: float) -> Outcome:
        attempt = Attempt(at=at, seconds=seconds, reason=failure.reason, status=failure.status, detail=str(failure))
        wait = backoff(
            len(delivery.attempts) + 1,
            first=self._patience.first.total_seconds(),
            longest=self._patience.longest.total_seconds(),
            chance=self._chance(),
        )
        due = self._now() + timedelta(seconds=max(wait, failure.retry_after or 0.0))
        if failure.permanent or due - delivery.alert.at > self._patience.give_up_after:
            return Outcome(attempt=attempt, state=DeliveryState.GIVEN_UP)
        return Outcome(attempt=attempt, state=DeliveryState.PENDING, due_at=due)

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        with anyio.CancelScope(shield=True):  # what was sent must be remembered as sent, or it is sent twice
            await self._storage.settle(delivery, outcome)
        given_up = outcome.state is DeliveryState.GIVEN_UP
        attempt = outcome.attempt
        self._report(
            DeliveryReport(
                channel=delivery.channel,
                result=attempt.reason or "delivered",
                seconds=attempt.seconds,
                given_up=given_up,
            )
        )
        if given_up:
            log.error(
                "delivery_given_up",
                channel=delivery.channel,
                alert=delivery.alert.id,
                rule=delivery.alert.rule,
                instance=str(delivery.alert.key or ""),
                tries=len(delivery.attempts) + 1,
                reason=attempt.reason,
                detail=attempt.detail,
            )
