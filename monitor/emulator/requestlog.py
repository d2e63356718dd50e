"""Counts requests by operation, so that tests and demos can see how a client polls."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

WINDOW_SECONDS = 1.0


@dataclass(slots=True)
class _Tally:
    count: int = 0
    peak: int = 0
    recent: deque[float] = field(default_factory=deque)

    def add(self, now: float) -> None:
        self.count += 1
        self.recent.append(now)
        while self.recent[0] <= now - WINDOW_SECONDS:
            self.recent.popleft()
        self.peak = max(self.peak, len(self.recent))


class RequestLog:
    """How many requests of each operation came, and how many at most within any one second.

    `ticks` gives seconds that never run backwards.
    """

    def __init__(self, ticks: Callable[[], float]) -> None:
        self._ticks = ticks
        self._total = _Tally()
        self._operations: dict[str, _Tally] = {}

    def add(self, operation: str) -> None:
        """Counts one request."""
        now = self._ticks()
        self._total.add(now)
        self._operations.setdefault(operation, _Tally()).add(now)

    def report(self) -> dict[str, object]:
        """`{"total": {"count", "peak_per_second"}, "operations": {name: {"count", "peak_per_second"}}}`"""
        return {
            "total": _shown(self._total),
            "operations": {name: _shown(tally) for name, tally in sorted(self._operations.items())},
        }

    def clear(self) -> None:
        """Starts from nothing."""
        self._total = _Tally()
        self._operations.clear()


def _shown(tally: _Tally) -> dict[str, int]:
    return {"count": tally.count, "peak_per_second": tally.peak}
