"""The ledger in front of a real store: what it writes down, when, and what it refuses to go on without."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from monitor.core.alerting import Rules, Trigger
from monitor.core.events import (
    AlertFired,
    AnyEvent,
    Discovered,
    Failed,
    Gone,
    Lost,
    PhaseChanged,
    ProgressMoved,
    Reconciled,
    Removed,
    Seen,
    SourceChanged,
    Swept,
    Tick,
    VerdictChanged,
)
from monitor.core.model import Phase, Verdict
from monitor.core.retention import Retention
from monitor.core.tracker import Policy
from monitor.core.verdicts import Limits
from monitor.engine.ledger import COMMIT_WITHIN, PROGRESS_A_COMMIT, REMOVALS_A_COMMIT, TRACKS_A_LOOK, Decisions, Ledger
from monitor.storage.base import AlertQuery, Batch, StorageError
from monitor.storage.memory import MemoryStorage
from tests.engine.line import NO_RULES, NO_VERDICTS
from tests.engine.scripted import key, moment, now, rules

pytestmark = pytest.mark.anyio


class Store(MemoryStorage):
    """The memory driver, on a disk that can fail, hang or be slow."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[Batch] = []
        self.disk: Callable[[], Any] | None = None

    async def commit(self, batch: Batch) -> None:
        if self.disk is not None:
            await self.disk()
        await super().commit(batch)
        self.commits.append(batch)

    @property
    def writes(self) -> list[Batch]:
        return [batch for batch in self.commits if batch.writes]


@dataclass
class Bench:
    """A running ledger, fed by hand. `batches` are what was published."""

    storage: Store
    ledger: Ledger
    send: Any
    batches: list[Batch] = field(default_factory=list)

    async def observe(self, *got: Any) -> None:
        """One message on the stream, which the ledger has taken when this returns."""
        await self.send.send(got)
        await anyio.sleep(0.001)

    def events(self, kind: type[AnyEvent] | None = None) -> list[Any]:
        every = [record.event for batch in self.batches for record in batch.records]
        return [event for event in every if kind is None or isinstance(event, kind)]


@asynccontextmanager
async def bench(
    storage: Store | None = None,
    *,
    rules: Rules = NO_RULES,
    policy: Policy = NO_VERDICTS,
    retention: Retention = Retention(),  # noqa: B008 - it cannot change
    heard: Collection[str] = (),
) -> AsyncIterator[Bench]:
    """A ledger that is stopped as the daemon stops it: its stream ends."""
    storage = storage or Store()
    tracks, seq = await storage.load(), await storage.last_seq()
    send, receive = anyio.create_memory_object_stream[Any](1000)
    decisions = Decisions(policy=policy, rules=rules, retention=retention)
    ledger = Ledger(storage=storage, tracks=tracks, seq=seq, decisions=decisions, now=now, heard=heard)
    it = Bench(storage, ledger, send)
    batches = storage.follow()

    async def read() -> None:
        async for batch in batches:
            it.batches.append(batch)

    async with anyio.create_task_group() as readers:
        readers.start_soon(read)
        with receive:
            async with anyio.create_task_group() as writing:
                writing.start_soon(ledger.run, receive)
                with send:
                    yield it
        await anyio.sleep(0.001)
        readers.cancel_scope.cancel()


def seen(name: str, phase: Phase | None = Phase.RUNNING, **fields: Any) -> Seen:
    return Seen(**{"key": key(name), "at": now(), "kind": "scripted", "phase": phase, **fields})


def swept(project: str = "p", source: str = "s", *ids: str) -> Swept:
    return Swept(source, project, now(), frozenset(ids))


def failed(project: str = "p", source: str = "s") -> Failed:
    return Failed(source, project, now(), "unreachable", "no connection")


# --- commits ---


