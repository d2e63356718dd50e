"""What people ask for, on a running line."""

import anyio
import pytest

from monitor.core.alerting import Trigger
from monitor.core.model import Phase
from monitor.engine.control import JOBS, Control, StoppingError, UnclearTargetError, UnknownSourceError
from monitor.sources.base import Reason, SourceError
from monitor.storage.base import AlertQuery
from tests.engine.line import running_line
from tests.engine.scripted import Life, ScriptedNotifier, ScriptedSource, key, moment, rules

pytestmark = pytest.mark.anyio


async def test_registering_tracks_from_now_on() -> None:
    """The answer of the service goes through the line like any other, to the board."""
    source = ScriptedSource({"i": Life("i")}, discovery=False)
    async with running_line(source) as line:
        seen = await line.control.register(key("i"))
        assert seen is not None
        await anyio.sleep(0.1)
        track = line.board.get(key("i"))
        assert track is not None
        assert track.phase is Phase.RUNNING
        assert track.tasks[0].stages


async def test_registering_what_the_service_does_not_know() -> None:
    """None is the answer, and nothing is tracked."""
    async with running_line(ScriptedSource()) as line:
        assert await line.control.register(key("nothing")) is None
        await anyio.sleep(60)
        assert len(line.board) == 0


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (key("i", source="other"), "no source is named 'other'; configured: s"),
        (key("i", project="other"), "'s' does not watch project 'other'; configured: p, q"),
    ],
)
async def test_registering_where_nobody_looks(wanted: object, says: str) -> None:
    """A source or project that is not configured is refused, in words that name what is."""
    async with running_line(ScriptedSource({"i": Life("i")}, projects=("p", "q"))) as line:
        with pytest.raises(UnknownSourceError, match=says):
            await line.control.register(wanted)


async def test_stopping_is_seen_at_once() -> None:
    """The end is on the board without waiting for a sweep."""
    source = ScriptedSource({"i": Life("i")})
    async with running_line(source) as line:
        await anyio.sleep(5)
        await line.control.stop(key("i"))
        await anyio.sleep(0.1)
        assert line.board.counts()["s", "p", Phase.CANCELLED] == 1
        with pytest.raises(SourceError, match="has already ended"):
            await line.control.stop(key("i"))


async def test_a_stop_that_was_granted_is_no_failure() -> None:
    """The look after the stop fails: the wish was granted all the same, and the next sweeps tell the end."""

    async def no_look(operation: str, _what: str) -> None:
        if operation == "inspect" and 5 <= anyio.current_time() < 8:
            raise SourceError(Reason.TIMEOUT, "no answer")

    source = ScriptedSource({"i": Life("i")}, trouble=no_look)
    async with running_line(source) as line:
        await anyio.sleep(5)
        await line.control.stop(key("i"))
        await anyio.sleep(30)
        assert line.board.counts()["s", "p", Phase.CANCELLED] == 1


async def test_a_restart_is_seen_at_once() -> None:
    """The new attempt is on the board without waiting for a sweep; what runs is not restarted."""
    source = ScriptedSource({"i": Life("i", ends=4, outcome=Phase.FAILED)}, restarts=True)
    async with running_line(source) as line:
        await anyio.sleep(15)
        assert await line.control.restart(key("i"))
        await anyio.sleep(0.1)
        track = line.board.get(key("i"))
        assert track is not None
        assert (track.phase, track.attempt) == (Phase.WAITING, 2)
        with pytest.raises(SourceError, match="neither failed nor been stopped"):
            await line.control.restart(key("i"))


async def test_a_restart_that_was_granted_is_no_failure() -> None:
    """The look after it fails: that is told, and the next sweep tells the new attempt."""

    async def no_look(operation: str, _what: str) -> None:
        if operation == "inspect" and 15 <= anyio.current_time() < 16:
            raise SourceError(Reason.TIMEOUT, "no answer")

    source = ScriptedSource({"i": Life("i", ends=4, outcome=Phase.FAILED)}, restarts=True, trouble=no_look)
    async with running_line(source) as line:
        await anyio.sleep(15)
        assert not await line.control.restart(key("i"))
    assert source.restarted == ["i"]


async def test_a_submitted_job_is_tracked() -> None:
    """Also where nothing is tracked that nobody registered; the one source that takes jobs need not be named."""
    jobs = ScriptedSource(name="jobs", kind=JOBS, discovery=False)
    async with running_line(ScriptedSource(), jobs) as line:
        submitted = await line.control.submit({"Name": "render"}, token="t1")
        assert submitted == key("job-t1", source="jobs")
        await anyio.sleep(0.1)
        assert line.board.get(submitted) is not None
        assert await line.control.submit({"Name": "render"}, source="jobs", project="p", token="t1") == submitted
        await anyio.sleep(0.1)
        assert len(line.board) == 1
    assert jobs.submitted == {"t1": {"Name": "render"}}


