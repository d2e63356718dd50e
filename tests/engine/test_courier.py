"""The courier between a real outbox and channels that follow a script."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from math import inf
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from monitor.core.alerting import Alert
from monitor.engine.board import Board
from monitor.engine.bus import Bus
from monitor.engine.courier import SETTLE_WITHIN, Courier
from monitor.engine.follower import follow
from monitor.engine.patience import Patience
from monitor.engine.reports import DeliveryReport
from monitor.notify.base import NotifyError, Reason
from monitor.storage.base import AlertQuery, Batch, Delivery, DeliveryState, Outcome, StorageError
from monitor.storage.memory import MemoryStorage
from tests.engine.scripted import ScriptedNotifier, key, moment, now

pytestmark = pytest.mark.anyio

UNAVAILABLE = NotifyError(Reason.UNAVAILABLE, "the receiver answered 503", permanent=False, status=503)
REFUSED = NotifyError(Reason.REFUSED, "the receiver answered 400: no such team", permanent=True, status=400)


class Outbox(MemoryStorage):
    """The memory driver, counting how often somebody looks, on a disk that can hang."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.settling: Callable[[], Any] | None = None

    async def claim(self, *args: Any) -> Sequence[Delivery]:
        self.looks += 1
        return await super().claim(*args)

    async def settle(self, delivery: Delivery, outcome: Outcome) -> Sequence[str]:
        if self.settling is not None:
            await self.settling()
        return await super().settle(delivery, outcome)


@dataclass
class Post:
    """An outbox with a courier at work."""

    outbox: Outbox
    reports: list[DeliveryReport] = field(default_factory=list)

    async def fire(self, *numbers: int, channels: tuple[str, ...] = ("ops",), fallback: tuple[str, ...] = ()) -> None:
        """Commit these alerts as the ledger would."""
        await self.outbox.commit(Batch(alerts=tuple(alert(number, channels, fallback) for number in numbers)))

    async def deliveries(self, channel: str = "ops") -> list[Delivery]:
        """All of a channel, oldest alert first."""
        records = await self.outbox.alerts(AlertQuery(limit=1000))
        return [one for record in reversed(records) for one in record.deliveries if one.channel == channel]


def alert(number: int, channels: tuple[str, ...] = ("ops",), fallback: tuple[str, ...] = ()) -> Alert:
    labels = {"alertname": "InstanceFailed", "instance": f"i{number}", "source": "s", "project": "p"}
    return Alert(
        id=f"{number:04}",
        rule="InstanceFailed",
        severity="critical",
        key=key(f"i{number}"),
        attempt=1,
        at=now(),
        started_at=now(),
        labels=labels,
        annotations={},
        channels=channels,
        fallback=fallback,
    )


@asynccontextmanager
async def post(
    *channels: ScriptedNotifier,
    outbox: Outbox | None = None,
    patience: Patience = Patience(),  # noqa: B008 - it cannot change
    chance: float = 1.0,
) -> AsyncIterator[Post]:
    """A courier that is cancelled in the end, wherever it is."""
    it = Post(outbox or Outbox())
    courier = Courier(
        storage=it.outbox,
        channels={channel.name: channel for channel in channels},
        patience=patience,
        who="test",
        now=now,
        chance=lambda: chance,
        report=it.reports.append,
    )
    async with anyio.create_task_group() as group:
        started = anyio.Event()
        group.start_soon(follow, it.outbox, Board(), Bus("e", 0), (courier.on_batch,), started.set)
        await started.wait()
        group.start_soon(courier.run)
        await anyio.sleep(0.001)
        yield it
        group.cancel_scope.cancel()


def ids(channel: ScriptedNotifier) -> list[str]:
    return [alert.id for alert in channel.taken]


async def test_alerts_are_delivered_in_order_and_once() -> None:
    """Forty alerts in three commits arrive in the order of firing, each with one attempt on record."""
    ops = ScriptedNotifier()
    async with post(ops) as it:
        await it.fire(*range(20))
        await it.fire(*range(20, 39))
        await it.fire(39)
        await anyio.sleep(1)
        assert ids(ops) == [f"{number:04}" for number in range(40)]
        for delivery in await it.deliveries():
            assert delivery.state is DeliveryState.DELIVERED
            assert [(attempt.status, attempt.reason, attempt.detail) for attempt in delivery.attempts] == [
                (200, "", "taken")
            ]
    assert {(report.channel, report.result, report.given_up) for report in it.reports} == {("ops", "delivered", False)}
    assert len(it.reports) == 40