async def test_one_commit_for_all_that_waits() -> None:
    """A hundred messages that wait while a commit takes its time become one commit, in order."""
    storage = Store()

    async def slow() -> None:
        await anyio.sleep(0.1)

    async with bench(storage) as it:
        storage.disk = slow
        await it.observe(seen("first"))
        for number in range(100):
            await it.send.send((seen(f"i{number}"),))
        await anyio.sleep(1)
    assert [len(batch.tracks) for batch in storage.writes] == [1, 100]
    assert [event.key.id for event in it.events(Discovered)] == ["first", *(f"i{number}" for number in range(100))]


async def test_a_step_without_events_writes_nothing() -> None:
    """A thousand "still running" cost no write, and the board still hears when the service said so."""
    async with bench() as it:
        await it.observe(seen("i"))
        written = len(it.storage.writes)
        for _ in range(1000):
            await it.observe(seen("i"))
        assert len(it.storage.writes) == written
        assert it.batches[-1].tracks[0].observed_at > moment(0.9)
    assert len(it.storage.writes) == written


async def test_sequence_numbers_are_unique_and_without_gaps() -> None:
    """Lasting and passing events share one order; a restarted ledger goes on behind what was stored."""
    storage = Store()
    async with bench(storage) as it:
        for step in range(50):
            await it.observe(seen("a", progress=step / 100), seen("b", progress=step / 100))
        first = [record.seq for batch in it.batches for record in batch.records]
    assert first == list(range(1, len(first) + 1))
    stored = await storage.last_seq()
    async with bench(storage) as it:
        await it.observe(seen("c"))
        assert [record.seq for batch in it.batches for record in batch.records] == [stored + 1, stored + 2]


async def test_kept_before_published() -> None:
    """When a reader hears of a batch, the store holds it."""
    storage = Store()
    heard: list[bool] = []
    batches = storage.follow()

    async def read() -> None:
        async for batch in batches:
            tracks = {track.key: track for track in await storage.load()}
            heard.extend(tracks[track.key] == track for track in batch.save)

    async with anyio.create_task_group() as readers:
        readers.start_soon(read)
        async with bench(storage) as it:
            for number in range(20):
                await it.observe(seen(f"i{number}"))
        await anyio.sleep(0.01)
        readers.cancel_scope.cancel()
    assert heard == [True] * 20


async def test_a_commit_that_fails_ends_the_ledger_with_that_error() -> None:
    """Exactly one error comes out, and nothing of the batch was published."""
    storage = Store()

    async def full() -> None:
        raise StorageError("disk full")

    it, error = await _until_it_ends(storage, disk=full)
    assert error.args == ("disk full",)
    assert [event.key.id for event in it.events(Discovered)] == ["kept"]


async def test_a_commit_that_hangs_ends_the_ledger() -> None:
    """After a minute the disk is given up, in words that say what to do."""
    storage = Store()
    it, error = await _until_it_ends(storage, disk=anyio.sleep_forever)
    assert isinstance(error, StorageError)
    assert "look at its disk" in str(error)
    assert anyio.current_time() == pytest.approx(COMMIT_WITHIN, abs=1)
    assert [event.key.id for event in it.events(Discovered)] == ["kept"]


async def test_a_commit_is_not_cancelled_half_way() -> None:
    """A stop in the middle of a commit waits for it."""
    storage = Store()

    async def slow() -> None:
        await anyio.sleep(5)

    storage.disk = slow
    send, receive = anyio.create_memory_object_stream[Any](10)
    decisions = Decisions(policy=NO_VERDICTS, rules=NO_RULES, retention=Retention())
    ledger = Ledger(storage=storage, tracks=(), seq=0, decisions=decisions, now=now)
    with send, receive:
        await send.send((seen("i"),))
        with anyio.move_on_after(1):
            await ledger.run(receive)
    assert anyio.current_time() == 5
    assert [track.key.id for track in await storage.load()] == ["i"]


async def test_stopping_keeps_what_was_observed() -> None:
    """Everything in the stream when it ends is kept, and progress that was not yet saved is."""
    storage = Store()
    async with bench(storage) as it:
        await it.observe(seen("i"))
        await it.observe(seen("i", progress=0.4))
        for number in range(900):
            it.send.send_nowait((seen(f"late{number}"),))
    kept = {track.key.id: track for track in await storage.load()}
    assert len(kept) == 901
    assert kept["i"].progress == 0.4


