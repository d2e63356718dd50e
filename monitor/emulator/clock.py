"""Emulated time.

Plans run on emulated seconds, which pass `speed` times as fast as real ones; dates that leave the emulator are real
dates. The clock therefore remembers when each emulated second passed, also across changes of speed.
"""

import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate
from functools import lru_cache
from math import inf

CHINA = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class _Pace:
    """From here on emulated time passes at this speed, until the next pace begins."""

    emulated: float
    wall: float
    ticks: float
    speed: float


class Clock:
    """Counts emulated seconds from 0.

    `wall` gives epoch seconds, `ticks` gives seconds that never run backwards; both are arguments so that tests can
    stand in for them. Speed 0 stops emulated time; `advance` moves it by hand.
    """

    def __init__(
        self,
        speed: float = 1.0,
        *,
        wall: Callable[[], float] = time.time,  # noqa: TID251 - the emulator asks for the time here and nowhere else
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wall = wall
        self._ticks = ticks
        self._paces = [_Pace(0.0, wall(), ticks(), _checked(speed))]

    @property
    def speed(self) -> float:
        """Emulated seconds per real second."""
        return self._paces[-1].speed

    def emulated(self) -> float:
        """Emulated seconds since the clock was made."""
        pace = self._paces[-1]
        return pace.emulated + (self._ticks() - pace.ticks) * pace.speed

    def set_speed(self, speed: float) -> None:
        """Goes on from the present emulated second at another speed. Raises ValueError for a speed below 0."""
        self._turn(self.emulated(), _checked(speed))

    def advance(self, seconds: float) -> None:
        """Moves emulated time on at once. Raises ValueError for a negative number: plans cannot be unlived."""
        if not 0 <= seconds < inf:
            raise ValueError(f"advance must be 0 or more seconds, not {seconds}")
        self._turn(self.emulated() + seconds, self.speed)

    def wall_at(self, emulated: float) -> float:
        """Epoch seconds at which that emulated second passed, or will pass if the speed stays."""
        at = max(0, bisect_right(self._paces, emulated, key=lambda pace: pace.emulated) - 1)
        pace = self._paces[at]
        ahead = max(0.0, emulated - pace.emulated)
        passed = ahead / pace.speed if pace.speed else (inf if ahead else 0.0)
        if at + 1 < len(self._paces):  # what was skipped passed at the end of the pace, by the clock as it was then
            return pace.wall + min(passed, self._paces[at + 1].ticks - pace.ticks)
        return pace.wall + passed if passed < inf else self.wall()

    def real_seconds_until(self, emulated: float) -> float:
        """Real seconds until then at the present speed; infinite if emulated time stands still or never gets there."""
        left = emulated - self.emulated()
        if left <= 0:
            return 0.0
        return left / self.speed if self.speed else inf

    def _turn(self, emulated: float, speed: float) -> None:
        self._paces.append(_Pace(emulated, self.wall(), self._ticks(), speed))


def http_date(wall: float) -> str:
    """RFC 1123 in GMT, as headers and listings want it."""
    return _http_date(int(wall))


def queue_date(wall: float) -> str:
    """The form of the queueing information: local time of the service and its offset."""
    return _queue_date(int(wall))


def id_date(wall: float) -> str:
    """The first 17 digits of an instance id: UTC down to the millisecond."""
    moment = datetime.fromtimestamp(wall, UTC)
    return moment.strftime("%Y%m%d%H%M%S") + f"{moment.microsecond // 1000:03d}"


# A page of a listing holds a thousand dates, and few different ones.
@lru_cache(maxsize=4096)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)


@lru_cache(maxsize=4096)
def _queue_date(second: int) -> str:
    return datetime.fromtimestamp(second, CHINA).strftime("%Y-%m-%d %H:%M:%S +0800")


def _checked(speed: float) -> float:
    if not 0 <= speed < inf:
        raise ValueError(f"speed must be 0 (stopped) or more, not {speed}")
    return speed
