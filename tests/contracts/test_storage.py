"""What every storage driver promises, see `monitor/storage/base.py`. Each test runs over each driver and each loop."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from monitor.core.alerting import Alert
from monitor.core.events import (
    AnyEvent,
    Discovered,
    PhaseChanged,
    ProgressMoved,
    Removed,
    SourceChanged,
    StageFinished,
    Swept,
)
from monitor.core.model import Category, Failure, InstanceKey, Phase, Queue, Stage, Task, Track, Verdict
from monitor.storage.base import (
    MAX_ATTEMPTS,
    Acknowledgement,
    AlertQuery,
    AlertRecord,
    Attempt,
    Batch,
    Delivery,
    DeliveryState,
    OutboxDepth,
    Outcome,
    Record,
    Storage,
    StorageError,
)
from monitor.storage.memory import MemoryStorage
from monitor.storage.section import SqliteSection
from monitor.storage.sqlite import open_sqlite
from monitor.storage.tail import BOUND

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALL = AlertQuery()

Open = Callable[[], AbstractAsyncContextManager[Storage]]

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both loops."""
    return str(request.param)


@asynccontextmanager
async def _memory() -> AsyncIterator[Storage]:
    storage = MemoryStorage()
    yield storage
    await storage.aclose()


@pytest.fixture(params=["memory", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Every driver, each with an empty store."""
    if request.param == "memory":
        return _memory
    return lambda: open_sqlite(SqliteSection(path=tmp_path / "store.db"))


def key(name: str = "i1") -> InstanceKey:
    return InstanceKey("warehouse", "analytics", name)


def track(instance: str = "i1", phase: Phase = Phase.RUNNING, **more: object) -> Track:
    return Track(key(instance), "maxcompute", phase, **more)  # type: ignore[arg-type]


def moved(seq: int, name: str = "i1", after: Phase = Phase.RUNNING) -> Record:
    return Record(seq, PhaseChanged(AT + timedelta(seconds=seq), key(name), None, after), track(name))


def alert(name: str, *, after: int = 0, **more: object) -> Alert:
    """An alert with this id that fired so many minutes after AT, about the instance of the same name."""
    fields: dict[str, object] = {
        "id": name,
        "rule": "InstanceFailed",
        "severity": "critical",
        "key": key(name),
        "attempt": 1,
        "at": AT + after * MINUTE,
        "started_at": AT,
        "labels": {"source": "warehouse", "project": "analytics", "instance": name},
        "annotations": {"summary": f"{name} failed"},
        "channels": ("ops",),
    }
    return Alert(**{**fields, **more})  # type: ignore[arg-type]


def outcome(
    state: DeliveryState = DeliveryState.DELIVERED, due_at: datetime | None = None, reason: str = ""
) -> Outcome:
    return Outcome(Attempt(AT, 0.25, reason, 200, "ok"), state, due_at)


def again(after: float, reason: str = "") -> Outcome:
    """Told, or not, and to be told again so many minutes after AT."""
    return outcome(DeliveryState.REPEATING, AT + after * MINUTE, reason)


def falling_back(state: DeliveryState, *to: str, after: float = 0) -> Outcome:
    """Not taken; these are to get it so many minutes after AT."""
    due = AT + 9 * MINUTE if state is DeliveryState.PENDING else None
    return Outcome(Attempt(AT, 0.25, "refused"), state, due, to, AT + after * MINUTE)


async def claim(storage: Storage, at: datetime = AT, channel: str = "ops", limit: int = 10) -> list[Delivery]:
    return list(await storage.claim(channel, limit, at, MINUTE, "courier"))


async def only(storage: Storage) -> AlertRecord:
    (record,) = await storage.alerts(ALL)
    return record


# --- tracks, events, checkpoints ----------------------------------------------------------------------------------


async def test_a_new_store_is_empty(opened: Open) -> None:
    """Nothing is there before the first commit, and nothing fails for that."""
    async with opened() as storage:
        assert list(await storage.load()) == []
        assert await storage.last_seq() == 0
        assert dict(await storage.checkpoints()) == {}
        assert list(await storage.history(key())) == []
        assert list(await storage.alerts(ALL)) == []
        assert list(await storage.depths()) == []
        assert await storage.next_due("ops") is None


async def test_a_track_comes_back_whole(opened: Open) -> None:
    """Every field survives, to the microsecond."""
    whole = track(
        phase=Phase.FAILED,
        native_status="Failed",
        attempt=3,
        name="nightly",
        owner="ALIYUN$me@example.test",
        created_at=AT,
        started_at=AT + MINUTE,
        ended_at=AT + 2 * MINUTE,
        progress=0.25,
        tasks=(Task("t", "SQL", Phase.FAILED, AT, None, (Stage("M1_Stg1_job0", 1, 2, 3, 4, 5, "FAILED"),)),),
        queue=Queue(3, 12, "quota"),
        failure=Failure("t", "ODPS-0130131", "Table not found", Category.CODE),
        verdicts=frozenset({Verdict.STALLED, Verdict.LATE}),
        discovered_at=AT,
        phase_since=AT,
        moved_at=AT,
        observed_at=AT,
        stages_at=AT,
        absences=2,
        contradiction="running",
    )
    async with opened() as storage:
        await storage.commit(Batch(save=(whole,)))
        assert list(await storage.load()) == [whole]


async def test_the_newest_form_of_a_track_is_kept(opened: Open) -> None:
    """A track is one row, however often it is saved, in one batch or in many."""
    async with opened() as storage:
        await storage.commit(Batch(save=(track(), track("i2"))))
        await storage.commit(Batch(save=(track(absences=1), track(absences=2))))
        assert sorted(await storage.load(), key=lambda one: one.key) == [track(absences=2), track("i2")]


async def test_history_holds_lasting_events_in_order(opened: Open) -> None:
    """Passing events are not stored, and other instances' events are not mixed in."""
    stage = StageFinished(AT, key(), "t", Stage("M1", 0, 1, 1))
    async with opened() as storage:
        await storage.commit(
            Batch((moved(1), moved(2, "i2"), Record(3, ProgressMoved(AT, key(), 0.5), track())), (track(), track("i2")))
        )
        await storage.commit(Batch((Record(4, stage, track()), moved(5, after=Phase.FAILED)), (track(),)))
        assert list(await storage.history(key())) == [
            Record(1, moved(1).event, None),
            Record(4, stage, None),
            Record(5, moved(5, after=Phase.FAILED).event, None),
        ]
        assert [record.seq for record in await storage.history(key("i2"))] == [2]


async def test_history_is_limited_to_the_newest(opened: Open) -> None:
    """A limit cuts the oldest off, also in the middle of what one commit brought."""
    async with opened() as storage:
        for seq in range(1, 30, 3):
            await storage.commit(Batch((moved(seq), moved(seq + 1), moved(seq + 2)), (track(),)))
        assert [record.seq for record in await storage.history(key(), 4)] == [27, 28, 29, 30]
        assert len(await storage.history(key())) == 30
        assert list(await storage.history(key(), 0)) == []


async def test_events_go_to_a_track_that_an_earlier_commit_kept(opened: Open) -> None:
    """A batch need not save the track again to add to its history."""
    async with opened() as storage:
        await storage.commit(Batch((moved(1),), (track(),)))
        await storage.commit(Batch((moved(2),)))
        assert [record.seq for record in await storage.history(key())] == [1, 2]


async def test_events_without_a_kept_track_only_count(opened: Open) -> None:
    """Of an event about a source, or about an instance that is not kept, the number remains."""
    source: AnyEvent = SourceChanged(AT, "warehouse", "analytics", up=False)
    async with opened() as storage:
        await storage.commit(Batch((Record(1, Discovered(AT, key()), None), Record(2, source, None))))
        assert await storage.last_seq() == 2
        assert list(await storage.history(key())) == []


async def test_last_seq_is_that_of_the_last_stored_event(opened: Open) -> None:
    """Passing events and batches without events do not move it."""
    async with opened() as storage:
        await storage.commit(Batch((moved(7),), (track(),)))
        await storage.commit(Batch((Record(8, ProgressMoved(AT, key(), 0.5), track()),), (track(),)))
        assert await storage.last_seq() == 7


async def test_a_number_is_stored_once(opened: Open) -> None:
    """A batch that does not go beyond last_seq is refused as a whole."""
    async with opened() as storage:
        await storage.commit(Batch((moved(7),), (track(),)))
        with pytest.raises(StorageError, match="event 7 is already stored"):
            await storage.commit(Batch((moved(7, "i2"),), (track("i2"),), (alert("a"),), {("s", "p"): AT}, (key(),)))
        assert list(await storage.load()) == [track()]
        assert list(await storage.alerts(ALL)) == []
        assert dict(await storage.checkpoints()) == {}


async def test_the_newest_checkpoint_is_kept(opened: Open) -> None:
    """What is known to have ended does not become unknown."""
    async with opened() as storage:
        await storage.commit(Batch(checkpoints={("s", "p"): AT, ("s", "q"): AT}))
        await storage.commit(Batch(checkpoints={("s", "p"): AT + MINUTE, ("s", "q"): AT - MINUTE}))
        assert dict(await storage.checkpoints()) == {("s", "p"): AT + MINUTE, ("s", "q"): AT}


async def test_removal_forgets_a_track_and_its_history(opened: Open) -> None:
    """Found again later it begins anew; its neighbours and its number stay."""
    async with opened() as storage:
        await storage.commit(Batch((moved(1), moved(2, "i2")), (track(), track("i2"))))
        await storage.commit(Batch((moved(3),), (track(),)))
        await storage.commit(Batch((Record(4, Removed(AT, key()), None),), remove=(key(), key("never"))))
        assert list(await storage.load()) == [track("i2")]
        assert list(await storage.history(key())) == []
        assert [record.seq for record in await storage.history(key("i2"))] == [2]
        assert await storage.last_seq() == 4
        await storage.commit(Batch((moved(5),), (track(),)))
        assert [record.seq for record in await storage.history(key())] == [5]


async def test_removal_wins_over_the_rest_of_its_batch(opened: Open) -> None:
    """A track that is saved and removed in one batch is gone."""
    async with opened() as storage:
        await storage.commit(Batch((moved(1),), (track(),), remove=(key(),)))
        assert list(await storage.load()) == []
        assert list(await storage.history(key())) == []


@pytest.mark.parametrize(
    "name",
    ["a\0b", 'it\'s "q"; DROP TABLE track', "<script>", "\u202eright to left", "名" * 4000, "%_", "a/b"],
    ids=["nul", "quotes", "markup", "direction", "long", "wildcards", "slash"],
)
async def test_odd_names_are_kept_as_they_are(opened: Open, name: str) -> None:
    """A name is data, whatever it holds."""
    async with opened() as storage:
        await storage.commit(Batch((moved(1, name),), (track(name, name=name),), (alert(name, rule=name),)))
        assert list(await storage.load()) == [track(name, name=name)]
        assert len(await storage.history(key(name))) == 1
        assert len(await storage.alerts(AlertQuery(rule=name, key=key(name)))) == 1


async def test_what_cannot_be_written_down_spoils_nothing(opened: Open) -> None:
    """Text that is not Unicode is refused with the batch that holds it, and the store goes on."""
    async with opened() as storage:
        with pytest.raises(StorageError, match="cannot be written down"):
            await storage.commit(Batch((moved(1),), (track(), track("i2", name="\ud800")), (alert("a"),)))
        assert list(await storage.load()) == []
        await storage.commit(Batch((moved(1),), (track(),)))
        assert list(await storage.load()) == [track()]


# --- the outbox ---------------------------------------------------------------------------------------------------


async def test_an_alert_is_kept_once(opened: Open) -> None:
    """The same id makes no new outbox row: not in the same batch, not later, not after delivery."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"), alert("a", severity="other"))))
        await storage.commit(Batch(alerts=(alert("a"),)))
        (delivery,) = await claim(storage)
        await storage.settle(delivery, outcome())
        await storage.commit(Batch(alerts=(alert("a", channels=("ops", "mail")),)))
        assert await claim(storage) == []
        assert await claim(storage, channel="mail") == []
        assert (await only(storage)).alert == alert("a")


async def test_each_channel_gets_one_delivery(opened: Open) -> None:
    """A channel that is named twice is told once; an alert without channels is only kept."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a", channels=("ops", "mail", "ops")), alert("b", channels=()))))
        assert [one.alert.id for one in await claim(storage)] == ["a"]
        assert [one.alert.id for one in await claim(storage, channel="mail")] == ["a"]
        assert [len(record.deliveries) for record in await storage.alerts(ALL)] == [0, 2]