# --- progress ---


async def test_progress_is_saved_coalesced() -> None:
    """Progress that moves every second is published each time and written twice a minute."""
    async with bench() as it:
        await it.observe(seen("i"))
        for step in range(300):
            await anyio.sleep(1)
            await it.observe(seen("i", progress=step / 300))
        assert len(it.events(ProgressMoved)) == 300
        assert 9 <= len(it.storage.writes) - 1 <= 11
        saved = {track.key: track for track in await it.storage.load()}
        assert saved[key("i")].progress > 0.8


async def test_much_progress_is_saved_in_portions() -> None:
    """Twelve thousand tracks that moved are not written in one commit, and none is left out."""
    count = 2 * PROGRESS_A_COMMIT + 2000
    async with bench() as it:
        await it.observe(*(seen(f"i{number}") for number in range(count)))
        await it.observe(*(seen(f"i{number}", progress=0.5) for number in range(count)))
        for _ in range(4):
            await anyio.sleep(31)
            await it.observe(seen("clock"))
        assert max(len(batch.save) for batch in it.storage.writes[1:]) <= PROGRESS_A_COMMIT + 1
        assert {track.progress for track in await it.storage.load() if track.key.id != "clock"} == {0.5}


async def test_what_is_learned_without_an_event_is_saved_too() -> None:
    """A name or an owner that an inspection brings survives a restart."""
    storage = Store()
    async with bench(storage) as it:
        await it.observe(seen("i"))
        await it.observe(seen("i", owner="somebody", started_at=moment(-5)))
    kept = (await storage.load())[0]
    assert (kept.owner, kept.started_at) == ("somebody", moment(-5))


# --- alerts ---


async def test_a_failure_is_alerted_once_in_the_same_commit() -> None:
    """Track, event and outbox row go down together; saying it again adds nothing."""
    async with bench(rules=rules(Trigger.FAILED)) as it:
        await it.observe(seen("i"))
        await it.observe(seen("i", Phase.FAILED))
        for _ in range(5):
            await it.observe(seen("i", Phase.FAILED))
        (batch,) = (batch for batch in it.storage.writes if batch.alerts)
        assert [type(record.event) for record in batch.records] == [PhaseChanged, AlertFired]
        assert batch.save[0].fired == {"failed"}
        assert len(it.events(AlertFired)) == 1
        assert [depth.pending for depth in await it.storage.depths()] == [1]


async def test_a_verdict_that_comes_back_is_not_alerted_again() -> None:
    """Stalled, moving, stalled again: two verdicts, one alert; a new attempt may alert anew."""
    policy = Policy(limits=Limits(stalled=timedelta(minutes=5), straggling=None, queued=None, late=None))
    async with bench(rules=rules(Trigger.STALLED), policy=policy) as it:
        await it.observe(swept(), seen("i", progress=0.1))
        for round_ in range(2):
            await anyio.sleep(400)
            await it.observe(swept("p", "s", "i"), Tick(now()))
            await it.observe(seen("i", progress=0.2 + round_ / 10))
        assert [event.raised for event in it.events(VerdictChanged)] == [True, False, True, False]
        assert len(it.events(AlertFired)) == 1
        await it.observe(seen("i", attempt=2, progress=0.0))
        await anyio.sleep(400)
        await it.observe(swept("p", "s", "i"), Tick(now()))
        assert len(it.events(AlertFired)) == 2


async def test_alerts_are_not_repeated_after_a_restart() -> None:
    """What the track remembers as fired does not fire again."""
    storage = Store()
    policy = Policy(limits=Limits(stalled=timedelta(minutes=5), straggling=None, queued=None, late=None))
    for _ in range(3):
        async with bench(storage, rules=rules(Trigger.STALLED), policy=policy) as it:
            await it.observe(swept(), seen("i", progress=0.1))
            await anyio.sleep(400)
            await it.observe(swept("p", "s", "i"), Tick(now()))
            await it.observe(seen("i", progress=min(1.0, anyio.current_time() / 2000)))
    assert len(await storage.alerts(AlertQuery())) == 1