async def test_a_new_alert_is_sent_at_once_and_nobody_polls() -> None:
    """An idle courier does not look into the outbox; an alert wakes it, whenever it comes."""
    ops = ScriptedNotifier()
    async with post(ops) as it:
        idle = it.outbox.looks
        await anyio.sleep(86_400)
        assert it.outbox.looks == idle
        await it.fire(1)
        await anyio.sleep(0.01)
        assert ids(ops) == ["0001"]


async def test_alerts_that_fire_while_one_is_sent_are_not_overlooked() -> None:
    """Alerts that are committed at any moment of a delivery follow it."""
    ops = ScriptedNotifier(script=[0.5] * 20)
    async with post(ops) as it:
        for number in range(20):
            await it.fire(number)
            await anyio.sleep(0.13)
        await anyio.sleep(15)
    assert len(ops.taken) == 20


async def test_a_channel_that_hangs_delays_no_other() -> None:
    """One channel never answers: the other gets everything at once."""
    hangs, works = ScriptedNotifier("hangs", script=[inf] * 100), ScriptedNotifier("works")
    async with post(hangs, works) as it:
        await it.fire(*range(10), channels=("hangs", "works"))
        await anyio.sleep(0.1)
        assert len(works.taken) == 10
        await anyio.sleep(60)
        (first, *_) = await it.deliveries("hangs")
        assert {attempt.reason for attempt in first.attempts} == {"timeout"}
        assert first.attempts[0].seconds == pytest.approx(15)
        assert "no answer within 15 s" in first.attempts[0].detail


async def test_retries_back_off_until_they_succeed() -> None:
    """2, 4, 8 .. seconds between tries, at most five minutes; every try is on record."""
    ops = ScriptedNotifier(script=[UNAVAILABLE] * 12)
    async with post(ops) as it:
        await it.fire(1)
        await anyio.sleep(3600)
        (delivery,) = await it.deliveries()
    gaps = [after - before for (before, _), (after, _) in pairwise(ops.tried)]
    assert gaps == pytest.approx([2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300], abs=0.01)
    assert delivery.state is DeliveryState.DELIVERED
    assert [attempt.reason for attempt in delivery.attempts] == ["unavailable"] * 12 + [""]
    assert delivery.attempts[0].status == 503
    assert [report.result for report in it.reports] == ["unavailable"] * 12 + ["delivered"]


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
async def test_a_failure_that_passes_changes_no_order(chance: float) -> None:
    """The receiver fails for a while: what waited is delivered in its order, the first one first."""
    ops = ScriptedNotifier(script=[UNAVAILABLE] * 3)
    async with post(ops, chance=chance) as it:
        await it.fire(*range(10))
        await anyio.sleep(120)
        assert len(await it.deliveries()) == 10
    assert ids(ops) == [f"{number:04}" for number in range(10)]


async def test_a_receiver_in_trouble_is_not_hammered() -> None:
    """A thousand alerts and a receiver that is down for ten minutes: it is asked every ten seconds, then gets all."""
    ops = ScriptedNotifier(script=[UNAVAILABLE] * 60)
    async with post(ops) as it:
        await it.fire(*range(1000))
        await anyio.sleep(580)
        assert 55 <= len(ops.tried) <= 60
        await anyio.sleep(330)
        assert len(ops.taken) == 1000
        assert len(await it.deliveries()) == 1000


async def test_one_bad_alert_does_not_hold_up_the_others_for_long() -> None:
    """An alert that the receiver always fails on costs the others seconds, not hours."""

    class Picky(ScriptedNotifier):
        async def send(self, alerts: Sequence[Alert], told: datetime | None = None) -> Any:
            if alerts[0].id == "0000":
                self.tried.append((anyio.current_time(), "0000"))
                raise UNAVAILABLE
            return await super().send(alerts, told)

    ops = Picky()
    async with post(ops) as it:
        for number in range(100):
            await it.fire(number)
            await anyio.sleep(10)
        await anyio.sleep(60)
        waited = [(delivery.attempts[0].at - delivery.alert.at) for delivery in (await it.deliveries())[1:]]
    assert len(ops.taken) == 99
    assert sorted(waited)[-3] < timedelta(seconds=3)
    assert max(waited) < timedelta(seconds=15)