async def test_claims_follow_the_order_of_alerts(opened: Open) -> None:
    """Oldest first, as many as asked for, each complete."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"), alert("b"))))
        await storage.commit(Batch(alerts=(alert("c"),)))
        first = await claim(storage, limit=2)
        assert [(one.alert, one.channel, one.state, one.attempts, one.claims) for one in first] == [
            (alert("a"), "ops", DeliveryState.PENDING, (), 1),
            (alert("b"), "ops", DeliveryState.PENDING, (), 1),
        ]
        assert [one.alert.id for one in await claim(storage)] == ["c"]
        assert await claim(storage, limit=0) == []


async def test_a_lease_keeps_others_away_until_it_runs_out(opened: Open) -> None:
    """Then the same delivery, with the same id, is claimed again."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        (first,) = await claim(storage)
        assert await claim(storage, AT + MINUTE - timedelta(microseconds=1)) == []
        (again,) = await claim(storage, AT + MINUTE)
        assert (again.id, again.claims) == (first.id, 2)


async def test_a_failed_attempt_is_due_later(opened: Open) -> None:
    """It stays pending, keeps its receipt, and lets those behind it pass."""
    failed = outcome(DeliveryState.PENDING, AT + MINUTE / 2, "timeout")
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"), alert("b"))))
        (first,) = await claim(storage, limit=1)
        await storage.settle(first, failed)
        assert [one.alert.id for one in await claim(storage)] == ["b"]
        assert await claim(storage, AT + MINUTE / 3) == []
        (later,) = await claim(storage, AT + MINUTE / 2)
        assert (later.alert.id, later.attempts, later.due_at) == ("a", (failed.attempt,), AT + MINUTE / 2)


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.GIVEN_UP])
async def test_a_final_state_ends_a_delivery(opened: Open, state: DeliveryState) -> None:
    """It is never claimed again, and waits no more."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        (delivery,) = await claim(storage)
        await storage.settle(delivery, outcome(state))
        assert await claim(storage, AT + 1000 * MINUTE) == []
        assert await storage.next_due("ops") is None
        assert list(await storage.depths()) == []
        (kept,) = (await only(storage)).deliveries
        assert (kept.state, kept.due_at, kept.attempts) == (state, None, (outcome(state).attempt,))


async def test_receipts_are_bounded(opened: Open) -> None:
    """The newest attempts are kept, and the count of claims tells how many there were."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        for turn in range(MAX_ATTEMPTS + 5):
            (delivery,) = await claim(storage)
            await storage.settle(delivery, outcome(DeliveryState.PENDING, AT, f"no {turn}"))
        (kept,) = (await only(storage)).deliveries
        assert [one.reason for one in kept.attempts] == [f"no {turn}" for turn in range(5, MAX_ATTEMPTS + 5)]
        assert kept.claims == MAX_ATTEMPTS + 5


