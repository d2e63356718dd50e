"""What waits for one reader: order, bounds, and what may take the place of what."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import InstanceKey
from monitor.web.frames import Frame, Subscribe
from monitor.web.mailbox import FullError, Mailbox
from monitor.web.parts import FeedLimits
from monitor.web.subscription import Subscription
from tests.web.desk import key

T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    """Do it on a loop of its own."""
    return asyncio.run(work)


def filled(limits: FeedLimits, *numbers: tuple[int, str | None]) -> Mailbox:
    """A mailbox in which frames of these numbers wait; a name makes it progress of that instance."""
    mailbox = Mailbox(limits)
    for number, of in numbers:
        mailbox.put(Frame(b"x" * 10, number), key(of) if of else None)
    return mailbox


def numbers(frames: list[Frame] | list[Subscription]) -> list[int | None]:
    """What was taken."""
    return [one.mark for one in frames if isinstance(one, Frame)]


def test_a_reader_that_keeps_up_gets_everything() -> None:
    """Below the crowd even several progress frames of one instance stay, in order."""
    mailbox = filled(FeedLimits(), (1, "a"), (2, None), (3, "a"), (4, "a"))
    assert numbers(run(mailbox.take())) == [1, 2, 3, 4]


def test_in_a_crowd_the_newest_progress_takes_the_place_of_the_older() -> None:
    """It goes to the end, so numbers never fall; what is not progress stays."""
    mailbox = filled(FeedLimits(crowded=3), (1, "a"), (2, "b"), (3, None), (4, "a"), (5, None), (6, "a"), (7, "b"))
    assert numbers(mailbox.drain()) == [3, 5, 6, 7]


@given(st.lists(st.tuples(st.just(0), st.sampled_from([None, "a", "b", "c"])), max_size=60), st.integers(1, 20))
def test_nothing_but_older_progress_is_ever_left_out(kinds: list[tuple[int, str | None]], crowded: int) -> None:
    """Numbers rise, every lasting frame is there, and so is the last progress of each instance."""
    put = [(number, of) for number, (_, of) in enumerate(kinds)]
    got = numbers(filled(FeedLimits(crowded=crowded), *put).drain())
    assert got == sorted(got)
    newest = {of: number for number, of in put if of}
    assert {number for number, of in put if of is None} | set(newest.values()) <= set(got)


@pytest.mark.parametrize("limits", [FeedLimits(frames=3), FeedLimits(size=35)])
def test_it_is_bounded_by_count_and_by_bytes(limits: FeedLimits) -> None:
    """One frame more than fits is too much, and room is made by taking."""
    mailbox = filled(limits, (1, None), (2, None), (3, None))
    assert len(mailbox.drain()) == 3
    for number in range(3):
        mailbox.put(Frame(b"x" * 10, number))
    with pytest.raises(FullError):
        mailbox.put(Frame(b"x" * 10, 4))


def test_progress_that_takes_a_place_makes_no_one_full() -> None:
    """Endless progress of few instances fits for ever."""
    mailbox = filled(FeedLimits(frames=5, size=60, crowded=2), *((n, "ab"[n % 2]) for n in range(1000)))
    assert len(mailbox.drain()) <= 3


def test_frames_come_in_chunks_of_at_least_one() -> None:
    """As many as fit a write; one that is larger than that comes alone."""
    mailbox = filled(FeedLimits(chunk=25), (1, None), (2, None), (3, None))
    assert numbers(run(mailbox.take())) == [1, 2]
    assert numbers(run(mailbox.take())) == [3]
    mailbox.put(Frame(b"x" * 99, 4))
    assert numbers(run(mailbox.take())) == [4]


def test_questions_come_before_frames_and_are_bounded() -> None:
    """All that wait are given together; the frames stay for whoever answers to drain."""
    mailbox = filled(FeedLimits(subscriptions=2), (1, None))
    asked = [Subscription(Subscribe(name)) for name in "ab"]
    for one in asked:
        mailbox.ask(one)
    with pytest.raises(FullError):
        mailbox.ask(Subscription(Subscribe("c")))
    assert run(mailbox.take())[:2] == asked
    assert numbers(run(mailbox.take())) == [1]


def test_taking_from_an_empty_one_waits() -> None:
    """The reader sleeps until something comes."""

    async def wait() -> list[int | None]:
        mailbox = Mailbox(FeedLimits())
        async with asyncio.TaskGroup() as group:
            taking = group.create_task(mailbox.take())
            await asyncio.sleep(0)
            assert not taking.done()
            mailbox.put(Frame(b"x", 1), InstanceKey("s", "p", "i"))
        return numbers(taking.result())

    assert run(wait()) == [1]
