"""Waiting for ends, across everything that may happen to the daemon meanwhile."""

import asyncio
from contextlib import aclosing

import pytest

from monitor.client import Away, Back, ClientError, News, Outcome
from monitor.client.endings import KEYS_A_FRAME
from monitor.core.events import Removed
from monitor.core.model import Phase
from tests.client.test_feed import client, port, subscribed
from tests.web.desk import NOON, failed, key, moved, open_desk, track

KEY = "warehouse/analytics/a"


@pytest.mark.asyncio
async def test_over_already() -> None:
    """What has ended is told at once, whole, also by its bare id."""
    async with open_desk(failed("a")) as desk, client(int(desk.url.rsplit(":", 1)[1])) as daemon:
        outcome = await daemon.wait("a", timeout=10)
        assert desk.stats.clients == 0
    assert (outcome.key, outcome.phase, outcome.code, outcome.succeeded) == (KEY, Phase.FAILED, "ODPS-0130131", False)


@pytest.mark.asyncio
async def test_it_ends_meanwhile() -> None:
    """The end is told as it comes."""
    at, a = port(), track("a")
    async with open_desk(a, port=at) as desk, client(at) as daemon, asyncio.TaskGroup() as group:
        wait = group.create_task(daemon.wait("a", timeout=10))
        await subscribed(desk)
        done = track("a", Phase.SUCCEEDED, progress=1.0)
        desk.happen(moved(a, done), tracks=[done])
        outcome = await wait
    assert outcome.succeeded
    assert outcome.progress == 1.0


@pytest.mark.asyncio
async def test_many_each_as_it_ends() -> None:
    """In the order of their ends; one that is named twice ends once."""
    at, tracks = port(), {name: track(name) for name in "abc"}

    async def follow() -> list[Outcome]:
        return [outcome async for outcome in daemon.outcomes(["a", KEY, "b", "c"])]

    async with open_desk(*tracks.values(), port=at) as desk, client(at) as daemon, asyncio.TaskGroup() as group:
        following = group.create_task(follow())
        await subscribed(desk)
        for name, after in (("c", Phase.SUCCEEDED), ("a", Phase.CANCELLED), ("b", Phase.LOST)):
            new = track(name, after)
            desk.happen(moved(tracks[name], new), tracks=[new])
    assert [(one.key[-1], one.phase) for one in following.result()] == [
        ("c", "succeeded"),
        ("a", "cancelled"),
        ("b", "lost"),
    ]


@pytest.mark.asyncio
async def test_more_than_fit_a_frame() -> None:
    """Then everything is subscribed to, and only what is waited for is told."""
    at, tracks = port(), [track(f"i{number}") for number in range(KEYS_A_FRAME + 1)]
    async with open_desk(track("other"), *tracks, port=at) as desk, client(at) as daemon, asyncio.TaskGroup() as group:

        async def first() -> Outcome:
            async with aclosing(daemon.outcomes([str(one.key) for one in tracks])) as coming:
                return await anext(coming)

        wait = group.create_task(first())
        await subscribed(desk)
        for name in ("other", "i7"):
            new = track(name, Phase.SUCCEEDED)
            desk.happen(moved(track(name), new), tracks=[new])
        outcome = await wait
    assert outcome.key.endswith("/i7")


@pytest.mark.asyncio
@pytest.mark.parametrize("epoch", ["e1", "e2"])
async def test_it_ends_while_the_daemon_is_away(epoch: str) -> None:
    """Whether the daemon comes back with its events or with a new run: nothing is missed, and it is told meanwhile."""
    at, a = port(), track("a")
    heard: list[News] = []
    async with client(at) as daemon, asyncio.TaskGroup() as group:
        async with open_desk(a, port=at) as desk:
            wait = group.create_task(daemon.wait("a", timeout=20, status=heard.append))
            await subscribed(desk)
        async with open_desk(a if epoch == "e1" else failed("a"), port=at, epoch=epoch) as desk:
            if epoch == "e1":
                desk.happen(moved(a, failed("a")), tracks=[failed("a")])
            outcome = await wait
    assert outcome.phase is Phase.FAILED
    assert [type(one) for one in heard if isinstance(one, Away | Back)] == [Away, Back]


@pytest.mark.asyncio
async def test_a_daemon_that_kept_nothing() -> None:
    """Is asked to watch the instance again."""
    at, a = port(), track("a")
    async with client(at) as daemon, asyncio.TaskGroup() as group:
        async with open_desk(a, port=at) as desk:
            wait = group.create_task(daemon.wait(KEY, timeout=20))
            await subscribed(desk)
        async with open_desk(port=at, epoch="e2") as desk:
            desk.service.known = {"a": Phase.SUCCEEDED}
            outcome = await wait
    assert outcome.succeeded


@pytest.mark.asyncio
async def test_nobody_knows_it_any_more() -> None:
    """If neither the daemon nor the service knows it, that is an error, and no endless wait."""
    at, a = port(), track("a")
    async with open_desk(a, port=at) as desk, client(at) as daemon:

        async def wait() -> ClientError:
            with pytest.raises(ClientError, match="forgotten") as caught:
                await daemon.wait(KEY, timeout=20)
            return caught.value

        async with asyncio.TaskGroup() as group:
            waits = group.create_task(wait())
            await subscribed(desk)
            desk.happen(Removed(NOON, key("a")), remove=[key("a")])
    assert waits.result().code == "not_found"


@pytest.mark.asyncio
async def test_a_failures_text_comes_later() -> None:
    """It is waited for a moment, for a failure without its text helps nobody."""
    at, a, silent = port(), track("a"), track("a", Phase.FAILED)
    async with open_desk(a, port=at) as desk, client(at) as daemon, asyncio.TaskGroup() as group:
        wait = group.create_task(daemon.wait("a", timeout=20))
        await subscribed(desk)
        desk.happen(moved(a, silent), tracks=[silent])
        desk.happen(moved(silent, failed("a")), tracks=[failed("a")])
        outcome = await wait
    assert outcome.message == "Table not found"


@pytest.mark.asyncio
async def test_the_deadline() -> None:
    """Is a TimeoutError."""
    async with open_desk(track("a")) as desk, client(int(desk.url.rsplit(":", 1)[1])) as daemon:
        with pytest.raises(TimeoutError):
            await daemon.wait("a", timeout=0.05)


@pytest.mark.asyncio
async def test_an_unknown_key() -> None:
    """Is refused before anything is waited for."""
    async with open_desk(track("a")) as desk, client(int(desk.url.rsplit(":", 1)[1])) as daemon:
        with pytest.raises(ClientError) as caught:
            await daemon.wait("nothing")
    assert caught.value.code == "not_found"