async def test_a_late_failure_does_not_end_anothers_lease(opened: Open) -> None:
    """Who comes back after the lease ran out leaves a receipt, and whoever holds it now goes on."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        (slow,) = await claim(storage)
        (quick,) = await claim(storage, AT + MINUTE)
        await storage.settle(slow, outcome(DeliveryState.PENDING, AT, "timeout"))
        assert await claim(storage, AT + MINUTE) == []
        await storage.settle(quick, outcome())
        (kept,) = (await only(storage)).deliveries
        assert (kept.state, [one.reason for one in kept.attempts]) == (DeliveryState.DELIVERED, ["timeout", ""])


@pytest.mark.parametrize("late", [DeliveryState.PENDING, DeliveryState.GIVEN_UP])
async def test_what_was_delivered_stays_delivered(opened: Open, late: DeliveryState) -> None:
    """A second worker's failure cannot take a delivery back."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        (slow,) = await claim(storage)
        (quick,) = await claim(storage, AT + MINUTE)
        await storage.settle(quick, outcome())
        await storage.settle(slow, outcome(late, AT if late is DeliveryState.PENDING else None))
        assert await claim(storage, AT + 1000 * MINUTE) == []
        assert (await only(storage)).deliveries[0].state is DeliveryState.DELIVERED


