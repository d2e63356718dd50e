"""What is remembered of jobs, within a limit: what was not used longest is forgotten first."""

from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Values by job id. All weights together stay within the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, tuple[V, int]] = OrderedDict()
        self._weight = 0

    def get(self, job: str) -> V | None:
        """The value, which is in use by this."""
        kept = self._kept.get(job)
        if kept is None:
            return None
        self._kept.move_to_end(job)
        return kept[0]

    def put(self, job: str, value: V, weight: int = 1) -> None:
        """Remember it instead of what was there."""
        self.forget(job)
        self._kept[job] = (value, weight)
        self._weight += weight
        while self._weight > self._limit:
            self._weight -= self._kept.popitem(last=False)[1][1]

    def forget(self, job: str) -> None:
        """Nobody will ask for it again."""
        kept = self._kept.pop(job, None)
        if kept is not None:
            self._weight -= kept[1]
