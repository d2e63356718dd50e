"""Everybody who listens: one encoding for all, and an exact count of who is there."""

import asyncio
from collections.abc import Sequence

import pytest
import structlog.testing

from monitor.web.feed import Feed
from monitor.web.frames import Frame, Subscribe
from monitor.web.session import Session
from tests.web.desk import moved, open_desk, track
from tests.web.listener import until

pytestmark = pytest.mark.asyncio


class Tape:
    """A line that keeps what is written to it."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.codes: list[int] = []

    async def write(self, batch: Sequence[Frame]) -> None:
        self.frames += batch

    def hang_up(self, code: int, reason: str, grace: float) -> None:
        assert reason
        assert grace >= 0
        self.codes.append(code)


async def test_an_event_is_encoded_once_for_all() -> None:
    """Every listener is written the very same bytes."""
    async with open_desk() as desk, asyncio.TaskGroup() as group:
        feed, tapes = Feed(desk.parts), [Tape() for _ in range(3)]
        with feed.listening():
            sessions = [Session(desk.parts, tape) for tape in tapes]
            tasks = [group.create_task(session.run()) for session in sessions]
            for session in sessions:
                feed.join(session)
                session.subscribe(Subscribe("a"))
            assert desk.stats.clients == 3
            await until(lambda: all(len(tape.frames) == 2 for tape in tapes))
            new = track("i1")
            desk.happen(moved(None, new), tracks=(new,))
            await until(lambda: all(len(tape.frames) == 3 for tape in tapes))
            assert len({id(tape.frames[-1].body) for tape in tapes}) == 1
            for task in tasks:
                task.cancel()
            for session in sessions:
                feed.leave(session, "client")
        assert (desk.stats.clients, desk.stats.closed) == (0, {"client": 3})


async def test_a_bug_that_one_listener_brings_out_ends_that_one_alone() -> None:
    """It is cut off and told in the log, once; its neighbours hear of the same event, and of the next."""
    async with open_desk() as desk, asyncio.TaskGroup() as group:
        feed, tapes = Feed(desk.parts), [Tape() for _ in range(3)]
        sessions = [Session(desk.parts, tape) for tape in tapes]
        with feed.listening(), structlog.testing.capture_logs() as logs:
            tasks = [group.create_task(session.run()) for session in sessions]
            for session in sessions:
                feed.join(session)
                session.subscribe(Subscribe("a"))
            await until(lambda: all(len(tape.frames) == 2 for tape in tapes))
            sessions[1]._active = [None]  # type: ignore[list-item]
            for name in ("i1", "i2"):
                new = track(name)
                desk.happen(moved(None, new), tracks=(new,))
            await until(lambda: all(len(tape.frames) == 4 for tape in tapes[::2]))
            sessions[1]._active = []
            for task in tasks:
                task.cancel()
            for session in sessions:
                feed.leave(session, "client")
        assert (len(tapes[1].frames), tapes[1].codes) == (2, [1011])
        assert desk.stats.closed == {"client": 2, "crashed": 1}
        assert [one["event"] for one in logs] == ["feed_client_crashed"]


async def test_closing_tells_everybody_once() -> None:
    """Each listener is sent away with 1001, and leaves under that reason whatever its transport says."""
    async with open_desk() as desk:
        feed, tape = Feed(desk.parts), Tape()
        session = Session(desk.parts, tape)
        feed.join(session)
        feed.close()
        feed.close()
        assert tape.codes == [1001]
        feed.leave(session, "lost")
        assert desk.stats.closed == {"shutdown": 1}
