"""Which faults are on, whom they hit, and how often that happened. All are off until somebody switches one on.

Whether a request is hit, and how, follows from the seed of the setting and from the number of the request, so that a
run can be repeated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from random import Random

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from monitor.emulator.clock import Clock, http_date
from monitor.emulator.faults import FAULTS, Hit, Setting
from monitor.emulator.wire import operation_of


@dataclass(slots=True)
class _Active:
    setting: Setting
    until: float
    seen: int = 0  # requests that it could hit
    hits: int = 0

    def strike(self, operation: str) -> Random | None:
        """The chance by which it acts on this request; None if it spares it."""
        if operation not in (self.setting.operations or FAULTS[self.setting.fault].operations):
            return None
        self.seen += 1
        chance = Random(f"{self.setting.seed}/{self.seen}")  # noqa: S311 - plays, does not protect
        if chance.random() >= self.setting.share:
            return None
        self.hits += 1
        return chance


class Switchboard:
    """The faults of one service, at most one of each kind. `ticks` gives seconds that never run backwards."""

    def __init__(self, clock: Clock, ticks: Callable[[], float]) -> None:
        self._clock = clock
        self._right_time = clock.wall
        self._ticks = ticks
        self._on: dict[str, _Active] = {}
        self._offset = 0.0

    def switch_on(self, setting: Setting) -> None:
        """In place of another setting of the same fault."""
        until = inf if setting.seconds is None else self._ticks() + setting.seconds
        self._on[setting.fault] = _Active(setting, until)
        self._settle()

    def switch_off(self, fault: str | None = None) -> None:
        """One fault, or all."""
        self._on = {name: active for name, active in self._on.items() if fault is not None and name != fault}
        self._settle()

    def report(self) -> dict[str, object]:
        """`{"faults": {word: what it does}, "on": [{the setting, "seen": requests, "hits": how many of them}]}`"""
        self._settle()
        on = [msgspec.to_builtins(it.setting) | {"seen": it.seen, "hits": it.hits} for it in self._on.values()]
        return {"faults": {name: fault.says for name, fault in FAULTS.items()}, "on": on}

    def middleware(self) -> Middleware:
        """Lets every request meet the faults that are on."""

        @web.middleware
        async def meet(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._settle()
            answer = partial(handler, request)
            for name in reversed(list(FAULTS)):
                active = self._on.get(name)
                if active is not None and (chance := active.strike(operation_of(request))):
                    answer = partial(FAULTS[name].act, Hit(request, answer, active.setting, chance))
            return await answer()

        return meet

    async def date(self, _request: web.Request, response: web.StreamResponse) -> None:
        """A hook for every answer: it tells the service's own time, also while that is wrong."""
        if self._offset:
            response.headers["Date"] = http_date(self._clock.wall())

    def _settle(self) -> None:
        """Drops those whose time is over, and turns the clock wrong or right."""
        now = self._ticks()
        if any(active.until <= now for active in self._on.values()):
            self._on = {name: active for name, active in self._on.items() if active.until > now}
        skew = self._on.get("clock_skew")
        offset = skew.setting.offset if skew else 0.0
        if offset != self._offset:
            self._offset = offset
            self._clock.wall = lambda: self._right_time() + offset
            self._clock.set_speed(self._clock.speed)  # what happens from here on is dated by the new time
