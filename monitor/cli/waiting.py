"""`stagewatch wait`: until all have ended. Also what `watch` shares with it: the deadline and the exit code."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import NoReturn

from monitor.cli.asking import ask, print_json
from monitor.cli.exits import FAILED, TIMED_OUT, stop_with
from monitor.client import Away, Back, Instance, News, Outcome, Stagewatch
from monitor.client.endings import Status
from monitor.client.words import ending
from monitor.core.text import plain

ANSWERS_WITHIN = 3.0  # seconds


def wait_for(url: str, keys: Sequence[str], *, seconds: float | None, patience: float, as_json: bool) -> NoReturn:
    """Print each outcome as it comes. The process ends with 0 if all succeeded."""

    def ended(outcome: Outcome) -> None:
        print_json(as_object(outcome)) if as_json else print(told(outcome), flush=True)

    async def wait(daemon: Stagewatch) -> list[Outcome]:
        states = await find_all(daemon, keys, seconds)
        return await follow(daemon, states, seconds=seconds, detail=False, status=say_whether_connected, ended=ended)

    finish(ask(url, wait, patience=patience))


async def find_all(daemon: Stagewatch, keys: Iterable[str], seconds: float | None) -> dict[str, Instance]:
    """Each one's state by its whole key. A daemon that gives no answer in this time ends the process with 124."""
    try:
        async with asyncio.timeout(_at_least(seconds)):
            return {one.key: one for one in [await daemon.find(key) for key in keys]}
    except TimeoutError:
        stop_with(f"the daemon at {daemon.url} has not answered within {_at_least(seconds):g} s", TIMED_OUT)


def _at_least(seconds: float | None) -> float | None:
    """How long to wait for answers: who gives no time at all still wants to know whether it is over."""
    return None if seconds is None else max(seconds, ANSWERS_WITHIN)


async def follow(
    daemon: Stagewatch,
    states: Mapping[str, Instance],
    *,
    seconds: float | None,
    detail: bool,
    status: Status,
    ended: Callable[[Outcome], None],
) -> list[Outcome]:
    """Everybody's outcome, told as it comes, those first that are over in `states`; past the deadline the process ends
    with 124."""
    waiting = dict.fromkeys(states)
    over = {key for key, one in states.items() if one.is_over}
    outcomes: list[Outcome] = []
    began = asyncio.get_running_loop().time()
    try:
        async with (
            asyncio.timeout(_at_least(seconds) if over else seconds) as limit,
            aclosing(daemon.outcomes(waiting, detail=detail, status=status)) as coming,
        ):
            async for outcome in coming:
                del waiting[outcome.key]
                outcomes.append(outcome)
                ended(outcome)
                over.discard(outcome.key)
                if seconds is not None and not over:
                    limit.reschedule(began + seconds)
    except TimeoutError:
        stop_with(f"not over after {seconds:g} s: {', '.join(map(plain, waiting))}", TIMED_OUT)
    return outcomes


def finish(outcomes: Iterable[Outcome]) -> NoReturn:
    """Failed, cancelled and lost are no success: of what is lost nobody knows how it ended."""
    raise SystemExit(0 if all(outcome.succeeded for outcome in outcomes) else FAILED)


def told(outcome: Outcome) -> str:
    """One line for people."""
    return plain(f"{outcome.key} {ending(outcome)}")


def as_object(outcome: Outcome) -> dict[str, object]:
    """The same for programs."""
    return {
        "key": outcome.key,
        "phase": outcome.phase,
        "succeeded": outcome.succeeded,
        "attempt": outcome.attempt,
        "progress": outcome.progress,
        "duration": outcome.duration,
        "failure": outcome.failure,
        "failed_workers": outcome.failed_workers,
    }


def say_whether_connected(news: News) -> None:
    """On stderr: who waits in a script may look there."""
    match news:
        case Away(reason=reason):
            print(f"stagewatch: reconnecting: {plain(reason)}", file=sys.stderr, flush=True)
        case Back():
            print("stagewatch: connected again", file=sys.stderr, flush=True)