async def test_the_receiver_may_name_the_time() -> None:
    """`Retry-After` holds for the whole channel: nothing is sent there before."""
    slower = NotifyError(Reason.THROTTLED, "429", permanent=False, status=429, retry_after=120)
    ops = ScriptedNotifier(script=[slower])
    async with post(ops) as it:
        await it.fire(1, 2)
        await anyio.sleep(119)
        assert len(ops.tried) == 1
        await it.fire(3)
        await anyio.sleep(2)
    assert ids(ops) == ["0001", "0002", "0003"]


async def test_a_wish_for_a_day_is_an_hour() -> None:
    """A receiver that names an absurd time is asked again in an hour, and its alert is not given up for it."""
    slower = NotifyError(Reason.THROTTLED, "429", permanent=False, status=429, retry_after=86_400)
    ops = ScriptedNotifier(script=[slower])
    async with post(ops) as it:
        await it.fire(1)
        await anyio.sleep(3601)
        assert len(await it.deliveries()) == 1
    assert ids(ops) == ["0001"]


async def test_a_permanent_refusal_is_given_up_at_once_and_told() -> None:
    """One try, on record, in the log with the alert and the reason; the next alert is not held up."""
    ops = ScriptedNotifier(script=[REFUSED])
    with capture_logs() as logs:
        async with post(ops) as it:
            await it.fire(1, 2)
            await anyio.sleep(0.1)
            first, second = await it.deliveries()
            await anyio.sleep(86_400)
    assert (first.state, second.state) == (DeliveryState.GIVEN_UP, DeliveryState.DELIVERED)
    assert [attempt.detail for attempt in first.attempts] == ["the receiver answered 400: no such team"]
    assert len(ops.tried) == 2
    (told,) = (entry for entry in logs if entry["event"] == "delivery_given_up")
    assert (told["channel"], told["alert"], told["instance"], told["reason"], told["tries"]) == (
        "ops",
        "0001",
        "s/p/i1",
        "refused",
        1,
    )
    assert it.reports[0].given_up


async def test_what_cannot_be_delivered_for_a_day_is_given_up() -> None:
    """After `give_up_after` the alert is given up and told; later ones get their own time."""
    ops = ScriptedNotifier(script=[UNAVAILABLE] * 10_000)
    with capture_logs() as logs:
        async with post(ops, patience=Patience(give_up_after=timedelta(hours=2))) as it:
            await it.fire(1)
            await anyio.sleep(3600)
            await it.fire(2)
            await anyio.sleep(5400)
            first, second = await it.deliveries()
    assert first.state is DeliveryState.GIVEN_UP
    assert second.state is DeliveryState.PENDING
    assert [entry["alert"] for entry in logs if entry["event"] == "delivery_given_up"] == ["0001"]
    assert len(first.attempts) == 20


async def test_a_crash_of_a_channel_is_told_and_tried_again() -> None:
    """A bug in one channel's code stops neither it nor its neighbours."""
    ops, other = ScriptedNotifier(script=[ZeroDivisionError("bug")]), ScriptedNotifier("other")
    with capture_logs() as logs:
        async with post(ops, other) as it:
            await it.fire(1, channels=("ops", "other"))
            await anyio.sleep(10)
            (delivery,) = await it.deliveries()
    assert [attempt.reason for attempt in delivery.attempts] == ["crashed", ""]
    assert "ZeroDivisionError" in delivery.attempts[0].detail
    assert ids(ops) == ids(other) == ["0001"]
    assert [entry["channel"] for entry in logs if entry["event"] == "channel_crashed"] == ["ops"]


