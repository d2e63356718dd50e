"""A part of the terminal that is drawn anew several times a second, and never claims to be fresher than it is."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.cells import set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from monitor.client import Phase
from monitor.client.mirror import Mirror
from monitor.client.words import span
from monitor.core.text import plain

EVERY = 0.25  # seconds between two drawings
COLOURS = {
    Phase.FAILED: "bold red",
    Phase.LOST: "magenta",
    Phase.CANCELLED: "yellow",
    Phase.SUSPENDED: "yellow",
    Phase.RUNNING: "cyan",
    Phase.SUCCEEDED: "green",
    Phase.WAITING: "",
}


def now() -> datetime:
    """Here is where the screens' time comes in."""
    return datetime.now(UTC)  # noqa: TID251 - here is where the screens' time comes in


def can_draw() -> bool:
    """Whether somebody looks at a terminal that can be drawn on."""
    return sys.stdout.isatty() and not Console().is_dumb_terminal


def cell(text: str, width: int) -> str:
    """Foreign text in exactly so many columns: Chinese letters take two."""
    return set_cell_size(plain(text), max(0, width))


class Screen:
    """Draws while the block runs. `draw` is given width and height and returns at most so many lines."""

    def __init__(self, draw: Callable[[int, int], Sequence[Text]]) -> None:
        self._draw = draw
        self._live = Live(self, auto_refresh=False, vertical_overflow="crop")
        self._next: asyncio.TimerHandle | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = console.size
        for line in self._draw(width, height - 1):
            line.no_wrap, line.overflow = True, "ellipsis"
            yield line

    def __enter__(self) -> Self:
        self._live.start()
        self._tick()
        return self

    def _tick(self) -> None:
        # On the loop, not in a thread of rich's: what is drawn is changed by the loop.
        self._live.refresh()
        self._next = asyncio.get_running_loop().call_later(EVERY, self._tick)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._next is not None:
            self._next.cancel()
        self._live.refresh()
        self._live.stop()


def doubts(mirror: Mirror, at: datetime) -> list[Text]:
    """Why what is shown may be old, a line each; none while it is fresh."""
    lines = []
    if mirror.away_since is not None:
        local = mirror.away_since.astimezone()
        text = f"reconnecting for {span((at - mirror.away_since).total_seconds())}; shown as of {local:%H:%M:%S}: "
        lines.append(Text(text + plain(mirror.away), "bold reverse yellow"))
    for (source, project), reason in sorted(mirror.silent.items()):
        text = f"{source}/{project} does not answer the daemon, shown as last seen: {reason}"
        lines.append(Text(plain(text), "bold yellow"))
    return lines
