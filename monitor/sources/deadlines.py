"""Time limits for many requests with one timer: precise to an eighth of the limit, and next to free for each request.

A timer and three context managers per request, as aiohttp's own limit has them, cost a tenth of the whole request.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Limit:
    due: float
    cancelling: int  # requests to cancel the task that it had before: those are not ours
    passed: bool = False


class Deadlines:
    """Cancels tasks that stay longer than `seconds` between `begin` and `end`."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._limits: dict[asyncio.Task[object], _Limit] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, now: float) -> asyncio.Task[object]:
        """Limit the current task from now on; returns it, for the other calls."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - only coroutines call this, and those run in tasks
        self._limits[task] = _Limit(now + self._seconds, task.cancelling())
        if self._timer is None:
            self._schedule()
        return task

    def end(self, task: asyncio.Task[object]) -> None:
        """Limit it no longer."""
        del self._limits[task]

    def was_passed(self, task: asyncio.Task[object]) -> bool:
        """Whether the cancellation that just arrived is this limit's and nobody else's. Takes it back if so."""
        limit = self._limits[task]
        return limit.passed and task.uncancel() <= limit.cancelling

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds / 8, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._clock()
        for task, limit in self._limits.items():
            if now >= limit.due and not limit.passed:
                limit.passed = True
                task.cancel()
        if self._limits:
            self._schedule()
