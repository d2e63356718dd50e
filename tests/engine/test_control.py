"""What people ask for, on a running line."""

import anyio
import pytest

from monitor.core.alerting import Trigger
from monitor.core.model import Phase
from monitor.engine.control import Control, StoppingError, UnknownSourceError
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
    assert (len(source.asked), source.stopped) == (asked, [])


async def test_a_stop_that_the_daemon_overtakes_was_granted() -> None:
    """The daemon stops between the service's yes and the look that follows it: that is no failure of the wish, while
    an answer about what was to be registered is lost, and said to be."""
    source = ScriptedSource({"i": Life("i"), "j": Life("j")}, discovery=False)
    gate = anyio.Event()

    async def hold(operation: str, _what: str) -> None:
        if operation == "inspect":
            await gate.wait()

    refused = []

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
            await anyio.sleep(1)
        gate.set()
    assert source.stopped == ["i"]
    assert len(refused) == 1
