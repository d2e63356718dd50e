"""Polls of one kind: when each is due, whose turn it is, and which keep failing and are left alone for a while."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Generic, TypeVar

import anyio

from monitor.core.schedule import Agenda, backoff
from monitor.sources.base import Priority

LONGEST_REST = timedelta(minutes=5)  # between tries of what keeps failing, as long as the service names no time
LONGEST_WISH = timedelta(hours=1)  # a service that asks for more means something else

P = TypeVar("P", bound=Hashable)


@dataclass(slots=True)
class Setback:
    """Failures of one poll in a row. Times are those of the loop's clock, in seconds."""

    since: float
    latest: float
    failures: int = 0
    until: float = 0.0


class Rota(Generic[P]):
    """Any number of workers take turns with `next`. `chance` gives numbers in 0..1.

    A poll that failed rests: it is not due before its back-off is over, whoever asks for it meanwhile. The back-off
    grows from `first` to `longest`.
    """

    def __init__(self, *, first: timedelta, chance: Callable[[], float], longest: timedelta = LONGEST_REST) -> None:
        self._first = first.total_seconds()
        self._longest = max(first, longest).total_seconds()
        self._chance = chance
        self._agenda: Agenda[P] = Agenda()
        self._setbacks: dict[P, Setback] = {}
        self._wake = anyio.Event()

    def __contains__(self, poll: P) -> bool:
        """Whether it is asked for and not yet taken."""
        return poll in self._agenda

    def ask(self, poll: P, priority: Priority, *, after: float = 0.0, rested: bool = True) -> None:
        """Have `poll` made in `after` seconds; later if it must rest longer, and `rested` does not waive that."""
        due = anyio.current_time() + after
        if rested and (setback := self._setbacks.get(poll)):
            due = max(due, setback.until)
        self._agenda.push(poll, due=due, priority=priority)
        self._wake.set()
        self._wake = anyio.Event()

    async def next(self) -> tuple[P, Priority]:
        """Wait for the most urgent poll that is due, and take it."""
        while True:
            now = anyio.current_time()
            if due := self._agenda.pop(now):
                return due[0], Priority(due[1])
            later = self._agenda.next_due()
            with anyio.move_on_after(inf if later is None else later - now):
                await self._wake.wait()

    def drop(self, priority: Priority) -> None:
        """Take out all polls of this priority."""
        self._agenda.drop(priority)

    # --- failures ---

    def failed(self, poll: P, *, retry_after: float = 0.0) -> Setback:
        """Count a failure, and let the poll rest: for as long as the service asked, or by back-off."""
        now = anyio.current_time()
        setback = self._setbacks.setdefault(poll, Setback(since=now, latest=now))
        setback.latest = now
        setback.failures += 1
        rest = backoff(setback.failures, first=self._first, longest=self._longest, chance=self._chance())
        setback.until = now + max(rest, min(retry_after, LONGEST_WISH.total_seconds()))
        return setback

    def succeeded(self, poll: P) -> Setback | None:
        """It was answered; what is over by that."""
        return self._setbacks.pop(poll, None)

    def wake(self, matters: Callable[[P], bool]) -> None:
        """End the rest of polls that matter: what they failed on is over."""
        now = anyio.current_time()
        for poll, setback in self._setbacks.items():
            if matters(poll):
                setback.until = min(setback.until, now)
                if poll in self._agenda:
                    self.ask(poll, Priority.ATTENTION)  # it keeps its own priority, which is more urgent

    def rests(self, poll: P) -> bool:
        """Whether it failed and its back-off is not over."""
        setback = self._setbacks.get(poll)
        return setback is not None and setback.until > anyio.current_time()

    def failed_ago(self, poll: P) -> float | None:
        """Seconds since it failed the last time; None if it did not fail, or succeeded since."""
        setback = self._setbacks.get(poll)
        return None if setback is None else anyio.current_time() - setback.latest

    def forgive(self, matters: Callable[[P], bool]) -> None:
        """Forget the failures of polls that nobody asks for any more and that do not matter."""
        for poll in [poll for poll in self._setbacks if poll not in self._agenda and not matters(poll)]:
            del self._setbacks[poll]