async def test_a_delivery_cut_short_is_made_again_under_the_same_id() -> None:
    """The daemon dies while a receiver is thinking: the next one sends it again, when the lease is over, not before."""
    outbox = Outbox()
    first = ScriptedNotifier(script=[10.0])
    async with post(first, outbox=outbox) as it:
        await it.fire(1)
        await anyio.sleep(5)
    assert first.taken == []
    second = ScriptedNotifier()
    async with post(second, outbox=outbox) as it:
        await anyio.sleep(Patience().lease().total_seconds())
        (delivery,) = await it.deliveries()
    assert [one for _, one in first.tried + second.tried] == ["0001", "0001"]
    assert second.tried[0][0] == pytest.approx(Patience().lease().total_seconds(), abs=0.1)
    assert delivery.state is DeliveryState.DELIVERED
    assert len(delivery.attempts) == 1


async def test_what_was_sent_is_remembered_while_stopping() -> None:
    """A stop between the receiver's answer and the record of it waits for the record."""
    outbox = Outbox()

    async def slow() -> None:
        await anyio.sleep(3)

    outbox.settling = slow
    ops = ScriptedNotifier()
    async with post(ops, outbox=outbox) as it:
        await it.fire(1)
        await anyio.sleep(1)
    assert [delivery.state for delivery in await it.deliveries()] == [DeliveryState.DELIVERED]


async def test_a_store_that_hangs_is_not_waited_for_for_ever() -> None:
    """What cannot be settled ends the courier, in words that say what to do: the alert would be sent twice."""
    outbox = Outbox()
    outbox.settling = anyio.sleep_forever

    async def run() -> None:
        async with post(ScriptedNotifier(), outbox=outbox) as it:
            await it.fire(1)
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    match, rest = caught.value.split(StorageError)
    assert match is not None
    assert rest is None
    assert anyio.current_time() == pytest.approx(SETTLE_WITHIN, abs=1)


async def test_a_channel_is_told_down_and_up_once() -> None:
    """However many tries fail: when it began and why, and for how long it lasted."""
    ops = ScriptedNotifier(script=[UNAVAILABLE] * 8)
    with capture_logs() as logs:
        async with post(ops) as it:
            await it.fire(*range(5))
            await anyio.sleep(3600)
            await it.fire(6)
            await anyio.sleep(1)
    assert [(entry["event"], entry.get("reason")) for entry in logs] == [
        ("channel_down", "unavailable"),
        ("channel_up", None),
    ]
    assert logs[1]["lasted"] == pytest.approx(64, abs=1)
    assert len(ops.taken) == 6


async def test_alerts_of_a_channel_that_is_gone_are_told() -> None:
    """A channel was taken out of the config while alerts waited for it: the log says so at the start."""
    outbox = Outbox()
    await outbox.commit(Batch(alerts=(alert(1, ("old", "ops")), alert(2, ("old",)))))
    ops = ScriptedNotifier()
    with capture_logs() as logs:
        async with post(ops, outbox=outbox):
            await anyio.sleep(1)
    assert [(entry["event"], entry["channel"], entry["pending"]) for entry in logs] == [
        ("alerts_without_channel", "old", 2)
    ]
    assert ids(ops) == ["0001"]


# --- telling it again ---------------------------------------------------------------------------------------------


async def test_a_receiver_that_forgets_is_told_again_until_the_end() -> None:
    """Every minute for an hour from when it was told first, then never; counted as one delivery."""
    ops = ScriptedNotifier(script=[UNAVAILABLE] * 3, every=60, until=3600)
    async with post(ops) as it:
        await it.fire(1)
        await anyio.sleep(300)
        (delivery,) = await it.deliveries()
        assert (delivery.state, delivery.delivered_at) == (DeliveryState.REPEATING, moment(14.001))
        assert list(await it.outbox.depths()) == []
        await anyio.sleep(86_400)
        (delivery,) = await it.deliveries()
    assert (delivery.state, delivery.delivered_at) == (DeliveryState.DELIVERED, moment(14.001))
    assert [when for when, _ in ops.tried[3:]] == pytest.approx([14 + 60 * turn for turn in range(60)], abs=0.1)
    assert [report.result for report in it.reports] == ["unavailable"] * 3 + ["delivered"]


async def test_telling_it_again_goes_on_after_a_restart() -> None:
    """The next daemon tells it when it is due, and until the same end."""
    outbox = Outbox()
    first, second = (ScriptedNotifier(every=60, until=600) for _ in range(2))
    async with post(first, outbox=outbox) as it:
        await it.fire(1)
        await anyio.sleep(90)
    async with post(second, outbox=outbox) as it:
        await anyio.sleep(3600)
        (delivery,) = await it.deliveries()
    assert len(first.tried + second.tried) == 10
    assert second.tried[0][0] == pytest.approx(120, abs=0.1)
    assert delivery.state is DeliveryState.DELIVERED
    assert delivery.delivered_at == moment(0.001)


