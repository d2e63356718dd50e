"""One instance on a screen of its own, with its stages as they work."""

from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from monitor.client import Back, ClientError, Instance, Snapshot, Stagewatch, Wanted
from monitor.client.mirror import Mirror
from monitor.core.text import plain
from monitor.tui.bars import Spans, draw
from monitor.tui.cells import doubts

EVERY = 0.25  # seconds between two drawings
ALL = 10_000  # lines: more stages than any instance has


class Page(Screen[None]):
    """Everything about one. It has the stages read with priority while it is open.

    Following shows what fits the screen, first what runs; otherwise all is there, to scroll through.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "app.pop_screen", "back"),
        Binding("f", "follow", "follow"),
        Binding("x", "app.stop", "stop"),
    ]

    def __init__(
        self,
        daemon: Stagewatch,
        it: Instance,
        *,
        now: Callable[[], datetime],
        give_up: Callable[[ClientError], None],
        follow: bool,
    ) -> None:
        super().__init__()
        self._give_up = give_up
        self.key = it.key
        self.following = follow
        self._daemon = daemon
        self._now = now
        self._newest = it
        self._mirror = Mirror(Wanted(key=frozenset({it.key})), [it])
        self._spans = Spans()
        self._gone = False
        self._doubts = Static(id="doubts")
        self._page = Static(id="page")
        self._area = VerticalScroll(self._page)

    def compose(self) -> ComposeResult:
        """What may be old, the page itself, the keys."""
        yield self._doubts
        yield self._area
        yield Footer()

    def on_mount(self) -> None:
        """Begin to listen and to draw."""
        self._draw()
        self.set_interval(EVERY, self._draw)
        self.run_worker(self._listen(), exit_on_error=False)

    async def _listen(self) -> None:
        wanted = Wanted(key=frozenset({self.key}))
        try:
            async with aclosing(self._daemon.feed(wanted, detail=True).news()) as coming:
                async for news in coming:
                    self._mirror.take(news, self._now())
                    one = self._mirror.instances.get(self.key)
                    self._gone = one is None
                    if one is not None:
                        self._newest = one
                        self._spans.look(one, self._now())
                    if isinstance(news, Snapshot | Back):
                        await self._mirror.ask_sources(self._daemon.sources)
        except ClientError as error:
            self._give_up(error)

    def _draw(self) -> None:
        now = self._now()
        above = doubts(self._mirror, now)
        if self._gone:
            above.append(Text("the daemon does not know it any more: this is its last known state", "bold yellow"))
        self._doubts.update(Text("\n").join(above))
        self._doubts.display = bool(above)
        width = max(1, self._area.size.width - 2)  # room for the scroll bar
        facts = list(_facts(self._newest))
        room = max(3, self._area.size.height - len(facts)) if self.following else ALL
        at = self._mirror.away_since or now
        lines = [*draw([self._newest], width, room, at, self._spans), *facts]
        self._page.update(Text("\n").join(lines))

    def action_follow(self) -> None:
        """Show what runs, or all."""
        self.following = not self.following
        self._draw()


def _facts(it: Instance) -> Iterator[Text]:
    yield Text()
    for label, value in (
        ("name", it.name),
        ("owner", it.owner),
        ("status", it.native_status),
        ("created", it.created_at),
        ("started", it.started_at),
        ("ended", it.ended_at),
        ("seen", it.observed_at),
    ):
        if value:
            told = f"{value.astimezone():%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else plain(value)
            yield Text(f"{label:<9}", "dim").append(told, "default")
    if it.failure:
        yield Text(plain(f"failed in {it.failure.task}: {it.failure.code} ({it.failure.category})"), "bold red")
        for line in it.failure.message.splitlines():
            yield Text(plain(line), "red")
