"""A part of the terminal that is drawn anew several times a second, and never claims to be fresher than it is."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

EVERY = 0.25  # seconds between two drawings


def now() -> datetime:
    """Here is where the screens' time comes in."""
    return datetime.now(UTC)  # noqa: TID251 - here is where the screens' time comes in


def can_draw() -> bool:
    """Whether somebody looks at a terminal that can be drawn on."""
    return sys.stdout.isatty() and not Console().is_dumb_terminal


class Screen:
    """Draws while the block runs. `draw` is given width and height and returns at most so many lines."""

    def __init__(self, draw: Callable[[int, int], list[Text]]) -> None:
        self._draw = draw
        self._live = Live(self, auto_refresh=False, vertical_overflow="crop")
        self._next: asyncio.TimerHandle | None = None
        self._shown: object = None
        self._lines: list[Text] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines:
            line.no_wrap, line.overflow = True, "ellipsis"
            yield line

    def _refresh(self) -> None:
        size = self._live.console.size
        lines = self._draw(size.width, size.height - 1)
        if (size, lines) != self._shown:  # a screen that does not change does not flicker
            self._lines, self._shown = lines, (size, [line.copy() for line in lines])
            self._live.refresh()

    def __enter__(self) -> Self:
        self._live.start()
        self._tick()
        return self

    def _tick(self) -> None:
        # On the loop, not in a thread of rich's: what is drawn is changed by the loop.
        self._refresh()
        self._next = asyncio.get_running_loop().call_later(EVERY, self._tick)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._next is not None:
            self._next.cancel()
        self._refresh()
        self._live.stop()
