import asyncio
import re
from dataclasses import replace
from math import inf
from random import Random

import pytest

from monitor.emulator.clock import Clock
from monitor.emulator.instances import Book, Instance, Result
from monitor.emulator.jobs import Job
from monitor.emulator.plan import Outcome, Part, Plan, lay_out

PLAN = lay_out([Part("M", 1)], wait=1, seconds=10)


def _book(speed: float = 0.0, **bounds: int) -> Book:
    return Book(Clock(speed, wall=lambda: 1737704061.123), Random(1), **bounds)


def _add(book: Book, plan: Plan = PLAN, project: str = "demo", text: str = "") -> Instance:
    return book.add(project, "ALIYUN$me", Job("t", "SQL"), plan, Result(text))


def test_ids_look_like_those_of_the_service() -> None:
    """Seventeen digits of UTC, a g, six to nine letters and digits; never the same twice."""
    book = _book()
    ids = [_add(book).id for _ in range(2000)]
    assert all(re.fullmatch(r"20250124073421123g[a-z0-9]{6,9}", id_) for id_ in ids)
    assert len(set(ids)) == 2000


def test_an_instance_is_found_in_its_project_only() -> None:
    """And not under an id that nobody has."""
    book = _book()
    instance = _add(book)
    assert book.get("demo", instance.id) is instance
    assert book.get("other", instance.id) is None
    assert book.get("demo", "nope") is None


def test_a_hidden_instance_cannot_be_got() -> None:
    """But still be found by who knows."""
    book = _book()
    instance = _add(book)
    instance.hidden = True
    assert book.get("demo", instance.id) is None
    assert book.find(instance.id) is instance


def test_an_ended_instance_lingers_among_the_live_ones() -> None:
    """For an emulated second; then only the list of all knows it."""
    book = _book()
    instance = _add(book)
    book.clock.advance(10)
    assert book.ended(instance)
    assert instance.id in book.live("demo")
    book.clock.advance(1)
    assert instance.id not in book.live("demo")
    assert instance.id in book.all("demo")


def test_a_new_fate_replaces_the_old() -> None:
    """Neither end may take it out of the live ones at the wrong time."""
    book = _book()
    sooner, later = _add(book), _add(book)
    book.revise(sooner, PLAN.cut(2, Outcome.CANCELLED))
    book.revise(later, PLAN.held())
    book.clock.advance(3)
    assert list(book.live("demo")) == [later.id]
    book.clock.advance(100)
    assert list(book.live("demo")) == [later.id]
    book.revise(later, PLAN.ending(103.0), Result("done"))
    book.clock.advance(1)
    assert list(book.live("demo")) == []
    assert later.result == Result("done")


def test_the_same_fate_twice_is_fine() -> None:
    """Ends of the same moment do not get in each other's way."""
    book = _book()
    instance = _add(book)
    for _ in range(3):
        book.revise(instance, replace(PLAN))
    book.clock.advance(20)
    assert book.live("demo") == {}


def test_only_so_many_ended_instances_are_remembered() -> None:
    """The oldest are forgotten first; live ones never."""
    book = _book(keep=2)
    ids = [_add(book).id for _ in range(5)]
    alive = _add(book, replace(PLAN, ends=inf))
    book.clock.advance(11)
    assert list(book.all("demo")) == [*ids[3:], alive.id]
    assert book.get("demo", ids[0]) is None


def test_only_so_much_of_their_results_is_remembered() -> None:
    """A few large ones count as many small ones."""
    book = _book(keep=100, keep_bytes=25)
    ids = [_add(book, text="x" * 10).id for _ in range(4)]
    book.clock.advance(11)
    assert list(book.all("demo")) == ids[2:]


@pytest.mark.asyncio
async def test_waiting_ends_with_the_instance() -> None:
    """Not with the time that one was ready to wait."""
    book = _book(speed=1000)
    await asyncio.wait_for(book.wait_for_end(_add(book), at_most=60), timeout=5)
    assert book.clock.emulated() >= 10


@pytest.mark.asyncio
async def test_waiting_ends_when_fate_the_clock_or_the_emulator_says_so() -> None:
    """Everybody who waits looks again when something changes."""
    book = _book()
    instance = _add(book)

    async def change(action: str) -> None:
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(book.wait_for_end(instance, inf))
            await asyncio.sleep(0)
            assert instance.bell is not None
            if action == "revise":
                book.revise(instance, PLAN.cut(0, Outcome.CANCELLED))
            elif action == "clock":
                book.turn_clock(lambda: book.clock.advance(10))
            else:
                book.close()
            await waiting

    await change("revise")
    instance = _add(book)
    await change("clock")
    instance = _add(book)
    await change("close")
    assert not book.ended(instance)


@pytest.mark.asyncio
async def test_nobody_waits_longer_than_asked() -> None:
    """A held request is answered in time."""
    book = _book()
    instance = _add(book)
    await asyncio.wait_for(book.wait_for_end(instance, at_most=0.01), timeout=5)
    assert not book.ended(instance)
