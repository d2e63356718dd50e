from typing import Any

from monitor.emulator.batchcompute.book import MAX_TOKENS, Book, Job
from monitor.emulator.batchcompute.description import check_description
from monitor.emulator.batchcompute.executed import Executed
from monitor.emulator.batchcompute.plan import Flaws, Part
from monitor.emulator.batchcompute.planned import Planned, Recipe
from monitor.emulator.batchcompute.views import State
from tests.emulator.batchcompute.client import job
from tests.emulator.batchcompute.hand import stopped_clock


class Shelf:
    """A book, and what moves its time."""

    def __init__(self, **options: Any) -> None:
        self.clock, self.ticks = stopped_clock()
        self.book = Book(self.clock, **options)

    def plan(self, seconds: float = 10.0, **wanted: Any) -> Job:
        recipe = Recipe(name="n", parts=(Part("count"),), wait=0.0, seconds=seconds, **wanted)
        return self.book.add(1, 0, lambda id_: Planned(id_, recipe, self.clock))

    def submit(self) -> Job:
        return self.book.add(1, 0, lambda id_: Executed(id_, check_description(job())))


def test_ids_have_the_form_of_the_service() -> None:
    """The second of creation, then a number that grows; all capital hexadecimal."""
    shelf = Shelf()
    first, second = shelf.plan(), shelf.plan()
    assert first.id == "job-000000006B49D2000000000000000001"
    assert second.id == "job-000000006B49D2000000000000000002"
    assert (second.number, second.created) == (2, 1_800_000_000.0)


def test_a_job_is_live_until_it_ends() -> None:
    """A planned one by its plan, one that runs programs when it is said."""
    shelf = Shelf()
    planned, executed = shelf.plan(), shelf.submit()
    assert shelf.book.live() == [planned, executed]
    assert [job for job, _ in shelf.book.programs()] == [executed]
    shelf.ticks.at = 10.0
    assert shelf.book.live() == [executed]
    assert isinstance(executed.course, Executed)
    executed.course.stop(1.0)
    shelf.book.ended(executed)
    shelf.book.ended(executed)
    assert (shelf.book.live(), shelf.book.all()) == ([], [planned, executed])


def test_a_job_that_is_started_again_is_live_in_its_old_place() -> None:
    """And ends again."""
    shelf = Shelf()
    first = shelf.plan(5.0, outcome=State.FAILED, flaws=Flaws("count", 1))
    second = shelf.plan(100.0)
    shelf.ticks.at = 6.0
    assert shelf.book.live() == [second]
    assert isinstance(first.course, Planned)
    first.course.restart()
    shelf.book.restarted(first)
    assert shelf.book.live() == [first, second]
    shelf.ticks.at = 11.0
    assert (shelf.book.live(), first.course.state) == ([second], State.FINISHED)


def test_a_stop_makes_the_planned_end_void() -> None:
    """It does not end twice."""
    shelf = Shelf()
    stopped = shelf.plan(10.0)
    assert isinstance(stopped.course, Planned)
    shelf.ticks.at = 5.0
    stopped.course.stop()
    shelf.book.ended(stopped)
    stopped.course.restart()
    shelf.book.restarted(stopped)
    shelf.ticks.at = 10.0
    assert shelf.book.live() == [stopped]
    shelf.ticks.at = 15.0
    assert shelf.book.live() == []


def test_a_success_may_delete_the_job() -> None:
    """But no failure does."""
    shelf = Shelf()
    well = shelf.plan(auto_release=True)
    badly = shelf.plan(auto_release=True, outcome=State.FAILED, flaws=Flaws("count", 1))
    assert shelf.book.get(well.id) is well
    shelf.ticks.at = 10.0
    assert shelf.book.get(well.id) is None
    assert shelf.book.all() == [badly]


def test_the_oldest_that_have_ended_are_forgotten() -> None:
    """By the order of their ends; live ones never are."""
    shelf = Shelf(keep=2)
    live = shelf.plan(100.0)
    ended = [shelf.plan(seconds) for seconds in (4.0, 3.0, 2.0, 1.0)]
    shelf.ticks.at = 5.0
    assert shelf.book.all() == [live, ended[0], ended[1]]


def test_a_hidden_job_is_still_there() -> None:
    """For those who hid it."""
    shelf = Shelf()
    hidden = shelf.plan()
    hidden.hidden = True
    assert shelf.book.get(hidden.id) is None
    assert shelf.book.find(hidden.id) is hidden


def test_tokens_are_remembered_up_to_a_bound() -> None:
    """The oldest are forgotten; a deleted job's is not."""
    shelf = Shelf()
    shelf.book.remember("a", "job-1")
    assert (shelf.book.token("a"), shelf.book.token("b")) == ("job-1", None)
    for number in range(MAX_TOKENS):
        shelf.book.remember(str(number), "job-2")
    assert (shelf.book.token("a"), shelf.book.token("0")) == (None, "job-2")