async def test_a_late_delivery_counts(opened: Open) -> None:
    """Whoever got it through got it through, even if another has given up meanwhile."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        (slow,) = await claim(storage)
        (quick,) = await claim(storage, AT + MINUTE)
        await storage.settle(quick, outcome(DeliveryState.GIVEN_UP))
        await storage.settle(slow, outcome())
        assert (await only(storage)).deliveries[0].state is DeliveryState.DELIVERED


async def test_what_is_told_again_is_claimed_when_due(opened: Open) -> None:
    """As often as it wants, under the same id, until it is final; meanwhile it is delivered."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        (first,) = await claim(storage)
        assert list(await storage.settle(first, again(1))) == []
        assert await storage.next_due("ops") == AT + MINUTE
        assert await claim(storage, AT + MINUTE / 2) == []
        (second,) = await claim(storage, AT + MINUTE)
        assert (second.id, second.state, second.due_at, second.delivered_at, second.claims) == (
            first.id,
            DeliveryState.REPEATING,
            AT + MINUTE,
            AT,
            2,
        )
        assert await claim(storage, AT + MINUTE) == []
        assert await storage.next_due("ops") == AT + 2 * MINUTE
        await storage.settle(second, again(3, "timeout"))
        (third,) = await claim(storage, AT + 3 * MINUTE)
        await storage.settle(third, outcome())
        assert await storage.next_due("ops") is None
        (kept,) = (await only(storage)).deliveries
        assert (kept.state, kept.due_at, [one.reason for one in kept.attempts]) == (
            DeliveryState.DELIVERED,
            None,
            ["", "timeout", ""],
        )


