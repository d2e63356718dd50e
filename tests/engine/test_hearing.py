"""What is heard of instances that nobody can be asked about, on a running line."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import anyio
import pytest

from monitor.core.alerting import Trigger
from monitor.core.events import AlertFired, AnyEvent, Contradicted, Discovered, Lost, StageFinished, VerdictChanged
from monitor.core.model import Phase, Track, Verdict
from monitor.core.tracker import Policy
from monitor.core.verdicts import Limits
from monitor.engine.board import Board
from monitor.engine.control import StoppingError, UnclearTargetError, UnknownSourceError
from monitor.engine.hearing import AskedSourceError, Hearing, NotKeptError
from monitor.sources.base import NotOfferedError
from monitor.sources.ingest import IngestSection, LineIntake
from monitor.storage.base import AlertQuery, Batch
from monitor.storage.memory import MemoryStorage
from tests.engine.line import Line, running_line
from tests.engine.scripted import ScriptedSource, key, moment, rules

pytestmark = pytest.mark.anyio

ID = "20160519101349613gzbzufck2"
SESSION = (f"ID = {ID}", "M1_Stg1_job0:1/0/2[0%]", "M1_Stg1_job0:0/2/2[100%]", "FAILED: ODPS-0123131:made up")


def intake(name: str = "private", *projects: str, silent_after: str = "1h") -> LineIntake:
    section = {"type": "ingest", "name": name, "projects": projects or ("p1",), "silent_after": silent_after}
    return LineIntake(IngestSection.model_validate(section))


def shown(line: Line, instance: str = ID) -> Track:
    track = line.board.get(key(instance, "p1", "private"))
    assert track is not None
    return track


async def test_what_was_taken_is_on_the_board_and_kept() -> None:
    """The call returns when that is so: whoever sent the lines may forget them."""
    storage = MemoryStorage()
    async with running_line(intakes=[intake()], storage=storage) as line:
        heard = await line.hearing.take(SESSION[:3], source="private")
        assert (heard.key, heard.telling) == (key(ID, "p1", "private"), 3)
        track = shown(line)
        assert (track.phase, track.kind, track.progress) == (Phase.RUNNING, "maxcompute", 1.0)
        assert [track.key for track in await storage.load()] == [heard.key]
        assert await line.hearing.take(["nothing to see", ""]) == await line.hearing.take([])
        for _ in range(3):  # the clock stands, and nothing changes but the age
            await line.hearing.take(["M1_Stg1_job0:0/2/2[100%]"], instance=ID)
        assert shown(line).observed_at > moment(anyio.current_time())


async def test_lines_that_come_twice_alert_once() -> None:
    """Also over a restart of the daemon between the two, and much later: nothing new follows from them."""
    told: list[type[AnyEvent]] = []
    tracks: Sequence[Track] = ()
    for _ in range(2):
        storage = MemoryStorage()
        await storage.commit(Batch(save=tuple(tracks), tracks=tuple(tracks)))
        async with running_line(intakes=[intake()], storage=storage, rules=rules(Trigger.FAILED)) as line:
            for size in (2, 2, 4, 4):
                await line.hearing.take(SESSION[:size])
                await anyio.sleep(100)
            told += (type(record.event) for record in line.records)
        tracks = await storage.load()
        assert [(track.phase, track.attempt) for track in tracks] == [(Phase.FAILED, 1)]
    assert told.count(AlertFired) == told.count(StageFinished) == told.count(Discovered) == 1


async def test_after_the_end_only_another_end_says_something() -> None:
    """Lines that trickle in behind it are passed over; OK after FAILED contradicts it, once."""
    async with running_line(intakes=[intake()]) as line:
        await line.hearing.take(SESSION)
        await anyio.sleep(1000)
        for _ in range(3):
            await line.hearing.take(["M1:1/0/2[0%]", "OK", "FAILED: again"], instance=ID)
        assert shown(line).phase is Phase.FAILED
        assert len(line.events(Contradicted)) == 1
        assert (await line.hearing.take(["OK"], instance=ID)).ended == {shown(line).key}
        assert (await line.hearing.take(["OK"], instance="another")).ended == frozenset()


async def test_silence_is_the_end() -> None:
    """An hour after its last line it is lost, told with the time of that line; its next word brings it back."""
    async with running_line(intakes=[intake()], rules=rules(Trigger.LOST)) as line:
        await line.hearing.take(SESSION[:2])
        await anyio.sleep(1800)
        await line.hearing.take(SESSION[1:2], instance=ID)
        await anyio.sleep(3590)
        assert shown(line).phase is Phase.RUNNING
        await anyio.sleep(30)
        assert shown(line).phase is Phase.LOST
        assert shown(line).observed_at == moment(1800)
        assert [event.why for event in line.events(Lost)] == ["nothing was heard of it since 2026-01-01 00:30:00 UTC"]
        (record,) = await line.storage.alerts(AlertQuery())
        assert record.alert.annotations["summary"] == f"{ID} in p1 is silent"
        await line.hearing.take(["OK"], instance=ID)
        assert shown(line).phase is Phase.SUCCEEDED
        await anyio.sleep(4000)
        assert len(line.events(Lost)) == 1


async def test_nobody_is_heard_while_there_is_no_daemon() -> None:
    """After a restart silence counts from the start: whoever goes on sending must not be given up meanwhile."""
    storage = MemoryStorage()
    old = Track(
        key=key(ID, "p1", "private"),
        kind="maxcompute",
        phase=Phase.RUNNING,
        discovered_at=moment(-9000),
        observed_at=moment(-9000),
    )
    await storage.commit(Batch(save=(old,), tracks=(old,)))
    async with running_line(intakes=[intake(silent_after="100s")], storage=storage) as line:
        await anyio.sleep(95)
        assert shown(line).phase is Phase.RUNNING
        await anyio.sleep(20)
        assert shown(line).phase is Phase.LOST


async def test_verdicts_are_passed_on_what_is_only_heard_of() -> None:
    """Though nobody sweeps its project: lines that come and tell of no progress are a stall."""
    policy = Policy(limits=Limits(stalled=timedelta(minutes=5), queued=None, straggling=None, late=None))
    async with running_line(intakes=[intake()], policy=policy) as line:
        for _ in range(15):
            await line.hearing.take(SESSION[:2])
            await anyio.sleep(30)
        assert [event.verdict for event in line.events(VerdictChanged)] == [Verdict.STALLED]
        assert len(line.events(Discovered)) == 1


async def test_a_large_batch_is_read_aside() -> None:
    """Hundreds of kilobytes do not hold up the loop, and tell what they tell."""
    async with running_line(intakes=[intake()]) as line:
        heard = await line.hearing.take(["x" * 100_000, *SESSION, "M1:0/1/2 " * 5_000])
        assert heard.telling == 5
        assert shown(line).phase is Phase.FAILED


async def test_where_lines_cannot_go() -> None:
    """The message names the sources and projects that take lines."""
    async with running_line(ScriptedSource(), intakes=[intake("a", "p1"), intake("b", "p1", "p2")]) as line:
        take = line.hearing.take
        with pytest.raises(UnknownSourceError, match="no source is named 'c'; those that take lines: a, b"):
            await take(SESSION, source="c")
        with pytest.raises(AskedSourceError, match=r"asks the service of 's' itself.*those that take lines: a, b"):
            await take(SESSION, source="s")
        with pytest.raises(UnclearTargetError, match=r"name the source.*: a, b"):
            await take(SESSION)
        with pytest.raises(UnclearTargetError, match="'b' has several projects: name one of p1, p2"):
            await take(SESSION, source="b")
        with pytest.raises(UnknownSourceError, match="'a' has no project 'p2'; configured: p1"):
            await take(SESSION, source="a", project="p2")
    async with running_line(ScriptedSource()) as line:
        with pytest.raises(AskedSourceError, match="type: ingest"):
            await line.hearing.take(SESSION, source="s")


async def test_what_only_a_service_can_do_is_refused() -> None:
    """Nobody can be asked to stop it, or for its results."""
    async with running_line(ScriptedSource(), intakes=[intake()]) as line:
        await line.hearing.take(SESSION[:2])
        for ask in (line.control.stop, line.control.restart, line.control.results, line.control.register):
            with pytest.raises(NotOfferedError, match="'private' only hears what `stagewatch ingest` sends"):
                await ask(key(ID, "p1", "private"))


async def test_what_cannot_be_kept_is_not_taken() -> None:
    """A storage that hangs, and a daemon that stops: whoever sent the lines is told to send them again."""
    nobody, unread = anyio.create_memory_object_stream[Any](10)
    with unread:
        hearing = Hearing(intakes={"private": intake()}, asked=(), board=Board(), stream=nobody, now=lambda: moment(0))
        with pytest.raises(NotKeptError, match="within 10 s: send them again"):
            await hearing.take(SESSION)
        nobody.close()
        with pytest.raises(StoppingError, match="send the lines again when it is back"):
            await hearing.take(SESSION)