@pytest.mark.parametrize("failure", [UNAVAILABLE, REFUSED], ids=["passes", "stays"])
async def test_failing_to_tell_it_again_is_no_failure_to_deliver(failure: NotifyError) -> None:
    """However often, and whatever the receiver says: not given up, not counted, not told to another channel; tried
    again every minute, and told when it can be."""
    ops = ScriptedNotifier(script=[None, *[failure] * 40], every=60, until=7200)
    mail = ScriptedNotifier("mail")
    with capture_logs() as logs:
        async with post(ops, mail, patience=Patience(give_up_after=timedelta(minutes=10))) as it:
            await it.fire(1, fallback=("mail",))
            await anyio.sleep(1500)
            (failing,) = await it.deliveries()
            assert list(await it.outbox.depths()) == []
            await anyio.sleep(7200)
            (delivery,) = await it.deliveries()
    assert failing.state is DeliveryState.REPEATING
    assert failing.attempts[-1].reason == failure.reason
    assert (delivery.state, delivery.attempts[-1].reason) == (DeliveryState.DELIVERED, "")
    assert max(after - before for (before, _), (after, _) in pairwise(ops.tried)) == pytest.approx(60, abs=0.1)
    assert mail.tried == []
    assert [report.result for report in it.reports] == ["delivered"]
    assert {entry["event"] for entry in logs} <= {"channel_down", "channel_up"}


async def test_a_new_alert_does_not_wait_behind_those_told_again() -> None:
    """Hundreds are told again without end, each taking a while: a new alert is the next one sent."""
    ops = ScriptedNotifier(every=10)
    async with post(ops) as it:
        await it.fire(*range(200))
        await anyio.sleep(5)
        ops.script = [0.5] * 100_000
        await anyio.sleep(100)
        await it.fire(1000)
        await anyio.sleep(1.5)
    assert "1000" in ids(ops)


# --- falling back -------------------------------------------------------------------------------------------------


async def test_what_is_refused_goes_to_the_fallback_at_once() -> None:
    """The same alert under the same id, once to each, with what happened on record."""
    ops, mail, pager = ScriptedNotifier(script=[REFUSED]), ScriptedNotifier("mail"), ScriptedNotifier("pager")
    with capture_logs() as logs:
        async with post(ops, mail, pager) as it:
            await it.fire(1, fallback=("mail", "pager"))
            await it.fire(2, fallback=("mail", "pager"))
            await anyio.sleep(0.1)
            (record,) = (one for one in await it.outbox.alerts(AlertQuery()) if one.alert.id == "0001")
            await anyio.sleep(86_400)
    assert [(one.channel, one.state) for one in record.deliveries] == [
        ("ops", DeliveryState.GIVEN_UP),
        ("mail", DeliveryState.DELIVERED),
        ("pager", DeliveryState.DELIVERED),
    ]
    assert ids(mail) == ids(pager) == ["0001"]
    assert ids(ops) == ["0002"]
    (told,) = (entry for entry in logs if entry["event"] == "delivery_falls_back")
    assert (told["channel"], told["to"], told["alert"], told["reason"]) == ("ops", ["mail", "pager"], "0001", "refused")


async def test_what_is_not_taken_for_a_while_goes_to_the_fallback_in_time() -> None:
    """Five minutes after it fired, though no try falls on that moment; the channel is tried on, and may take it."""
    ops, mail = ScriptedNotifier(script=[UNAVAILABLE] * 12), ScriptedNotifier("mail")
    async with post(ops, mail) as it:
        await it.fire(1, fallback=("mail",))
        await anyio.sleep(299)
        assert mail.tried == []
        await anyio.sleep(2)
        assert ids(mail) == ["0001"]
        await anyio.sleep(7200)
        (record,) = await it.outbox.alerts(AlertQuery())
    assert {one.channel: one.state for one in record.deliveries} == {
        "ops": DeliveryState.DELIVERED,
        "mail": DeliveryState.DELIVERED,
    }
    assert len(mail.tried) == len(ops.taken) == 1