async def test_what_is_told_again_does_not_wait(opened: Open) -> None:
    """It is no part of the depth, and it is found as what it is."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        (delivery,) = await claim(storage)
        await storage.settle(delivery, again(1))
        assert list(await storage.depths()) == []
        for state in DeliveryState:
            found = await storage.alerts(AlertQuery(state=state))
            assert bool(found) == (state is DeliveryState.REPEATING)


async def test_what_nobody_was_told_yet_goes_first(opened: Open) -> None:
    """A new alert passes all that is to be told again; of those the longest due goes first."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=tuple(alert(name) for name in "abcd")))
        for delivery, after in zip(await claim(storage), (3, 1, 2, 9), strict=True):
            await storage.settle(delivery, again(after))
        await storage.commit(Batch(alerts=(alert("e", after=4), alert("f", after=4))))
        (first,) = await claim(storage, AT + 4 * MINUTE, limit=1)
        assert first.alert.id == "e"
        rest = [await claim(storage, AT + 4 * MINUTE, limit=limit) for limit in (3, 9)]
        assert [[one.alert.id for one in some] for some in rest] == [["f", "b", "c"], ["a"]]


async def test_the_first_try_that_was_taken_stays_on_record(opened: Open) -> None:
    """However often it is told again; beside it are the newest tries."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        (delivery,) = await claim(storage)
        await storage.settle(delivery, outcome(DeliveryState.PENDING, AT, "no"))
        for turn in range(MAX_ATTEMPTS + 5):
            (delivery,) = await claim(storage, AT + turn * MINUTE)
            told = Attempt(AT + turn * MINUTE, 0.1, "" if turn == 0 else f"no {turn}")
            await storage.settle(delivery, Outcome(told, DeliveryState.REPEATING, AT))
        (kept,) = (await only(storage)).deliveries
        assert kept.delivered_at == AT
        assert [one.reason for one in kept.attempts] == ["", *(f"no {turn}" for turn in range(6, MAX_ATTEMPTS + 5))]


@pytest.mark.parametrize("late", [DeliveryState.PENDING, DeliveryState.GIVEN_UP])
async def test_what_is_told_again_stays_delivered(opened: Open, late: DeliveryState) -> None:
    """A second worker's failure neither takes it back nor keeps it from being told again."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a", channels=("ops",)),)))
        (slow,) = await claim(storage)
        (quick,) = await claim(storage, AT + MINUTE)
        await storage.settle(quick, again(5))
        assert list(await storage.settle(slow, falling_back(late, "mail"))) == []
        (kept,) = (await only(storage)).deliveries
        assert (kept.state, kept.due_at) == (DeliveryState.REPEATING, AT + 5 * MINUTE)
        assert [one.id for one in await claim(storage, AT + 5 * MINUTE)] == [kept.id]