@pytest.mark.parametrize("forgetful", [True, False])
async def test_a_submitted_job_is_tracked_though_the_look_fails(forgetful: bool) -> None:
    """The service has taken it: it may not answer now, or not know its own job yet, but the job is not lost."""

    async def no_look(operation: str, _what: str) -> None:
        if operation == "inspect" and anyio.current_time() < 2:
            if not forgetful:
                raise SourceError(Reason.TIMEOUT, "no answer")
            source.lives["job-t1"].submitted = 2

    source = ScriptedSource(kind=JOBS, discovery=False, trouble=no_look)
    async with running_line(source) as line:
        submitted = await line.control.submit({}, token="t1")
        await anyio.sleep(0.1)
        track = line.board.get(submitted)
        assert track is not None
        assert track.phase is Phase.WAITING
        await anyio.sleep(30)
        assert line.board.counts()["s", "p", Phase.RUNNING] == 1


@pytest.mark.parametrize(
    ("sources", "where", "says"),
    [
        ([ScriptedSource()], {}, f"no source takes jobs: configure one of type {JOBS}; configured: s"),
        (
            [ScriptedSource(name="a", kind=JOBS), ScriptedSource(name="b", kind=JOBS), ScriptedSource()],
            {},
            "several sources take jobs: name one of a, b",
        ),
        ([ScriptedSource(kind=JOBS, projects=("p", "q"))], {}, "'s' has several projects: name one of p, q"),
        ([ScriptedSource()], {"source": "x"}, "no source is named 'x'; configured: s"),
        ([ScriptedSource()], {"source": "s", "project": "x"}, "'s' does not watch project 'x'; configured: p"),
    ],
)
async def test_where_a_job_goes_to_must_be_clear(
    sources: list[ScriptedSource], where: dict[str, str], says: str
) -> None:
    """A choice is never made for somebody; the possible ones are named."""
    async with running_line(*sources) as line:
        with pytest.raises((UnclearTargetError, UnknownSourceError)) as caught:
            await line.control.submit({}, **where)
    assert str(caught.value) == says
    assert not any(source.submitted for source in sources)


async def test_what_only_the_service_can_tell() -> None:
    """Results and addresses come from the source that the key names."""
    async with running_line(ScriptedSource({"i": Life("i")})) as line:
        assert await line.control.results(key("i")) == {"t": "result of i"}
        assert await line.control.logview(key("i"), 3) == "http://logview.test/?i=i&h=3"
        with pytest.raises(UnknownSourceError):
            await line.control.results(key("i", source="other"))


async def test_taking_charge_of_an_alert() -> None:
    """The first who acknowledges is noted, with the time; an unknown alert is None."""
    source = ScriptedSource({"i": Life("i", ends=5, outcome=Phase.FAILED)})
    async with running_line(source, channels=[ScriptedNotifier()], rules=rules(Trigger.FAILED)) as line:
        await anyio.sleep(20)
        (record,) = await line.storage.alerts(AlertQuery())
        taken = await line.control.acknowledge(record.alert.id, "night shift")
        assert taken is not None
        assert taken.acknowledged is not None
        assert (taken.acknowledged.by, taken.acknowledged.at) == ("night shift", moment(20))
        assert await line.control.acknowledge("no such alert", "night shift") is None


async def test_a_wish_that_comes_while_stopping_is_refused() -> None:
    """Nothing is asked of the service that could not be noted: the person is told to come back."""
    source = ScriptedSource({"i": Life("i")})
    async with running_line(source) as line:
        await anyio.sleep(5)
    asked = len(source.asked)
    with pytest.raises(StoppingError, match="ask again when it is back"):
        await line.control.register(key("i"))
    with pytest.raises(StoppingError, match="ask again when it is back"):
        await line.control.stop(key("i"))
    with pytest.raises(StoppingError, match="ask again when it is back"):
        await line.control.restart(key("i"))
    with pytest.raises(StoppingError, match="ask again when it is back"):
        await line.control.submit({}, source="s")
    assert (len(source.asked), source.stopped) == (asked, [])


async def test_a_stop_that_the_daemon_overtakes_was_granted() -> None:
    """The daemon stops between the service's yes and the look that follows it: that is no failure of the wish, while
    an answer about what was to be registered is lost, and said to be; of what was submitted the key is told."""
    source = ScriptedSource({"i": Life("i"), "j": Life("j")}, discovery=False)
    gate = anyio.Event()

    async def hold(operation: str, _what: str) -> None:
        if operation == "inspect":
            await gate.wait()

    refused = []

    async def submit(control: Control) -> None:
        try:
            await control.submit({}, source="s", token="t1")
        except StoppingError as error:
            refused.append(str(error))

    async def register(control: Control) -> None:
        try:
            await control.register(key("j"))
        except StoppingError as error:
            refused.append(str(error))

    async with anyio.create_task_group() as people:
        async with running_line(source) as line:
            await anyio.sleep(1)
            source.trouble = hold
            people.start_soon(line.control.stop, key("i"))
            people.start_soon(register, line.control)
            people.start_soon(submit, line.control)
            await anyio.sleep(1)
        gate.set()
    assert source.stopped == ["i"]
    assert sorted(refused) == [
        "s/p/job-t1 was submitted, but the daemon stops: register it when it is back",
        "the daemon is stopping: ask again when it is back",
    ]
