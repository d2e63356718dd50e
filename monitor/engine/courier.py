"""Takes alerts out of the outbox to their channels: at least once, in order per channel, every try on record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf

import anyio
import structlog

from monitor.engine.patience import Patience, after_success
from monitor.engine.reports import DeliveryReport
from monitor.notify.base import Notifier, NotifyError, Reason, Receipt
from monitor.storage.base import Attempt, Batch, Delivery, DeliveryState, Outcome, Storage, StorageError

SETTLE_WITHIN = 30.0  # seconds; what was sent is remembered as sent, even while the daemon stops
LONGEST_PAUSE = timedelta(seconds=10)  # of a whole channel: it keeps the order, but may not hold others up for long
FALL_BACK_AT_ONCE = 100  # alerts in a commit
DOWN_AFTER = 2  # failures in a row: one may be about one alert, or pass
LONGEST_WISH = timedelta(hours=1)  # a receiver that asks for more means something else

log = structlog.get_logger()


@dataclass(slots=True)
class _Line:
    """One channel with what it does to all of its deliveries: `failures` in a row, the first of them at `since`, and up
    to which delivery all were given to others because of them."""

    notifier: Notifier
    failures: int = 0
    since: float = 0.0
    fell_back: int = 0


class Courier:
    """One task per channel, so that a channel that hangs delays no other.

    A channel claims one delivery at a time: what waits behind a receiver in trouble is under nobody's lease.
    """

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
            self._wake_up()

    def _wake_up(self) -> None:
        self._wake.set()
        self._wake = anyio.Event()

    async def run(self) -> None:
        """Deliver until cancelled. A try cancelled half-way is made again after its lease. Raises StorageError."""
        for depth in await self._storage.depths():
            if depth.channel not in self._channels:
                log.warning("alerts_without_channel", channel=depth.channel, pending=depth.pending, since=depth.oldest)
        async with anyio.create_task_group() as channels:
            for notifier in self._channels.values():
                channels.start_soon(self._serve, _Line(notifier))

    async def _serve(self, line: _Line) -> None:
        while True:
            woken = self._wake  # taken before looking, so that what arrives meanwhile is not missed
            lease = self._patience.lease()
            claimed = await self._storage.claim(line.notifier.name, 1, self._now(), lease, self._who)
            for delivery in claimed:
                await self._rest(line, await self._deliver(line, delivery))
            if claimed:
                continue
            due = await self._storage.next_due(line.notifier.name)
            wait = inf if due is None else max(0.0, (due - self._now()).total_seconds())
            with anyio.move_on_after(wait):
                await woken.wait()

    async def _deliver(self, line: _Line, delivery: Delivery) -> float:
        """One try. Seconds in which nothing more is sent there: what ails a receiver ails it for the next alert, too,
        and the one that failed goes first again."""
        at, started = self._now(), anyio.current_time()
        receipt, failure = await self._send(line.notifier, delivery)
        seconds = anyio.current_time() - started
        if failure is None:
            taken = Attempt(at=at, seconds=seconds, status=receipt.status, detail=receipt.detail)
            await self._settle(delivery, after_success(receipt, taken))
        else:
            wish = min(failure.retry_after or 0.0, LONGEST_WISH.total_seconds())
            due = self._now() + timedelta(seconds=max(self._patience.wait(delivery, self._chance()), wish))
            refused = Attempt(at=at, seconds=seconds, reason=failure.reason, status=failure.status, detail=str(failure))
            await self._settle(delivery, self._patience.after_failure(delivery, failure, refused, due))
        self._tell(line, failure)
        if failure is None or failure.permanent:
            return 0.0
        return max(wish, min(self._patience.backoff(line.failures, 1.0), LONGEST_PAUSE.total_seconds()))

    async def _rest(self, line: _Line, seconds: float) -> None:
        """Send nothing there for so long. What has waited for a channel that is down for too long does not wait for a
        failure of its own until others are told."""
        until = anyio.current_time() + seconds
        while True:
            left = until - anyio.current_time()
            if line.failures >= DOWN_AFTER or left > LONGEST_PAUSE.total_seconds():
                await self._fall_back(line)
            if left <= 0:
                return
            await anyio.sleep(min(left, LONGEST_PAUSE.total_seconds()))

    async def _fall_back(self, line: _Line) -> None:
        now, channel, more = self._now(), line.notifier.name, True
        alerts, to = 0, set[str]()
        while more:
            fallen = await self._storage.fall_back(
                channel, now - self._patience.fallback_after, now, line.fell_back, FALL_BACK_AT_ONCE
            )
            line.fell_back, more = fallen.upto, fallen.more
            alerts += fallen.alerts
            to.update(fallen.channels)
        if to:
            log.warning("channel_falls_back", channel=channel, to=sorted(to), alerts=alerts)
            self._wake_up()

    async def _send(self, notifier: Notifier, delivery: Delivery) -> tuple[Receipt, NotifyError | None]:
        try:
            with anyio.fail_after(self._patience.timeout.total_seconds()):
                return await notifier.send((delivery.alert,), delivery.delivered_at), None
        except NotifyError as error:
            return Receipt(), error
        except TimeoutError:
            text = f"no answer within {self._patience.timeout.total_seconds():g} s"
            return Receipt(), NotifyError(Reason.TIMEOUT, text, permanent=False)
        except Exception as error:  # a bug in one channel must not stop the others: it is told, and tried again
            log.exception("channel_crashed", channel=notifier.name, alert=delivery.alert.id)
            return Receipt(), NotifyError(
                Reason.CRASHED, f"{type(error).__name__} in the channel's own code: see the log", permanent=False
            )

    def _tell(self, line: _Line, failure: NotifyError | None) -> None:
        """Speak when a channel begins to fail and when it takes alerts again."""
        now, channel = anyio.current_time(), line.notifier.name
        if failure is None or failure.permanent:
            if line.failures >= DOWN_AFTER:
                log.info("channel_up", channel=channel, lasted=round(now - line.since, 1))
            line.failures = 0
            return
        if not line.failures:
            line.since = now
        line.failures += 1
        if line.failures == DOWN_AFTER:
            log.error("channel_down", channel=channel, reason=failure.reason, detail=str(failure))

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        try:
            with anyio.fail_after(SETTLE_WITHIN, shield=True):
                fallback = await self._storage.settle(delivery, outcome)
        except TimeoutError as error:
            text = (
                f"the storage did not settle a delivery within {SETTLE_WITHIN:g} s: look at its disk, then start again"
            )
            raise StorageError(text) from error
        if delivery.state is DeliveryState.REPEATING:
            return  # it was delivered and counted: how often it is told again, and how well, says nothing of alerts
        self._account(delivery, outcome)
        if fallback:
            log.warning(
                "delivery_falls_back",
                channel=delivery.channel,
                to=list(fallback),
                alert=delivery.alert.id,
                reason=outcome.attempt.reason,
            )
            self._wake_up()

    def _account(self, delivery: Delivery, outcome: Outcome) -> None:
        """Count a try, and tell of an alert that this channel will not get."""
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
                tries=delivery.claims,
                reason=attempt.reason,
                detail=attempt.detail,
            )