async def test_a_late_delivery_is_told_again(opened: Open) -> None:
    """Whoever got it through after another has given up did so for good."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        (slow,) = await claim(storage)
        (quick,) = await claim(storage, AT + MINUTE)
        await storage.settle(quick, outcome(DeliveryState.GIVEN_UP))
        await storage.settle(slow, again(5))
        (later,) = await claim(storage, AT + 5 * MINUTE)
        assert later.state is DeliveryState.REPEATING


async def test_old_alerts_do_not_wait_to_be_told_again(opened: Open) -> None:
    """A channel that is gone from the config must not keep them for ever."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        (delivery,) = await claim(storage)
        await storage.settle(delivery, again(1))
        await storage.compact(AT + 9 * MINUTE)
        assert list(await storage.alerts(ALL)) == []
        assert await storage.next_due("ops") is None
        assert await claim(storage, AT + 9 * MINUTE) == []


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.GIVEN_UP])
async def test_a_failure_puts_the_alert_into_other_outboxes(opened: Open, state: DeliveryState) -> None:
    """The same alert, once for each channel, due when it is said, as one more delivery."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a", fallback=("mail", "pager")),)))
        (delivery,) = await claim(storage)
        assert delivery.alert.fallback == ("mail", "pager")
        told = falling_back(state, "mail", "pager", "mail", after=2)
        assert list(await storage.settle(delivery, told)) == ["mail", "pager"]
        assert [(one.channel, one.state, one.due_at) for one in (await only(storage)).deliveries] == [
            ("ops", state, told.due_at),
            ("mail", DeliveryState.PENDING, AT + 2 * MINUTE),
            ("pager", DeliveryState.PENDING, AT + 2 * MINUTE),
        ]
        assert {depth.channel for depth in await storage.depths()} >= {"mail", "pager"}
        assert await claim(storage, AT + MINUTE, channel="mail") == []
        (mailed,) = await claim(storage, AT + 2 * MINUTE, channel="mail")
        assert (mailed.alert, mailed.attempts, mailed.claims) == (delivery.alert, (), 1)


async def test_a_channel_gets_an_alert_once(opened: Open) -> None:
    """Falling back again, or to a channel that has it, adds nothing: not before it is delivered, not after."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a", channels=("ops", "chat")),)))
        for turn in range(3):
            (delivery,) = await claim(storage, AT + 10 * turn * MINUTE)
            added = await storage.settle(delivery, falling_back(DeliveryState.PENDING, "mail", "chat"))
            assert list(added) == (["mail"] if turn == 0 else [])
            for mailed in await claim(storage, AT + 10 * turn * MINUTE, channel="mail"):
                await storage.settle(mailed, outcome())
        assert [one.channel for one in (await only(storage)).deliveries] == ["ops", "chat", "mail"]


async def test_what_was_delivered_does_not_fall_back(opened: Open) -> None:
    """A second worker's failure after a delivery tells nobody else."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        (slow,) = await claim(storage)
        (quick,) = await claim(storage, AT + MINUTE)
        await storage.settle(quick, outcome())
        assert list(await storage.settle(slow, falling_back(DeliveryState.GIVEN_UP, "mail"))) == []
        assert [one.channel for one in (await only(storage)).deliveries] == ["ops"]


async def test_what_waits_falls_back_untried(opened: Open) -> None:
    """What fired long enough ago goes into other outboxes, in its order, and stays where it was; in slices, up to the
    first that fired later; what has fallen back, is delivered, or came as a fallback itself does not go again."""
    async with opened() as storage:
        names = ("a", "b", "c", "d")
        early = [alert(name, fallback=("mail",) if name != "b" else ()) for name in names]
        await storage.commit(Batch(alerts=(*early, alert("late", after=5, fallback=("mail",)))))
        (taken,) = await claim(storage, limit=1)
        await storage.settle(taken, outcome())
        told = await storage.fall_back("ops", AT + 4 * MINUTE, AT + 5 * MINUTE, 0, 2)
        assert (told.more, told.alerts, told.channels) == (True, 1, ("mail",))
        told = await storage.fall_back("ops", AT + 4 * MINUTE, AT + 6 * MINUTE, told.upto, 2)
        assert (told.more, told.alerts, told.channels) == (False, 1, ("mail",))
        for after in (0, told.upto):
            again = await storage.fall_back("ops", AT + 4 * MINUTE, AT + 7 * MINUTE, after, 10)
            assert (again.upto, again.more, again.alerts) == (told.upto, False, 0)
        assert (await storage.fall_back("mail", AT + MINUTE, AT, 0, 10)).alerts == 0
        mailed = await claim(storage, AT + 6 * MINUTE, limit=5, channel="mail")
        assert [(one.alert.id, one.due_at) for one in mailed] == [("c", AT + 5 * MINUTE), ("d", AT + 6 * MINUTE)]
        waiting = await claim(storage, AT + 6 * MINUTE, limit=5)
        assert [(one.alert.id, one.claims, one.attempts) for one in waiting] == [
            ("b", 1, ()),
            ("c", 1, ()),
            ("d", 1, ()),
            ("late", 1, ()),
        ]


async def test_settling_what_is_forgotten_is_nothing(opened: Open) -> None:
    """A settlement that comes after its alert was forgotten changes nothing."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        (delivery,) = await claim(storage)
        await storage.settle(delivery, outcome())
        await storage.compact(AT + MINUTE)
        assert list(await storage.settle(delivery, falling_back(DeliveryState.GIVEN_UP, "mail"))) == []
        assert list(await storage.alerts(ALL)) == []


