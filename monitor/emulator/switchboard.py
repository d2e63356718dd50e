"""Which faults are on, whom they hit, and how often that happened. All are off until somebody switches one on.

Whether a request is hit, and how, follows from the seed of the setting and from the number of the request, so that a
run can be repeated.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from random import Random
from typing import NamedTuple

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from monitor.emulator.clock import Clock, http_date
from monitor.emulator.faults import Fault, Hit, ServiceName, Setting


class Service(NamedTuple):
    """What can go wrong with one service: its clock, its faults, and the name of what a request asks of it."""

    clock: Clock
    faults: Mapping[str, Fault]
    operation_of: Callable[[web.Request], str]


@dataclass(slots=True)
class _Active:
    setting: Setting
    until: float
    seen: int = 0  # requests that it could hit
    hits: int = 0

    def strike(self, operation: str, allowed: Sequence[str]) -> Random | None:
        """The chance by which it acts on this request; None if it spares it."""
        if operation not in allowed or operation not in (self.setting.operations or allowed):
            return None
        self.seen += 1
        chance = Random(f"{self.setting.seed}/{self.seen}")  # noqa: S311 - plays, does not protect
        if chance.random() >= self.setting.share:
            return None
        self.hits += 1
        return chance


@dataclass(slots=True)
class _Panel:
    """The switches of one service: at most one setting of each of its faults, and by how much its clock is wrong."""

    service: Service
    on: dict[str, _Active] = field(default_factory=dict)
    offset: float = 0.0

    def __post_init__(self) -> None:
        right_time = self.service.clock.wall
        self.service.clock.wall = lambda: right_time() + self.offset


class Switchboard:
    """The faults of all services. `ticks` gives seconds that never run backwards."""

    def __init__(self, ticks: Callable[[], float], services: Mapping[ServiceName, Service]) -> None:
        self._ticks = ticks
        self._panels = {name: _Panel(service) for name, service in services.items()}

    def switch_on(self, setting: Setting) -> None:
        """In place of other settings of the same fault for the same services. Raises ValueError for one that no
        service understands; the message says what there is."""
        panels = self._concerned(setting)
        active = _Active(setting, inf if setting.seconds is None else self._ticks() + setting.seconds)
        for panel in panels:
            panel.on[setting.fault] = active
        self._settle()

    def switch_off(self, fault: str | None = None) -> None:
        """One fault, or all, of every service."""
        self._keep(lambda active: fault is not None and active.setting.fault != fault)

    def names(self) -> dict[str, str]:
        """All faults there are, each with what it does."""
        says: dict[str, str] = {}
        for panel in self._panels.values():
            says = {name: fault.says for name, fault in panel.service.faults.items()} | says
        return says

    def report(self) -> dict[str, object]:
        """`{"faults": {word: what it does}, "on": [{the setting, "seen": requests, "hits": how many of them}]}`"""
        self._settle()
        active = {id(it): it for panel in self._panels.values() for it in panel.on.values()}
        on = [msgspec.to_builtins(it.setting) | {"seen": it.seen, "hits": it.hits} for it in active.values()]
        return {"faults": self.names(), "on": on}

    def middleware(self, name: ServiceName) -> Middleware:
        """Lets every request to that service meet the faults that are on."""
        panel = self._panels[name]

        @web.middleware
        async def meet(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._settle()
            answer: Callable[[], Awaitable[web.StreamResponse]] = partial(handler, request)
            operation = panel.service.operation_of(request)
            for word in reversed(list(panel.service.faults)):
                fault, active = panel.service.faults[word], panel.on.get(word)
                if active is not None and (chance := active.strike(operation, fault.operations)):
                    answer = partial(fault.act, Hit(request, answer, active.setting, chance))
            return await answer()

        return meet

    def dates(self, name: ServiceName) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
        """A hook for every answer of that service: it tells the service's own time, also while that is wrong."""
        panel = self._panels[name]

        async def date(_request: web.Request, response: web.StreamResponse) -> None:
            if panel.offset:
                response.headers["Date"] = http_date(panel.service.clock.wall())

        return date

    def _concerned(self, setting: Setting) -> Sequence[_Panel]:
        asked = [panel for name, panel in self._panels.items() if setting.service in (None, name)]
        knowing = [panel for panel in asked if setting.fault in panel.service.faults]
        if not knowing:
            known = dict.fromkeys(word for panel in asked for word in panel.service.faults)
            raise ValueError(f"fault must be one of {', '.join(known)}, not '{setting.fault}'")
        allowed = [panel.service.faults[setting.fault].operations for panel in knowing]
        for operation in setting.operations:
            if not any(operation in of_one for of_one in allowed):
                there_are = ", ".join(one for of_one in allowed for one in of_one)
                raise ValueError(f"operations of {setting.fault} are {there_are}, not '{operation}'")
        return [panel for panel, of_one in zip(knowing, allowed, strict=True) if _touches(setting, of_one)]

    def _settle(self) -> None:
        """Drops those whose time is over."""
        now = self._ticks()
        self._keep(lambda active: active.until > now)

    def _keep(self, wanted: Callable[[_Active], bool]) -> None:
        """Drops those that are not wanted, and turns the clocks wrong or right."""
        for panel in self._panels.values():
            for name in [name for name, active in panel.on.items() if not wanted(active)]:
                del panel.on[name]
            skew = panel.on.get("clock_skew")
            offset = skew.setting.offset if skew else 0.0
            if offset != panel.offset:
                panel.offset = offset
                clock = panel.service.clock
                clock.set_speed(clock.speed)  # what happens from here on is dated by the new time


def _touches(setting: Setting, operations: Sequence[str]) -> bool:
    return not setting.operations or any(operation in operations for operation in setting.operations)
