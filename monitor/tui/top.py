"""`stagewatch top`: every instance in a table that is always current, in the manner of k9s."""

from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Input, Static

from monitor.client import Back, ClientError, Instance, Snapshot, Stagewatch
from monitor.client.mirror import Mirror
from monitor.client.words import ORDERS
from monitor.core.text import plain
from monitor.tui.cells import doubts
from monitor.tui.confirm import Confirm
from monitor.tui.page import Page
from monitor.tui.rows import COLUMNS, cells, chosen, headline

EVERY = 0.5  # seconds between two drawings


class Table(DataTable[Text]):
    """A table that tells its key."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "open")]


class Top(App[None]):
    """The table, over an entered client. `fault` says why it ended, when it was the daemon that stayed away."""

    TITLE = "stagewatch"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("slash", "filter", "filter", key_display="/", priority=True),  # before the next key is sent anywhere
        Binding("enter", "keep", show=False, priority=True),  # for the same reason
        Binding("escape", "clear", "all", show=False),
        Binding("s", "sort", "sort"),
        Binding("r", "reverse", "reverse"),
        Binding("f", "follow", "follow"),
        Binding("x", "stop", "stop"),
    ]
    CSS = """
    #head { height: 1; }
    #doubts { height: auto; }
    #filter { display: none; height: 1; border: none; padding: 0; }
    Table { height: 1fr; }
    """

    def __init__(self, daemon: Stagewatch, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._daemon = daemon
        self._now = now
        self._mirror = Mirror()
        self._words = ""
        self._order = 0
        self._reverse = False
        self._shown: list[str] = []
        self._head = Static(id="head")
        self._doubts = Static(id="doubts")
        self._table = Table(cursor_type="row")
        self._line = Input(placeholder="words that must occur; Enter keeps them, Escape drops them", id="filter")
        self.fault: ClientError | None = None

    def compose(self) -> ComposeResult:
        """What there is, what may be old, the table, where to type, the keys."""
        yield self._head
        yield self._doubts
        yield self._table
        yield self._line
        yield Footer()

    def on_mount(self) -> None:
        """Begin to listen and to draw."""
        self._table.add_columns(*((name, name) for name in COLUMNS))
        self._table.focus()
        self.set_interval(EVERY, self._draw)
        self.run_worker(self._listen(), exit_on_error=False)

    async def _listen(self) -> None:
        try:
            async with aclosing(self._daemon.feed().news()) as coming:
                async for news in coming:
                    self._mirror.take(news, self._now())
                    if isinstance(news, Snapshot | Back):
                        await self._mirror.ask_sources(self._daemon.sources)
                        self._draw()
        except ClientError as error:
            self._give_up(error)

    def _give_up(self, error: ClientError) -> None:
        self.fault = error
        self.exit()

    # --- drawing ---

    def _draw(self) -> None:
        now = self._now()
        at = self._mirror.away_since or now
        order = ORDERS[self._order]
        rows = chosen(self._mirror, self._words, order, at, reverse=self._reverse)
        told = f"{order}, reversed" if self._reverse else order
        self._head.update(headline(self._mirror, self._daemon.url, rows, told, self._words))
        above = doubts(self._mirror, now)
        self._doubts.update(Text("\n").join(above))
        self._doubts.display = bool(above)
        keys = [it.key for it in rows.instances]
        lines = [cells(it, at) for it in rows.instances]
        with self.batch_update():
            if keys == self._shown:
                self._change(keys, lines)
            else:
                self._replace(keys, lines)

    def _change(self, keys: list[str], lines: list[tuple[Text, ...]]) -> None:
        table = self._table
        for key, line in zip(keys, lines, strict=True):
            for column, cell in zip(COLUMNS, line, strict=True):
                if table.get_cell(key, column) != cell:
                    table.update_cell(key, column, cell, update_width=True)

    def _replace(self, keys: list[str], lines: list[tuple[Text, ...]]) -> None:
        """The cursor stays with its instance, and else where it is; at the top it stays there, where new ones come."""
        table = self._table
        under, row = self._under_cursor, table.cursor_row
        table.clear()
        for key, line in zip(keys, lines, strict=True):
            table.add_row(*line, key=key)
        self._shown = keys
        table.move_cursor(row=keys.index(under) if row and under in keys else min(row, max(0, len(keys) - 1)))

    @property
    def _under_cursor(self) -> str | None:
        row = self._table.cursor_row
        return self._shown[row] if 0 <= row < len(self._shown) else None

    @property
    def _instance(self) -> Instance | None:
        """The one that a key is about."""
        key = self.screen.key if isinstance(self.screen, Page) else self._under_cursor
        return self._mirror.instances.get(key) if key else None

    # --- what people do ---

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - textual's
        """What is about the list is not offered on an instance's page."""
        if action == "filter" and self._line.has_focus:
            return False  # a slash among others
        if action == "keep":
            return self._line.has_focus
        about_the_list = action in {"filter", "clear", "sort", "reverse"}
        return not (about_the_list and isinstance(self.screen, Page))

    def action_filter(self) -> None:
        """Begin to type."""
        self._line.display = True
        self.screen.set_focus(self._line)  # at once: who types quickly does not wait for the next turn of the loop

    @on(Input.Changed, "#filter")
    def _type(self, change: Input.Changed) -> None:
        self._words = change.value
        self._draw()

    def action_keep(self) -> None:
        """Typed: the keys are the table's again."""
        self._line.display = False
        self.screen.set_focus(self._table)

    def action_clear(self) -> None:
        """Show all again."""
        self._line.value = ""
        self.action_keep()

    def action_sort(self) -> None:
        """By the next order."""
        self._order = (self._order + 1) % len(ORDERS)
        self._draw()

    def action_reverse(self) -> None:
        """The other way round."""
        self._reverse = not self._reverse
        self._draw()

    @on(DataTable.RowSelected)
    def _show_whole(self) -> None:
        self._open(follow=False)

    def action_follow(self) -> None:
        """Show one at work."""
        self._open(follow=True)

    def _open(self, *, follow: bool) -> None:
        it = self._instance
        if it is not None:
            self.push_screen(Page(self._daemon, it, now=self._now, give_up=self._give_up, follow=follow))

    @work
    async def action_stop(self) -> None:
        """Have one ended, if a person says so twice."""
        it = self._instance
        if it is None:
            return
        if it.is_over:
            self.notify(f"{plain(it.key)} is over already: {it.phase}", severity="warning", markup=False)
            return
        if not await self.push_screen_wait(Confirm(f"Stop {plain(it.key)}?\n{plain(it.name)}")):
            return
        try:
            await self._daemon.stop(it.key)
        except ClientError as error:
            self.notify(plain(str(error)), severity="error", markup=False)
        else:
            self.notify(f"{plain(it.key)} was asked to stop", markup=False)
