"""One try: an answer, a SourceError as it is, and a bug that is told without filling the log."""

import anyio
import pytest
from structlog.testing import capture_logs

from monitor.engine.trouble import TOLD_EVERY, Tries, Trouble
from monitor.sources.base import Reason, SourceError

pytestmark = pytest.mark.anyio


async def answer() -> str:
    await anyio.sleep(1)
    return "answer"


async def throttled() -> str:
    raise SourceError(Reason.THROTTLED, "slower", retry_after=7)


async def bug() -> str:
    raise KeyError("Status")


async def other_bug() -> str:
    raise KeyError("Progress")


async def test_an_answer_is_handed_on() -> None:
    """What the poll returns is what the try returns."""
    assert await Tries("s").make(answer()) == "answer"


async def test_a_source_error_keeps_its_reason() -> None:
    """Reason, words and the time that the service named."""
    assert await Tries("s").make(throttled()) == Trouble("throttled", "slower", 7)


async def test_a_bug_is_told_once_an_hour_for_each_place() -> None:
    """A thousand instances that trip over the same line of the driver are one traceback; another line is another."""
    tries = Tries("s")
    with capture_logs() as logs:
        for _ in range(1000):
            assert await tries.make(bug()) == Trouble("crashed", "KeyError in the driver: see the log")
        await tries.make(other_bug())
        assert [entry["error"] for entry in logs] == ["KeyError('Status')", "KeyError('Progress')"]
        await anyio.sleep(TOLD_EVERY)
        await tries.make(bug())
    assert len(logs) == 3
    assert {entry["source"] for entry in logs} == {"s"}


async def test_cancelling_is_no_trouble() -> None:
    """A try that is cancelled ends as cancelled."""
    with anyio.move_on_after(0.5) as scope:
        await Tries("s").make(answer())
    assert scope.cancelled_caught