async def test_new_rules_hold_from_the_next_observation_on() -> None:
    """A reload takes effect without a restart."""
    async with bench() as it:
        await it.observe(seen("a"), seen("b"))
        await it.observe(seen("a", Phase.FAILED))
        it.ledger.decide_by(Decisions(policy=NO_VERDICTS, rules=rules(Trigger.FAILED), retention=Retention()))
        await it.observe(seen("b", Phase.FAILED))
        assert [event.key.id for event in it.events(AlertFired)] == ["b"]


# --- time ---


async def test_ticks_are_judged_in_slices() -> None:
    """2,500 stalled tracks are judged in three commits, between which others have a turn."""
    policy = Policy(limits=Limits(stalled=timedelta(minutes=5), straggling=None, queued=None, late=None))
    async with bench(policy=policy) as it:
        await it.observe(swept(), *(seen(f"i{number}", progress=0.1) for number in range(2500)))
        await anyio.sleep(400)
        await it.observe(swept("p", "s", *(f"i{number}" for number in range(2500))))
        before = len(it.storage.writes)
        await it.observe(Tick(now()), Tick(now()))
        assert [len(batch.records) for batch in it.storage.writes[before:]] == [1000, 1000, 500]
        assert {event.verdict for event in it.events(VerdictChanged)} == {Verdict.STALLED}


@pytest.mark.parametrize("trouble", ["never swept", "failing"])
async def test_nothing_is_judged_blind(trouble: str) -> None:
    """A project that does not answer, or has not answered since the start, raises no verdict; then it does."""
    policy = Policy(limits=Limits(stalled=timedelta(minutes=5), straggling=None, queued=None, late=None))
    async with bench(policy=policy) as it:
        await it.observe(seen("i", progress=0.1))
        if trouble == "failing":
            await it.observe(swept("p", "s", "i"), failed())
        await anyio.sleep(4000)
        await it.observe(Tick(now()))
        assert it.events(VerdictChanged) == []
        await it.observe(swept("p", "s", "i"))
        await it.observe(Tick(now()))
        assert [event.raised for event in it.events(VerdictChanged)] == [True]


async def test_what_a_long_listing_has_not_told_yet_is_not_judged() -> None:
    """The last one was through a minute ago and the next one is under way, however long that takes and whoever looks at
    the phase meanwhile: nobody knows whether anything moved since. Of what is told and not asked, silence counts."""
    policy = Policy(limits=Limits(stalled=timedelta(minutes=5), straggling=None, queued=None, late=None))
    for heard, verdicts in (((), 0), (("s",), 1)):
        async with bench(policy=policy, heard=heard) as it:
            await it.observe(swept("p", "s", "i"), seen("i", progress=0.1))
            for _ in range(10):
                await anyio.sleep(60)
                await it.observe(seen("i", progress=None), Tick(now()))
            assert len(it.events(VerdictChanged)) == verdicts
            await it.observe(swept("p", "s", "i"), Tick(now()))
            assert len(it.events(VerdictChanged)) == 1


async def test_no_such_instance_counts_only_from_a_source_that_answers() -> None:
    """A service in trouble says "no such instance" of everything: nothing is lost by that."""
    async with bench() as it:
        await it.observe(swept(), seen("i"))
        await it.observe(failed())
        for _ in range(10):
            await anyio.sleep(60)
            await it.observe(Gone(key("i"), now()))
        assert it.events(Lost) == []
        await it.observe(swept())
        for _ in range(3):
            await anyio.sleep(60)
            await it.observe(Gone(key("i"), now()))
        assert len(it.events(Lost)) == 1


