"""Runs a long-lived command: the loop, the signals that end it, and how a failure is told."""

import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from typing import NoReturn

import anyio

from monitor.cli.exits import CRASHED, FAILED, stop_with
from monitor.config import read_address


class CannotStartError(Exception):
    """Nothing has begun; the message names the thing and the fix."""


def run(
    work: Callable[[anyio.Event], Awaitable[None]],
    *,
    told: tuple[type[Exception], ...],
    hung_up: Callable[[], None] | None = None,
) -> None:
    """Run until done, or until a signal sets the stop that `work` is given; a second signal ends the process at once.

    Errors of the types `told` are for the operator and become one line; all others are bugs, and that line comes behind
    their traceback.
    `hung_up` is called on SIGHUP, where the system knows it; without it that signal ends the process.
    """

    async def with_signals() -> None:
        stop = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_listen_to_signals, stop)
            if hung_up is not None and sys.platform != "win32":
                tasks.start_soon(_listen_to_hang_ups, hung_up)
            await work(stop)
            tasks.cancel_scope.cancel()

    try:
        anyio.run(with_signals, backend="asyncio", backend_options={"use_uvloop": sys.platform != "win32"})
    except BaseExceptionGroup as group:
        _stop_with_all(group, told)


async def _listen_to_signals(stop: anyio.Event) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        async for number in received:
            if stop.is_set():
                os._exit(128 + number)
            stop.set()


async def _listen_to_hang_ups(call: Callable[[], None]) -> None:
    with anyio.open_signal_receiver(signal.SIGHUP) as received:
        async for _ in received:
            call()


def _stop_with_all(group: BaseExceptionGroup[BaseException], told: tuple[type[Exception], ...]) -> NoReturn:
    kinds: tuple[type[BaseException], ...] = (CannotStartError, *told)
    known, bugs = group.split(kinds)
    if bugs is not None or known is None:
        traceback.print_exception(bugs or group)
        names = ", ".join(dict.fromkeys(repr(error) for error in _leaves(bugs or group)))
        stop_with(f"stopped by a fault of the program, whose trace is above: {names}", CRASHED)
    errors = list(_leaves(known))
    said = "; ".join(dict.fromkeys(str(error) or type(error).__name__ for error in errors))
    stop_with(said, FAILED if all(isinstance(error, CannotStartError) for error in errors) else CRASHED)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def check_address(text: str) -> tuple[str, int]:
    """Host and port of a `--listen`."""
    try:
        return read_address(text)
    except ValueError as error:
        stop_with(f"--listen: {error}", FAILED)