async def test_depths_tell_what_waits(opened: Open) -> None:
    """Per channel, with the age of the oldest; what is leased still waits."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a", after=1, channels=("ops", "mail")), alert("b"))))
        await claim(storage, AT + MINUTE)
        assert list(await storage.depths()) == [OutboxDepth("mail", 1, AT + MINUTE), OutboxDepth("ops", 2, AT)]


async def test_next_due_is_when_a_claim_would_find_something(opened: Open) -> None:
    """At first when the alert fired; then when its lease runs out, or when its next try is due."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"), alert("b", after=60))))
        assert await storage.next_due("ops") == AT
        (delivery,) = await claim(storage)
        assert await storage.next_due("ops") == AT + MINUTE
        await storage.settle(delivery, outcome(DeliveryState.PENDING, AT + 9 * MINUTE))
        assert await storage.next_due("ops") == AT + 9 * MINUTE
        assert await storage.next_due("mail") is None


async def test_alerts_are_found_newest_first(opened: Open) -> None:
    """Each filter narrows the list, and filters add up."""
    other = {"source": "render", "project": "cn-qingdao", "instance": "j"}
    async with opened() as storage:
        await storage.commit(
            Batch(
                alerts=(
                    alert("a"),
                    alert("b", rule="Stalled", severity="warning"),
                    alert("c", key=None, labels=other),
                    alert("d", channels=("mail",)),
                )
            )
        )
        (delivery,) = await claim(storage, limit=1)
        await storage.settle(delivery, outcome())

        async def found(**wanted: object) -> str:
            return "".join(one.alert.id for one in await storage.alerts(AlertQuery(**wanted)))  # type: ignore[arg-type]

        assert await found() == "dcba"
        assert await found(limit=3) == "dcb"
        assert await found(limit=0) == ""
        assert await found(rule="Stalled") == "b"
        assert await found(severity="critical") == "dca"
        assert await found(source="render") == await found(project="cn-qingdao") == "c"
        assert await found(key=key("d")) == "d"
        assert await found(state=DeliveryState.PENDING) == "dcb"
        assert await found(state=DeliveryState.DELIVERED, severity="critical") == "a"
        assert await found(state=DeliveryState.GIVEN_UP) == ""


async def test_alerts_are_paged(opened: Open) -> None:
    """A page goes on after the last alert of the one before; after one that is gone there is nothing older."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=tuple(alert(name) for name in "abcde")))
        page = await storage.alerts(AlertQuery(limit=2))
        rest = await storage.alerts(AlertQuery(limit=9, before=page[-1].alert.id))
        assert "".join(one.alert.id for one in (*page, *rest)) == "edcba"
        assert list(await storage.alerts(AlertQuery(before="gone"))) == []


async def test_the_first_acknowledgement_stays(opened: Open) -> None:
    """A second person is told who was first; an unknown alert is nobody's."""
    async with opened() as storage:
        await storage.commit(Batch(alerts=(alert("a"),)))
        first = await storage.acknowledge("a", "first", AT)
        second = await storage.acknowledge("a", "second", AT + MINUTE)
        assert first == second == await only(storage)
        assert first is not None
        assert first.acknowledged == Acknowledgement("first", AT)
        assert await storage.acknowledge("unknown", "first", AT) is None


# --- size and compaction ------------------------------------------------------------------------------------------


async def test_old_alerts_are_forgotten_when_nothing_needs_them(opened: Open) -> None:
    """Kept are: young ones, those still to be delivered, and those whose instance is still tracked."""
    async with opened() as storage:
        quiet = {"channels": ()}
        await storage.commit(
            Batch(
                save=(track("tracked"),),
                alerts=(
                    alert("old", **quiet),
                    alert("source", key=None, **quiet),
                    alert("young", after=10, **quiet),
                    alert("tracked", **quiet),
                    alert("pending"),
                ),
            )
        )
        await storage.compact(AT + 10 * MINUTE)
        assert [one.alert.id for one in await storage.alerts(ALL)] == ["pending", "tracked", "young"]