async def test_retention_forgets_what_is_old() -> None:
    """Ended tracks go after their span, with an event each; live ones stay, and so does what failed."""
    retention = Retention(successes=timedelta(hours=1), failures=timedelta(hours=3))
    async with bench(retention=retention) as it:
        await it.observe(seen("live"), *(seen(f"i{number}", Phase.SUCCEEDED) for number in range(1500)))
        await it.observe(seen("failed", Phase.FAILED))
        await anyio.sleep(3700)
        await it.observe(Tick(now()))
        assert len(it.events(Removed)) == 1500
        assert sorted(track.key.id for track in await it.storage.load()) == ["failed", "live"]
        assert max(len(batch.remove) for batch in it.storage.writes) == REMOVALS_A_COMMIT
        await anyio.sleep(7200)
        await it.observe(Tick(now()))
        assert [track.key.id for track in await it.storage.load()] == ["live"]


@pytest.mark.parametrize("chore", ["judging", "forgetting"])
async def test_observations_do_not_wait_for_chores(chore: str) -> None:
    """Three thousand tracks are judged, or forgotten, on a disk that takes a second for every commit: what comes
    meanwhile is kept after the slice that is under way, and the chore goes on behind it."""
    policy = Policy(limits=Limits(stalled=timedelta(minutes=5), straggling=None, queued=None, late=None))
    phase = Phase.RUNNING if chore == "judging" else Phase.SUCCEEDED
    retention = Retention(successes=timedelta(hours=1))
    async with bench(policy=policy, retention=retention) as it:
        await it.observe(swept(), *(seen(f"i{number}", phase, progress=0.1) for number in range(3000)))
        await anyio.sleep(4000)
        await it.observe(swept("p", "s", *(f"i{number}" for number in range(3000))))
        before = len(it.storage.writes)

        async def slow() -> None:
            await anyio.sleep(1)

        it.storage.disk = slow
        await it.observe(Tick(now()))
        await it.observe(seen("news"), Tick(now()))
        await anyio.sleep(60)
        slices = [max(len(batch.remove), len(batch.save)) for batch in it.storage.writes[before:]]
        assert slices[1] == 1
        assert sum(slices) == 3001
        assert max(slices) <= (1000 if chore == "judging" else REMOVALS_A_COMMIT)


async def test_all_tracks_are_looked_at_in_slices() -> None:
    """While twelve thousand tracks are looked at for those that are too old, what comes is kept before any goes."""
    async with bench(retention=Retention(successes=timedelta(hours=1))) as it:
        await it.observe(*(seen(f"i{number}", Phase.SUCCEEDED) for number in range(2 * TRACKS_A_LOOK + 2000)))
        await anyio.sleep(4000)
        before = len(it.storage.writes)
        it.send.send_nowait((Tick(now()),))
        for number in range(20):
            await anyio.lowlevel.checkpoint()
            it.send.send_nowait((seen(f"news{number}"),))
        await anyio.sleep(1)
        slices = it.storage.writes[before:]
        assert min(at for at, batch in enumerate(slices) if batch.remove) >= 2
        assert sum(len(batch.remove) for batch in slices) == 2 * TRACKS_A_LOOK + 2000


async def test_what_began_again_meanwhile_is_not_forgotten() -> None:
    """A job that is restarted while old ones are being forgotten stays."""
    async with bench(retention=Retention(successes=timedelta(hours=1))) as it:
        await it.observe(*(seen(f"i{number:03}", Phase.SUCCEEDED) for number in range(900)))
        await anyio.sleep(4000)

        async def slow() -> None:
            await anyio.sleep(1)

        it.storage.disk = slow
        await it.observe(Tick(now()))
        await it.observe(seen("i899", attempt=2))
        await anyio.sleep(60)
        assert [track.key.id for track in await it.storage.load()] == ["i899"]
        assert len(it.events(Removed)) == 899


