"""How late the loop is: a loop that is late is late for everybody, and says so nowhere else."""

from collections.abc import Callable
from typing import NoReturn

import anyio

LOOK_EVERY = 0.25  # seconds: nothing that blocks the loop for longer goes unseen


async def watch_loop(report: Callable[[float], None]) -> NoReturn:
    """Look at the clock every `LOOK_EVERY` and report how many seconds late the look came; until cancelled."""
    while True:
        due = anyio.current_time() + LOOK_EVERY
        await anyio.sleep_until(due)
        report(max(0.0, anyio.current_time() - due))
