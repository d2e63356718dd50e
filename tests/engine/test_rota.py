"""Turns, waiting and rests, without any service."""

from datetime import timedelta

import anyio
import pytest

from monitor.engine.rota import Rota
from monitor.sources.base import Priority

pytestmark = pytest.mark.anyio


def new() -> Rota[str]:
    return Rota(first=timedelta(seconds=2), chance=lambda: 1.0)


async def test_the_urgent_goes_first_among_what_is_due() -> None:
    """Priority decides between polls that are due; one that is not due waits, however urgent."""
    rota = new()
    rota.ask("later", Priority.SWEEP, after=5)
    rota.ask("planned", Priority.ATTENTION)
    rota.ask("outcome", Priority.OUTCOME)
    assert [(await rota.next())[0] for _ in range(3)] == ["outcome", "planned", "later"]
    assert anyio.current_time() == 5


async def test_a_waiting_worker_hears_of_something_sooner() -> None:
    """A worker that waits for a far poll takes a nearer one that is asked for meanwhile, at its time."""
    rota = new()
    rota.ask("far", Priority.SWEEP, after=100)
    got: list[tuple[float, str]] = []

    async def work() -> None:
        for _ in range(2):
            poll, _ = await rota.next()
            got.append((anyio.current_time(), poll))

    async with anyio.create_task_group() as workers:
        workers.start_soon(work)
        await anyio.sleep(10)
        rota.ask("near", Priority.ATTENTION, after=3)
    assert got == [(13, "near"), (100, "far")]


async def test_every_poll_goes_to_one_worker() -> None:
    """A hundred polls at the same moment, eight workers: each is taken once, at once."""
    rota = new()
    taken: list[str] = []

    async def work() -> None:
        while True:
            taken.append((await rota.next())[0])

    async with anyio.create_task_group() as workers:
        for _ in range(8):
            workers.start_soon(work)
        await anyio.sleep(1)
        for number in range(100):
            rota.ask(f"{number}", Priority.OUTCOME)
        await anyio.sleep(1)
        workers.cancel_scope.cancel()
    assert sorted(taken, key=int) == [f"{number}" for number in range(100)]


async def test_what_failed_rests_whoever_asks() -> None:
    """The rest doubles with each failure; asking meanwhile changes nothing, unless the rest is waived."""
    rota = new()
    assert rota.failed("poll").failures == 1
    assert rota.failed("poll").failures == 2
    rota.ask("poll", Priority.OUTCOME)
    rota.ask("poll", Priority.OUTCOME, after=1)
    assert rota.rests("poll")
    await rota.next()
    assert anyio.current_time() == 4
    assert not rota.rests("poll")
    rota.failed("poll")
    rota.ask("poll", Priority.WATCHED, rested=False)
    await rota.next()
    assert anyio.current_time() == 4


async def test_the_service_may_ask_for_a_longer_rest() -> None:
    """`retry_after` counts where it is longer than the back-off."""
    rota = new()
    rota.failed("short", retry_after=1)
    rota.failed("long", retry_after=60)
    rota.ask("long", Priority.SWEEP)
    rota.ask("short", Priority.OUTCOME)
    assert (await rota.next())[0] == "short"
    assert anyio.current_time() == 2
    assert (await rota.next())[0] == "long"
    assert anyio.current_time() == 60


async def test_success_ends_the_row() -> None:
    """An answer tells since when and how often it had failed, and the next failure is a first one again."""
    rota = new()
    await anyio.sleep(7)
    rota.failed("poll")
    rota.failed("poll")
    setback = rota.succeeded("poll")
    assert setback is not None
    assert (setback.since, setback.failures) == (7, 2)
    assert rota.succeeded("poll") is None
    assert rota.failed_ago("poll") is None
    assert rota.failed("poll").failures == 1
    await anyio.sleep(3)
    assert rota.failed_ago("poll") == 3


async def test_failures_that_do_not_matter_are_forgotten() -> None:
    """What is asked for, or matters, keeps its failures; the rest is forgotten."""
    rota = new()
    for poll in ("asked", "matters", "neither"):
        rota.failed(poll)
    rota.ask("asked", Priority.OUTCOME)
    rota.forgive(lambda poll: poll == "matters")
    assert [rota.failed_ago(poll) for poll in ("asked", "matters", "neither")] == [0, 0, None]


async def test_what_it_failed_on_may_be_over() -> None:
    """Polls that matter are due at once, and keep their priority; the others go on resting."""
    rota = new()
    for poll in ("mine", "urgent", "other"):
        rota.failed(poll)
    rota.failed("unasked")
    rota.ask("mine", Priority.WATCHED)
    rota.ask("urgent", Priority.OUTCOME)
    rota.ask("other", Priority.OUTCOME)
    rota.wake(lambda poll: poll != "other")
    assert [await rota.next() for _ in range(2)] == [("urgent", Priority.OUTCOME), ("mine", Priority.WATCHED)]
    assert anyio.current_time() == 0
    assert not rota.rests("unasked")
    assert (await rota.next())[0] == "other"
    assert anyio.current_time() == 2


async def test_a_rest_is_no_longer_than_the_longest() -> None:
    """The back-off grows to a bound, or to the first rest where that is longer."""
    for first, longest, rest in ((2, 30, 30), (60, 30, 60)):
        rota: Rota[str] = Rota(first=timedelta(seconds=first), longest=timedelta(seconds=longest), chance=lambda: 1.0)
        for _ in range(20):
            setback = rota.failed("poll")
        assert setback.until - setback.latest == rest


async def test_a_plan_can_be_dropped() -> None:
    """Polls of one priority are taken out, the others stay."""
    rota = new()
    rota.ask("planned", Priority.ATTENTION)
    rota.ask("watched", Priority.WATCHED)
    rota.drop(Priority.ATTENTION)
    assert "planned" not in rota
    assert "watched" in rota