async def test_what_is_taken_in_time_does_not_fall_back() -> None:
    """Failures that pass within the five minutes concern nobody else."""
    ops, mail = ScriptedNotifier(script=[UNAVAILABLE] * 6), ScriptedNotifier("mail")
    async with post(ops, mail) as it:
        await it.fire(1, fallback=("mail",))
        await anyio.sleep(86_400)
    assert ids(ops) == ["0001"]
    assert mail.tried == []


async def test_what_waits_for_a_channel_that_is_down_falls_back_in_time() -> None:
    """Three hundred alerts wait for a receiver that hangs: each is told elsewhere five minutes after it fired, without
    a try of its own, in order and once; when the receiver is back, it gets all of them in order, too."""
    ops, mail = ScriptedNotifier(script=[inf] * 60), ScriptedNotifier("mail")
    with capture_logs() as logs:
        async with post(ops, mail) as it:
            for number in range(300):
                await it.fire(number, fallback=("mail",))
                await anyio.sleep(1)
            await anyio.sleep(330)
            assert ids(mail) == [f"{number:04}" for number in range(300)]
            late = [now() - one.alert.at for one in await it.deliveries("mail")]
            waited = [one.attempts[0].at - one.alert.at for one in await it.deliveries("mail")]
            assert min(late) >= min(waited) >= timedelta(minutes=5)
            assert max(waited) <= timedelta(minutes=5, seconds=26)  # a try that hangs, and a pause behind it
            tried = {name for _, name in ops.tried}
            assert len(tried) < 10
            await anyio.sleep(7200)
            assert len(mail.tried) == 300
    assert sorted(ids(ops)) == ids(mail)
    assert len(ops.tried) == 300 + 60
    hung = {name for _, name in ops.tried[:60]}
    untried = [name for name in ids(ops) if name not in hung]
    assert untried == sorted(untried)
    told = [entry for entry in logs if entry["event"] == "channel_falls_back"]
    assert sum(entry["alerts"] for entry in told) + len([e for e in logs if e["event"] == "delivery_falls_back"]) == 300
    assert {(entry["channel"], *entry["to"]) for entry in told} == {("ops", "mail")}


async def test_a_receiver_that_wants_an_hour_delays_no_fallback() -> None:
    """It names a time far away: what fires meanwhile is told elsewhere five minutes later."""
    slower = NotifyError(Reason.THROTTLED, "429", permanent=False, status=429, retry_after=3600)
    ops, mail = ScriptedNotifier(script=[slower]), ScriptedNotifier("mail")
    async with post(ops, mail) as it:
        await it.fire(1, fallback=("mail",))
        await anyio.sleep(600)
        await it.fire(2, fallback=("mail",))
        await anyio.sleep(299)
        assert ids(mail) == ["0001"]
        await anyio.sleep(12)
        assert ids(mail) == ["0001", "0002"]
        assert len(ops.tried) == 1
        await anyio.sleep(3600)
    assert ids(ops) == ["0001", "0002"]
    assert len(mail.tried) == 2


async def test_two_channels_that_fail_share_one_fallback() -> None:
    """It is told once, by whichever fails first."""
    ops, chat = ScriptedNotifier(script=[REFUSED]), ScriptedNotifier("chat", script=[UNAVAILABLE] * 100)
    mail = ScriptedNotifier("mail")
    async with post(ops, chat, mail) as it:
        await it.fire(1, channels=("ops", "chat"), fallback=("mail",))
        await anyio.sleep(86_400)
    assert ids(mail) == ["0001"]


async def test_a_stop_between_failure_and_fallback_loses_nothing() -> None:
    """Both were kept together: the next daemon tells the fallback."""
    outbox = Outbox()
    ops, mail = ScriptedNotifier(script=[REFUSED]), ScriptedNotifier("mail", script=[inf])
    async with post(ops, mail, outbox=outbox) as it:
        await it.fire(1, fallback=("mail",))
        await anyio.sleep(1)
    assert mail.taken == []
    async with post(ScriptedNotifier(), later := ScriptedNotifier("mail"), outbox=outbox):
        await anyio.sleep(Patience().lease().total_seconds())
    assert ids(later) == ["0001"]
