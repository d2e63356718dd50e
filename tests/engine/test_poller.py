"""The poller's listings, in front of a real ledger and board, against a service that follows a script."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import anyio
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from monitor.core.events import (
    Contradicted,
    Discovered,
    Failed,
    Gone,
    PhaseChanged,
    Reconciled,
    Seen,
    SourceChanged,
    Swept,
)
from monitor.core.model import InstanceKey, Phase
from monitor.core.schedule import Pace
from monitor.sources.base import Detail, Page, Priority, Reason, SourceError
from monitor.storage.memory import MemoryStorage
from tests.engine.line import Line, running_line
from tests.engine.scripted import OWNER, Life, ScriptedSource, key, moment

pytestmark = pytest.mark.anyio

UNREACHABLE = SourceError(Reason.UNREACHABLE, "no connection")
NO_ATTENTION = Pace(coarse=timedelta(days=1))


def outcomes(line: Line) -> list[tuple[str, Phase]]:
    """Every end that was published, in order."""
    return [(event.key.id, event.after) for event in line.events(PhaseChanged) if event.after.is_terminal]


async def test_one_sweep_per_interval_within_the_jitter() -> None:
    """Between two sweeps of a project pass 0.95 to 1.05 intervals, over an hour anything in between."""
    source = ScriptedSource()
    async with running_line(source, chance=Random(1).random):
        await anyio.sleep(3600)
    gaps = [after.at - before.at for before, after in pairwise(source.requests("sweep"))]
    assert 355 <= len(gaps) <= 365
    assert 9.5 <= min(gaps) < 9.55
    assert 10.45 < max(gaps) <= 10.5 + 1e-6


async def test_projects_do_not_knock_at_once() -> None:
    """The first sweeps of ten projects are spread over the first second."""
    source = ScriptedSource(projects=tuple(f"p{number}" for number in range(10)))
    async with running_line(source):
        await anyio.sleep(1)
    assert [one.at for one in source.requests("sweep")] == pytest.approx([number / 10 for number in range(10)])


async def test_unchanged_entries_cause_nothing() -> None:
    """An instance that does not change is discovered, looked at once, and costs nothing but sweeps from then on."""
    source = ScriptedSource({"i": Life("i")})
    async with running_line(source, pace=NO_ATTENTION) as line:
        await anyio.sleep(60)
        settled = len(line.records)
        await anyio.sleep(3600)
        assert len(line.records) == settled
        assert len(line.saw(Seen)) == 2
        assert line.board.observed_at(line.board.live("s", "p")["i"]) >= moment(3640)
    assert len(source.requests("inspect")) == 1


async def test_a_sweep_goes_through_all_pages() -> None:
    """2,500 instances on 25 pages are all discovered by one sweep, and none counts as vanished."""
    source = ScriptedSource({f"i{number}": Life(f"i{number}") for number in range(2500)})
    async with running_line(source, pace=NO_ATTENTION) as line:
        await anyio.sleep(1)
        assert len(line.board.live("s", "p")) == 2500
        await anyio.sleep(60)
    assert [one for one in source.requests("inspect") if one.priority is Priority.OUTCOME] == []


@pytest.mark.parametrize("outcome", [Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED])
async def test_what_vanished_is_asked_how_it_ended(outcome: Phase) -> None:
    """Absence is no outcome: one question after the sweep brings the true one, and then nobody asks any more."""
    source = ScriptedSource({"i": Life("i", ends=97, outcome=outcome)}, says_how=False)
    async with running_line(source, pace=NO_ATTENTION) as line:
        await anyio.sleep(95)
        assert outcomes(line) == []
        await anyio.sleep(600)
        assert outcomes(line) == [("i", outcome)]
    asked = [one for one in source.requests("inspect", "i") if one.at > 97]
    assert [one.priority for one in asked] == [Priority.OUTCOME]


async def test_what_stays_vanished_is_asked_once_per_sweep() -> None:
    """An instance that is neither listed nor over is asked about after each sweep, once, and keeps its phase."""
    source = ScriptedSource({"i": Life("i")})
    async with running_line(source, pace=NO_ATTENTION) as line:
        await anyio.sleep(15)
        source.sweep = ScriptedSource(asked=source.asked).sweep  # type: ignore[method-assign] # lists nothing
        await anyio.sleep(300)
        assert line.board.counts()["s", "p", Phase.RUNNING] == 1
        sweeps = [one.at for one in source.requests("sweep") if one.at > 15]
        asked = [one.at for one in source.requests("inspect", "i") if one.at > 15]
    assert asked == pytest.approx(sweeps)


async def test_gone_without_a_trace_is_lost() -> None:
    """The service says "no such instance" after three sweeps: it is lost, not succeeded, and asked no more."""
    source = ScriptedSource({"i": Life("i", forgotten=25)})
    async with running_line(source, pace=NO_ATTENTION) as line:
        await anyio.sleep(600)
        assert line.board.counts()["s", "p", Phase.LOST] == 1
        assert outcomes(line) == []
        assert 3 <= len(line.saw(Gone)) <= 5


async def test_reconcile_finds_what_no_sweep_saw() -> None:
    """An instance that begins and fails between two sweeps is discovered, with its failure, by the next reconcile."""
    source = ScriptedSource({"short": Life("short", submitted=41, ends=44, outcome=Phase.FAILED)})
    async with running_line(source) as line:
        await anyio.sleep(75)
        track = line.board.get(key("short"))
        assert track is not None
        assert track.failure is not None
        assert track.failure.message == "short found no table"
        assert track.owner == OWNER
        assert outcomes(line) == [("short", Phase.FAILED)]


async def test_ended_ones_are_asked_about_once() -> None:
    """What is known to be over is listed by every reconcile of the overlap and never asked about again."""
    lives = {f"i{number}": Life(f"i{number}", ends=20 + number, outcome=Phase.FAILED) for number in range(20)}
    source = ScriptedSource(lives)
    async with running_line(source, pace=NO_ATTENTION) as line:
        await anyio.sleep(900)
        assert len(outcomes(line)) == 20
    asked = [one.what for one in source.requests("inspect") if one.at >= lives[one.what].ends]
    assert sorted(asked) == sorted(lives)


async def test_a_listing_that_says_how_needs_no_question() -> None:
    """Where the listing of the ended tells success, no request is spent on it; a failure is asked for its reason."""
    source = ScriptedSource(says_how=True)
    for phase in (Phase.SUCCEEDED, Phase.FAILED):
        source.add(Life(phase.value, submitted=41, ends=43, outcome=phase))
    async with running_line(source) as line:
        await anyio.sleep(120)
        assert sorted(outcomes(line)) == [("failed", Phase.FAILED), ("succeeded", Phase.SUCCEEDED)]
    assert [one.what for one in source.requests("inspect")] == ["failed"]


async def test_a_second_end_that_nobody_saw_coming_is_found() -> None:
    """Restarted and failed again between two sweeps, under the same id: the listing of the ended tells a later end, so
    it is asked about, and alerts, once more; and no more than once."""

    class Restarting(ScriptedSource):
        async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
            seen = await super().inspect(key, want, priority)
            return replace(seen, restarts=True) if isinstance(seen, Seen) else seen

        def _listed(self, life: Life, at: float) -> Seen:
            return replace(super()._listed(life, at), restarts=True)

    life = Life("i", ends=97, outcome=Phase.FAILED)
    source = Restarting({"i": life}, says_how=True)
    async with running_line(source) as line:
        await anyio.sleep(3005)
        life.submitted, life.ends = 3001, 3004
        await anyio.sleep(900)
        assert outcomes(line) == [("i", Phase.FAILED)] * 2
        assert [event.attempt for event in line.events(PhaseChanged) if event.after is Phase.FAILED] == [1, 2]
    assert len([one for one in source.requests("inspect") if one.at > 3000]) == 1


async def test_history_is_left_alone() -> None:
    """What ended long before the first start is not discovered, whatever the listing says of it."""
    source = ScriptedSource({"old": Life("old", submitted=0, ends=10), "new": Life("new", submitted=3600, ends=3605)})
    await anyio.sleep(3610)
    async with running_line(source, pace=Pace(look_back=timedelta(minutes=1), overlap=timedelta(minutes=1))) as line:
        await anyio.sleep(60)
        assert [event.key.id for event in line.events(Discovered)] == ["new"]


async def test_what_ended_while_the_daemon_was_down_is_found() -> None:
    """After a night without the daemon: what was running is asked about, and what came and went meanwhile is found."""
    source = ScriptedSource({"long": Life("long", ends=4000, outcome=Phase.FAILED)})
    storage = MemoryStorage()
    async with running_line(source, storage=storage):
        await anyio.sleep(600)
    source.add(Life("night", submitted=9000, ends=9002, outcome=Phase.FAILED))
    await anyio.sleep(36_000)
    restarted = ScriptedSource(source.lives)
    async with running_line(restarted, storage=_reopened(storage)) as line:
        await anyio.sleep(60)
        assert sorted(outcomes(line)) == [("long", Phase.FAILED), ("night", Phase.FAILED)]


async def test_the_checkpoint_waits_for_every_lead() -> None:
    """Reconciled is told up to a listing only when each of its leads is answered; one stubborn lead holds it back, but
    not the others, and not the listings after it."""

    async def stubborn(operation: str, what: str) -> None:
        if operation == "inspect" and what == "stubborn" and anyio.current_time() < 1000:
            raise UNREACHABLE

    ids = ("stubborn", "a", "b", "c")
    source = ScriptedSource({name: Life(name, submitted=101, ends=104) for name in ids}, trouble=stubborn)
    async with running_line(source) as line:
        await anyio.sleep(100)
        before = max(got.upto for _, got in line.saw(Reconciled))
        await anyio.sleep(880)
        assert sorted(outcomes(line)) == [(name, Phase.SUCCEEDED) for name in ("a", "b", "c")]
        held = max(got.upto for _, got in line.saw(Reconciled))
        assert held - before < timedelta(seconds=35)
        assert held < moment(104)
        await anyio.sleep(600)
        assert ("stubborn", Phase.SUCCEEDED) in outcomes(line)
        at, newest = line.saw(Reconciled)[-1]
        assert newest.upto > moment(at - 45)
        assert [got.upto for _, got in line.saw(Reconciled)] == sorted({got.upto for _, got in line.saw(Reconciled)})


async def test_one_stubborn_lead_does_not_make_listings_longer() -> None:
    """While a lead is open, the listing goes on from where the last one ended, not from the checkpoint."""
    asked_since: list[tuple[float, datetime]] = []

    class Listing(ScriptedSource):
        def ended(self, project: str, since: datetime) -> AsyncIterator[Page]:
            asked_since.append((anyio.current_time(), since))
            return super().ended(project, since)

    async def stubborn(operation: str, _what: str) -> None:
        if operation == "inspect":
            raise UNREACHABLE

    source = Listing({"stubborn": Life("stubborn", submitted=41, ends=43)}, trouble=stubborn)
    async with running_line(source):
        await anyio.sleep(3600)
    at, last = asked_since[-1]
    assert moment(at) - last < Pace().overlap + timedelta(minutes=2)


async def test_nothing_is_missed_while_only_sweeps_fail() -> None:
    """Sweeps fail for an hour, reconciles do not: an instance that lived twenty minutes of it is found, for what was
    submitted since the last sweep is listed again."""

    async def no_sweeps(operation: str, _what: str) -> None:
        if operation == "sweep" and 600 < anyio.current_time() < 4200:
            raise UNREACHABLE

    source = ScriptedSource({"i": Life("i", submitted=700, ends=1900, outcome=Phase.FAILED)}, trouble=no_sweeps)
    async with running_line(source) as line:
        await anyio.sleep(2000)
        assert outcomes(line) == [("i", Phase.FAILED)]
        assert max(got.upto for _, got in line.saw(Reconciled)) <= moment(600)
        await anyio.sleep(3000)
        assert max(got.upto for _, got in line.saw(Reconciled)) > moment(4800)


async def test_a_failing_sweep_is_told_and_backs_off() -> None:
    """Each failure is an observation; the gaps between tries grow from one interval to a minute."""

    async def down(_operation: str, _what: str) -> None:
        raise UNREACHABLE

    source = ScriptedSource(trouble=down)
    async with running_line(source, chance=lambda: 1.0) as line:
        await anyio.sleep(3600)
        assert {(got.project, got.reason) for _, got in line.saw(Failed)} == {("p", "unreachable")}
    gaps = [after.at - before.at for before, after in pairwise(source.requests("sweep"))]
    assert gaps[:3] == pytest.approx([10, 20, 40])
    assert gaps[3:] == pytest.approx([60] * len(gaps[3:]))


@pytest.mark.parametrize(("wish", "waited"), [(120.0, 120.0), (1e7, 3600.0)])
async def test_the_service_may_name_the_time(wish: float, waited: float) -> None:
    """`retry_after` is honoured where it is longer than the back-off, up to an hour."""

    async def throttled(operation: str, _what: str) -> None:
        if operation == "sweep" and anyio.current_time() < 5:
            raise SourceError(Reason.THROTTLED, "slower", retry_after=wish)

    source = ScriptedSource(trouble=throttled)
    async with running_line(source):
        await anyio.sleep(4000)
    first, second, *_ = source.requests("sweep")
    assert second.at - first.at == pytest.approx(waited)


async def test_recovery_reconciles_at_once() -> None:
    """After an outage the first sweep that works is followed by a reconcile, and what came and went is told."""

    async def outage(operation: str, _what: str) -> None:
        if operation != "inspect" and 100 < anyio.current_time() < 1000:
            raise UNREACHABLE

    source = ScriptedSource({"i": Life("i", submitted=500, ends=510, outcome=Phase.FAILED)}, trouble=outage)
    async with running_line(source) as line:
        await anyio.sleep(1400)
        back = next(at for at, _ in line.saw(Swept) if at > 1000)
        ended = next(one.at for one in source.requests("ended") if one.at > 1000)
        assert ended == pytest.approx(back, abs=0.1)
        assert outcomes(line) == [("i", Phase.FAILED)]
        assert [event.up for event in line.events(SourceChanged)] == [False, True]


async def test_recovery_is_noticed_within_a_minute() -> None:
    """However long everything was away: a minute later it is known again, and seconds after that how each ended that
    was asked about in vain all the time."""
    back = 5000.0

    async def outage(_operation: str, _what: str) -> None:
        if 100 < anyio.current_time() < back:
            raise UNREACHABLE

    async def nothing_about_single_ones(operation: str, what: str) -> None:
        if operation == "inspect" and 20 < anyio.current_time() < 100:
            raise UNREACHABLE
        await outage(operation, what)

    lives = {f"i{number}": Life(f"i{number}", ends=50, outcome=Phase.FAILED) for number in range(20)}
    lives["later"] = Life("later", ends=3000, outcome=Phase.FAILED)
    source = ScriptedSource(lives, trouble=nothing_about_single_ones)
    async with running_line(source, chance=lambda: 1.0, pace=NO_ATTENTION) as line:
        await anyio.sleep(back - 1)
        assert outcomes(line) == []
        await anyio.sleep(61)
        assert [event.up for event in line.events(SourceChanged)] == [False, True]
        await anyio.sleep(5)
        assert sorted(outcomes(line)) == sorted((name, Phase.FAILED) for name in lives)


async def test_a_bug_in_the_driver_stops_nobody() -> None:
    """A driver that raises something else fails that poll alone: told once in the log, tried again, others go on."""

    async def bug(operation: str, what: str) -> None:
        if operation == "sweep" and what == "broken":
            raise KeyError("Status")

    source = ScriptedSource({"i": Life("i")}, projects=("broken", "p"), trouble=bug)
    with capture_logs() as logs:
        async with running_line(source) as line:
            await anyio.sleep(1800)
            assert line.board.counts()["s", "p", Phase.RUNNING] == 1
            assert {got.reason for _, got in line.saw(Failed)} == {"crashed"}
            assert len(line.saw(Failed)) > 5
    told = [entry for entry in logs if entry["event"] == "source_crashed"]
    assert [entry["error"] for entry in told] == ["KeyError('Status')"]


async def test_hanging_inspections_delay_no_sweep() -> None:
    """Every inspection hangs, more of them than workers: sweeps and reconciles keep their time."""

    async def hang(operation: str, _what: str) -> None:
        if operation == "inspect":
            await anyio.sleep_forever()

    source = ScriptedSource({f"i{number}": Life(f"i{number}") for number in range(50)}, trouble=hang)
    async with running_line(source):
        await anyio.sleep(601)
    assert len(source.requests("sweep")) == 61
    assert len(source.requests("ended")) == 21
    assert len(source.requests("inspect")) == Pace().concurrency - 1


async def test_long_reconciles_delay_no_sweep() -> None:
    """Listings of the ended that take minutes, in more projects than workers, leave the sweeps their own."""

    async def slow(operation: str, _what: str) -> None:
        if operation == "ended":
            await anyio.sleep(240)

    source = ScriptedSource(projects=("a", "b", "c", "d", "e", "f"), trouble=slow)
    async with running_line(source):
        await anyio.sleep(601)
    assert len(source.requests("sweep", "f")) >= 60


async def test_without_discovery_only_registered_keys_are_followed() -> None:
    """`discover: false`: of a hundred live and ended instances only the registered one is tracked, to its end."""
    lives = {f"i{number}": Life(f"i{number}", ends=200, outcome=Phase.FAILED) for number in range(100)}
    source = ScriptedSource(lives, discovery=False)
    async with running_line(source, pace=NO_ATTENTION) as line:
        await anyio.sleep(50)
        assert len(line.board) == 0
        assert await line.control.register(key("i7")) is not None
        await anyio.sleep(600)
        assert outcomes(line) == [("i7", Phase.FAILED)]
        assert len(line.board) == 1
    assert {one.what for one in source.requests("inspect")} == {"i7"}


async def test_a_lingering_entry_is_no_contradiction() -> None:
    """A listing that shows an instance as running for some seconds after its end changes nothing."""

    class Lingering(ScriptedSource):
        def _known(self, project: str, at: float) -> list[Life]:
            known = super()._known(project, at)
            if anyio.current_time() < 125:
                self._reported.clear()  # every entry is told again
                return [Life("i") for _ in known]
            return known

    source = Lingering({"i": Life("i", ends=100)})
    async with running_line(source) as line:
        await anyio.sleep(98)
        with line.attention.on(key("i")):
            await anyio.sleep(200)
        assert outcomes(line) == [("i", Phase.SUCCEEDED)]
        assert line.events(Contradicted) == []


async def test_a_listing_that_fails_for_long_is_told_once() -> None:
    """Nobody is told by an alert that reconciles fail: the log says so once, and once that it is over."""

    async def no_reconciles(operation: str, _what: str) -> None:
        if operation == "ended" and anyio.current_time() < 3600:
            raise SourceError(Reason.FORBIDDEN, "odps:List is missing")

    source = ScriptedSource(trouble=no_reconciles)
    with capture_logs() as logs:
        async with running_line(source):
            await anyio.sleep(7200)
    told = [(entry["event"], entry.get("reason")) for entry in logs if entry["event"].startswith("reconcile")]
    assert told == [("reconcile_failing", "forbidden"), ("reconcile_recovered", None)]


async def test_a_hundred_pollers_stop_at_once() -> None:
    """Cancelling ends a poller in the middle of requests, and nothing of it is left behind."""

    async def slow(_operation: str, _what: str) -> None:
        await anyio.sleep(100)

    source = ScriptedSource({f"i{number}": Life(f"i{number}") for number in range(100)}, trouble=slow)
    async with running_line(source):
        await anyio.sleep(150)
        began = anyio.current_time()
    assert anyio.current_time() == began


def _reopened(storage: MemoryStorage) -> MemoryStorage:
    """The same contents in a store that is not sealed: what a restart finds."""
    again = MemoryStorage()
    for field in ("_tracks", "_alerts", "_outbox", "_waiting", "_leases", "_checkpoints", "_last_seq", "_deliveries"):
        setattr(again, field, getattr(storage, field))
    return again
