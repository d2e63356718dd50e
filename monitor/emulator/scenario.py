"""Fates that no query can be written for: long queues, stalls, stragglers, thousands of workers.

A scenario turns a recipe into a plan; like every plan it is a value, and nothing happens by itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import Literal

import msgspec

from monitor.emulator.instances import Result
from monitor.emulator.plan import Outcome, Part, Plan, lay_out

OutcomeWord = Literal["success", "failed", "cancelled"]
_FAILURE = "ODPS-0123131:User defined function exception - Traceback: RuntimeError: as the scenario wanted it"
_CANCEL = "ODPS-0120031:Instance has been cancelled - as the scenario wanted it"


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wanted of a scripted instance. Times are emulated seconds.

    `seconds` covers the whole run after the queue; `wait` is the time in the queue; `workers` those of the first stage;
    `pause` how long a stalled or suspended run stands still, for ever if null; `message` the text of a failure.
    """

    scenario: str = "steady"
    seconds: float = msgspec.field(default=60.0)
    wait: float | None = None
    outcome: OutcomeWord = "success"
    workers: int | None = None
    pause: float | None = None
    message: str = _FAILURE

    def __post_init__(self) -> None:
        if self.scenario not in SCENARIOS:
            raise ValueError(f"scenario must be one of {', '.join(SCENARIOS)}, not '{self.scenario}'")
        if not 0 < self.seconds < inf or not 0 <= (self.wait or 0) < inf or not 0 <= (self.pause or 0) < inf:
            raise ValueError("seconds must be above 0; wait and pause must be 0 or more")
        if self.workers is not None and not 0 < self.workers <= 100_000:
            raise ValueError("workers must be between 1 and 100000")


def play(recipe: Recipe) -> tuple[Plan, Result]:
    """The plan of that recipe, and what its task ends with."""
    plan = SCENARIOS[recipe.scenario](recipe)
    if recipe.outcome == "success":
        return plan, Result('"_c0"\n42\n', "csv") if plan.outcome is Outcome.SUCCESS else Result(_CANCEL)
    outcome = Outcome.FAILED if recipe.outcome == "failed" else Outcome.CANCELLED
    ended = plan.cut(plan.wait + 0.6 * recipe.seconds, outcome)
    return ended, Result(recipe.message if outcome is Outcome.FAILED else _CANCEL)


def _laid_out(recipe: Recipe, *parts: Part, wait_share: float = 0.05) -> Plan:
    wait = recipe.seconds * wait_share if recipe.wait is None else recipe.wait
    return lay_out(parts, wait=wait, seconds=wait + recipe.seconds, queue=max(1, int(wait)), records=100_000)


def _steady(recipe: Recipe) -> Plan:
    workers = recipe.workers or 8
    return _laid_out(recipe, Part("M", 1, (), workers, 2.0), Part("R", 2, (1,), max(1, workers // 3)))


def _join(recipe: Recipe) -> Plan:
    workers = recipe.workers or 24
    return _laid_out(
        recipe,
        Part("M", 1, (), workers, 1.0),
        Part("M", 2, (), max(1, workers // 2), 1.4),
        Part("J", 3, (1, 2), max(1, workers // 2), 1.2),
        Part("R", 4, (3,), max(1, workers // 4), 0.8),
        Part("R", 5, (4,), 1, 0.4),
    )


def _many_workers(recipe: Recipe) -> Plan:
    workers = recipe.workers or 1047
    return _join(msgspec.structs.replace(recipe, workers=workers))


def _long_queue(recipe: Recipe) -> Plan:
    return replace(_laid_out(recipe, Part("M", 1, (), recipe.workers or 4), wait_share=10.0), queue=120)


def _stall(recipe: Recipe) -> Plan:
    plan = _steady(recipe)
    return plan.paused(plan.wait + 0.4 * recipe.seconds, inf if recipe.pause is None else recipe.pause)


def _suspended(recipe: Recipe) -> Plan:
    plan = _steady(recipe)
    pause = inf if recipe.pause is None else recipe.pause
    return plan.paused(plan.wait + 0.4 * recipe.seconds, pause, suspended=True)


def _straggler(recipe: Recipe) -> Plan:
    """One worker of the first stage never ends, so the second never begins."""
    workers = recipe.workers or 50
    plan = _laid_out(recipe, Part("M", 1, (), workers, 2.0), Part("R", 2, (1,), 4))
    first, second = plan.stages
    never = replace(first, ends=inf, bulk_ends=first.ends, stragglers=1)
    return replace(plan, ends=inf, stages=(never, replace(second, starts=inf, ends=inf, bulk_ends=inf)))


def _cancelled(recipe: Recipe) -> Plan:
    plan = _steady(recipe)
    return plan.cut(plan.wait + 0.5 * recipe.seconds, Outcome.CANCELLED)


def _dynamic_total(recipe: Recipe) -> Plan:
    """The first stage turns out to need four times the workers, the second half of what was planned."""
    workers = recipe.workers or 40
    plan = _laid_out(recipe, Part("M", 1, (), workers, 2.0), Part("R", 2, (1,), max(1, workers // 8)))
    first, second = plan.stages
    grows = replace(first, planned=max(1, workers // 4), resized=first.starts + 0.3 * (first.ends - first.starts))
    shrinks = replace(second, planned=second.workers * 2, resized=second.starts)
    return replace(plan, stages=(grows, shrinks))


SCENARIOS: Mapping[str, Callable[[Recipe], Plan]] = {
    "steady": _steady,
    "join": _join,
    "many_workers": _many_workers,
    "long_queue": _long_queue,
    "stall": _stall,
    "suspended": _suspended,
    "straggler": _straggler,
    "cancelled": _cancelled,
    "dynamic_total": _dynamic_total,
}
