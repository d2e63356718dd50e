"""`stagewatch top`: starts the full screen, or says in a line what is missing for it."""

import sys

from monitor.cli.asking import ask
from monitor.cli.exits import USAGE, stop_with
from monitor.cli.screen import can_draw, now
from monitor.client import Stagewatch


def run_top(url: str) -> None:
    """Until the person leaves, or the daemon stays away for too long."""
    try:
        from monitor.tui.top import Top  # noqa: PLC0415 - an extra, which may not be there
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        stop_with("top needs textual: install it with pip install 'stagewatch[tui]'", USAGE)
    if sys.stdin is None or not sys.stdin.isatty() or not can_draw():
        stop_with("top needs a terminal that can be drawn on: use ls --watch, or ls --json, where there is none", USAGE)

    async def show(daemon: Stagewatch) -> None:
        await daemon.sources()  # a wrong address is told before the screen is taken
        screen = Top(daemon, now)
        await screen.run_async()
        if screen.fault is not None:
            raise screen.fault

    ask(url, show)