async def test_a_store_that_is_too_large_forgets_more() -> None:
    """Above its size, the store loses what has used up most of its span, and no more than that."""
    retention = Retention(max_bytes=60_000)
    async with bench(retention=retention) as it:
        for number in range(300):
            await it.observe(seen(f"i{number:03}", Phase.SUCCEEDED))
        assert await it.storage.size() > 60_000
        await anyio.sleep(61)
        await it.observe(Tick(now()))
        left = sorted(track.key.id for track in await it.storage.load())
        assert 0 < len(left) < 300
        assert left == [f"i{number:03}" for number in range(300 - len(left), 300)]
        assert await it.storage.size() <= 60_000 * 1.01  # it goes by the average track


async def test_checkpoints_are_kept() -> None:
    """Reconciled is written down with its batch."""
    async with bench() as it:
        await it.observe(Reconciled("s", "p", moment(100)))
        assert await it.storage.checkpoints() == {("s", "p"): moment(100)}


# --- sources ---


async def test_an_outage_is_one_alert_however_many_projects_join() -> None:
    """Three projects go down one after the other: three changes, one alert; after a recovery of all, a second one."""
    async with bench(rules=rules(Trigger.SOURCE_DOWN)) as it:
        for _ in range(2):
            for project in ("a", "b", "c"):
                for _ in range(4):
                    await anyio.sleep(10)
                    await it.observe(failed(project))
            await it.observe(swept("a"))
            await it.observe(failed("a"), failed("a"), failed("a"))
            for project in ("a", "b", "c"):
                await it.observe(swept(project))
        alerts = it.events(AlertFired)
        assert len(alerts) == 2
        assert len({alert.alert for alert in alerts}) == 2
        assert [event.up for event in it.events(SourceChanged)] == [False] * 3 + [True, False] + [True] * 3 + [
            False
        ] * 3 + [True, False] + [True] * 3


async def test_a_rule_for_one_project_is_not_silenced_by_another() -> None:
    """Another project of the source went down first: a rule about this one still fires."""
    every = rules(Trigger.SOURCE_DOWN)
    only_b = replace(every, rules=(replace(every.rules[0], projects=frozenset({"b"})),))
    async with bench(rules=only_b) as it:
        await it.observe(*(failed("a") for _ in range(3)))
        assert it.events(AlertFired) == []
        await it.observe(*(failed("b") for _ in range(3)))
        assert len(it.events(AlertFired)) == 1


async def test_a_restart_in_an_outage_alerts_nobody_again() -> None:
    """The daemon comes back while the source is still down: the log may say so, people were told."""
    storage = Store()
    for _ in range(3):
        async with bench(storage, rules=rules(Trigger.SOURCE_DOWN)) as it:
            for _ in range(5):
                await anyio.sleep(10)
                await it.observe(failed())
            assert [event.up for event in it.events(SourceChanged)] == [False]
    assert it.events(AlertFired) == []
    assert len(await storage.alerts(AlertQuery())) == 1
    async with bench(storage, rules=rules(Trigger.SOURCE_DOWN)) as it:
        await it.observe(failed())
        await it.observe(swept())
        (_, up) = it.events(SourceChanged)
        assert up.lasted == pytest.approx(140, abs=20)


async def test_an_outage_after_a_restart_is_a_new_one() -> None:
    """The source answered since the last alert: its next outage is told."""
    storage = Store()
    for round_ in range(2):
        async with bench(storage, rules=rules(Trigger.SOURCE_DOWN)) as it:
            await it.observe(failed(), failed(), failed())
            assert len(it.events(AlertFired)) == 1
            await anyio.sleep(100)
            await it.observe(swept(), Reconciled("s", "p", now()))
        await anyio.sleep(100 * round_)
    assert len(await storage.alerts(AlertQuery())) == 2


async def _until_it_ends(storage: Store, *, disk: Callable[[], Any]) -> tuple[Bench, BaseException]:
    """Observe something, and something more on a disk that behaves so; the one error that comes out."""
    benches: list[Bench] = []

    async def run() -> None:
        async with bench(storage) as it:
            benches.append(it)
            await it.observe(seen("kept"))
            storage.disk = disk
            await it.observe(seen("not kept"))
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        assert len(error.exceptions) == 1
        error = error.exceptions[0]
    return benches[0], error