async def test_a_tracked_instance_does_not_alert_twice_however_old(opened: Open) -> None:
    """Its alert's id outlives the age limit, so the same alert stays the same."""
    async with opened() as storage:
        await storage.commit(Batch(save=(track("a"),), alerts=(alert("a"),)))
        (delivery,) = await claim(storage)
        await storage.settle(delivery, outcome())
        await storage.compact(AT + 1000 * MINUTE)
        await storage.commit(Batch(alerts=(alert("a"),)))
        assert await claim(storage, AT + 1000 * MINUTE) == []


async def test_size_follows_what_is_kept(opened: Open) -> None:
    """It grows with tracks and alerts, and falls when they are forgotten."""
    names = [f"i{number}" for number in range(500)]
    async with opened() as storage:
        empty = await storage.size()
        await storage.commit(Batch(save=tuple(track(name, name="x" * 200) for name in names)))
        full = await storage.size()
        assert full > empty + 500 * 200
        await storage.commit(Batch(remove=tuple(key(name) for name in names)))
        await storage.compact(AT)
        assert await storage.size() < empty + (full - empty) / 10


# --- following ----------------------------------------------------------------------------------------------------


async def test_a_follower_gets_every_batch_from_its_call_on(opened: Open) -> None:
    """In order, also those that write nothing; and it ends after the last."""
    batches = [
        Batch((moved(2),), (track(),)),
        Batch((Record(3, ProgressMoved(AT, key(), 0.5), track()),), tracks=(track(),)),
        Batch(swept=(Swept("warehouse", "analytics", AT, frozenset({"i1"})),)),
    ]
    async with opened() as storage:
        await storage.commit(Batch((moved(1),), (track(),)))
        following = storage.follow()
        for batch in batches:
            await storage.commit(batch)
        storage.seal()
        assert [batch async for batch in following] == batches
        assert [batch async for batch in storage.follow()] == []


async def test_a_batch_is_kept_before_it_is_published(opened: Open) -> None:
    """Whoever hears of it finds it in the store."""
    async with opened() as storage, anyio.create_task_group() as group:
        following = storage.follow()
        group.start_soon(storage.commit, Batch((moved(1),), (track(),)))
        assert (await anext(following)).save == tuple(await storage.load())
        await following.aclose()


async def test_a_batch_that_was_not_kept_is_not_published(opened: Open) -> None:
    """A refused commit reaches nobody."""
    async with opened() as storage:
        following = storage.follow()
        await storage.commit(Batch((moved(1),), (track(),)))
        with pytest.raises(StorageError):
            await storage.commit(Batch((moved(1),), (track(),)))
        storage.seal()
        assert len([batch async for batch in following]) == 1


async def test_a_follower_that_lags_makes_commits_wait(opened: Open) -> None:
    """The commit waits before it writes, and goes on when the follower reads, or leaves."""
    async with opened() as storage:
        following = storage.follow()
        for seq in range(1, BOUND + 1):
            await storage.commit(Batch((moved(seq),), (track(),)))
        committed = anyio.Event()

        async def one_more(seq: int) -> None:
            await storage.commit(Batch((moved(seq),), (track(),)))
            committed.set()

        async with anyio.create_task_group() as group:
            group.start_soon(one_more, BOUND + 1)
            await anyio.wait_all_tasks_blocked()
            assert await storage.last_seq() == BOUND
            assert not committed.is_set()
            assert (await anext(following)).lasting[0].seq == 1
            await committed.wait()
            committed = anyio.Event()
            group.start_soon(one_more, BOUND + 2)
            await anyio.wait_all_tasks_blocked()
            await following.aclose()
        assert committed.is_set()


async def test_after_seal_nothing_is_kept(opened: Open) -> None:
    """A commit after the end is refused, and a second seal is nothing."""
    async with opened() as storage:
        storage.seal()
        storage.seal()
        with pytest.raises(StorageError, match="sealed"):
            await storage.commit(Batch(save=(track(),)))
        assert list(await storage.load()) == []


async def test_a_closed_store_says_so(opened: Open) -> None:
    """Every call after closing raises StorageError, and closing again is nothing."""
    async with opened() as storage:
        following = storage.follow()
        await storage.aclose()
        await storage.aclose()
        assert [batch async for batch in following] == []
        with pytest.raises(StorageError, match="closed"):
            await storage.load()
        with pytest.raises(StorageError, match="closed"):
            await storage.claim("ops", 1, AT, MINUTE, "courier")
