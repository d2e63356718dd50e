"""How many requests an account may make: one bucket of tokens, a number of places, and a queue by priority.

The service's own word goes before ours: when it says "slower", the whole account pauses, and goes on at a lower rate
that recovers slowly.
"""

import math
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

import anyio

from monitor.sources.base import Priority

_BURST = 0.25  # seconds' worth of requests that may go at once
_LOWEST = 1 / 32  # of the configured rate
_RECOVERY = 60.0  # seconds from nothing back to the configured rate
_UNNAMED = 1.0  # seconds of pause where the service named none
_LONGEST = 3600.0  # seconds; a longer pause is a slip of the service's pen
_YIELDS = 2.0  # seconds for which a request lets those of the next more urgent kind go first
_ROUNDING = 1e-9


class PausedError(Exception):
    """The service asked for a pause that is longer than anybody should wait in a queue."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"paused for {seconds:.0f} s")
        self.seconds = seconds


class TokenBucket:
    """The pure part: `now` is an argument, in seconds of any clock that never goes back."""

    def __init__(self, rate: float, now: float) -> None:
        self._full = rate
        self._burst = max(1.0, rate * _BURST)
        self._tokens = self._burst
        self._filled_at = now
        self._lowered_to = rate
        self._lowered_at = now
        self._paused_until = now

    def rate(self, now: float) -> float:
        """Tokens a second at this time: the configured rate, or less after the service asked for less."""
        if self._lowered_to == self._full:
            return self._full
        recovered = max(0.0, now - self._lowered_at) * self._full / _RECOVERY
        return min(self._full, self._lowered_to + recovered)

    def paused_for(self, now: float) -> float:
        """Seconds until the service's pause ends."""
        return max(0.0, self._paused_until - now)

    def take(self, now: float) -> float:
        """Take a token and return 0, or take none and return how many seconds to wait before asking again."""
        if now < self._paused_until:
            return self._paused_until - now
        # The rate at the last filling is the lowest since: never more tokens than the rate allowed.
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self.rate(self._filled_at))
        self._filled_at = now
        if self._tokens < 1 - _ROUNDING:
            return (1 - self._tokens) / self.rate(now)
        self._tokens -= 1
        return 0.0

    def throttle(self, now: float, seconds: float | None) -> float:
        """Pause, halve the rate, and return by how many seconds this lengthened the pause.

        Answers to requests that were under way when a pause began lengthen it and do not halve the rate again.
        """
        if now >= self._paused_until:
            self._lowered_to = max(self._full * _LOWEST, self.rate(now) / 2)
        begins = max(now, self._paused_until)
        ends = max(begins, now + min(_LONGEST, _UNNAMED if seconds is None else seconds))
        # Recovery and filling begin when the pause ends: no burst of what was saved up meanwhile.
        self._paused_until = self._lowered_at = self._filled_at = ends
        self._tokens = 0.0
        return ends - begins


class _Turn:
    """A place in the queue."""

    __slots__ = ("called", "order")

    def __init__(self, priority: Priority, now: float, number: int) -> None:
        # Not by priority alone: where the urgent use up the rate, the others would wait for ever.
        self.order = (now + _YIELDS * priority, number)
        self.called = anyio.Event()

    def __lt__(self, other: "_Turn") -> bool:
        return self.order < other.order


class Budget:
    """The waiting part. Who waits is served by priority, then in the order of arrival; who has waited long goes before
    the more urgent that have only come."""

    def __init__(self, *, rate: float, concurrency: int, patience: float, clock: Callable[[], float]) -> None:
        self._bucket = TokenBucket(rate, clock())
        self._free = concurrency
        self._patience = patience
        self._clock = clock
        self._waiting: list[_Turn] = []
        self._numbers = count()

    def enter_at_once(self, now: float) -> bool:
        """Take a token and a place if both are there and nobody waits; give the place back with `leave`."""
        if self._waiting or not self._free or self._bucket.take(now):
            return False
        self._free -= 1
        return True

    async def enter(self, priority: Priority) -> None:
        """Wait for a token and a place; give the place back with `leave`.

        Raises PausedError where the service's pause is longer than our patience.
        """
        if not self.enter_at_once(self._clock()):
            await self._wait(priority)
            self._free -= 1

    def leave(self) -> None:
        """Give the place back."""
        self._free += 1
        self._call_next()

    def throttle(self, seconds: float | None) -> float:
        """The service asked for a pause, of so many seconds if it said; returns by how much the pause grew."""
        grew = self._bucket.throttle(self._clock(), seconds)
        self._call_next()
        return grew

    async def _wait(self, priority: Priority) -> None:
        turn = _Turn(priority, self._clock(), next(self._numbers))
        heappush(self._waiting, turn)
        try:
            while True:
                now = self._clock()
                paused = self._bucket.paused_for(now)
                if paused > self._patience:
                    raise PausedError(paused)
                is_next = self._waiting[0] is turn and self._free > 0
                seconds = self._bucket.take(now) if is_next else math.inf
                if not seconds:
                    return
                turn.called = anyio.Event()
                with anyio.move_on_after(seconds):
                    await turn.called.wait()
        finally:
            if self._waiting[0] is turn:
                heappop(self._waiting)
            else:
                self._waiting.remove(turn)
                heapify(self._waiting)
            self._call_next()

    def _call_next(self) -> None:
        if self._waiting:
            self._waiting[0].called.set()
