"""One try at one poll: its answer, or why there is none."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import anyio
import structlog

from monitor.sources.base import SourceError

CRASHED = "crashed"  # the driver raised something that is not a SourceError: a bug of ours, told as a failure
TOLD_EVERY = 3600.0  # seconds; the same line of the driver is not told more often

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a poll failed; `retry_after` in seconds where the service named a time."""

    reason: str
    detail: str
    retry_after: float = 0.0


class Tries:
    """All tries at one source. A bug in its driver must not stop its neighbours, nor fill the log."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._told: dict[tuple[str, int], float] = {}  # when each line of the driver last told of a bug

    async def make(self, poll: Awaitable[T]) -> T | Trouble:
        """The answer to `poll`, or the trouble with it."""
        try:
            return await poll
        except SourceError as error:
            return Trouble(error.reason, str(error), error.retry_after or 0.0)
        except Exception as error:  # noqa: BLE001 - nothing is expected here: it is a bug, told and tried again
            self._tell(error)
            return Trouble(CRASHED, f"{type(error).__name__} in the driver: see the log")

    def _tell(self, error: Exception) -> None:
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        line = (place.tb_frame.f_code.co_filename, place.tb_lineno) if place else ("", 0)
        now = anyio.current_time()
        if line not in self._told or now - self._told[line] >= TOLD_EVERY:
            self._told[line] = now
            log.error("source_crashed", source=self._source, error=repr(error), exc_info=error)
