"""Time that never goes back."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

SET_BACK = timedelta(seconds=1)  # less than this is a clock being kept right

log = structlog.get_logger()


class SteadyClock:
    """Where the machine's clock is set back, this one stands still until that has caught up: else every answer would
    look older than what is known, and teach nothing."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._latest = now()
        self._stands = False

    def now(self) -> datetime:
        """The time, or the latest time that was told."""
        at = self._now()
        if at >= self._latest:
            self._latest, self._stands = at, False
        elif not self._stands and self._latest - at >= SET_BACK:
            self._stands = True
            log.warning("clock_set_back", seconds=(self._latest - at).total_seconds())
        return self._latest
