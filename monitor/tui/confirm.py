"""A question that must be answered before something is done that cannot be undone."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static


class Confirm(ModalScreen[bool]):
    """`y` is yes; anything else that a person may press in a hurry is no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,enter,q", "answer(False)", "no"),
    ]
    CSS = """
    Confirm { align: center middle; }
    Confirm Vertical { width: auto; max-width: 90%; height: auto; border: thick $error; padding: 1 2; }
    Confirm Static { width: auto; }
    """

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """The question alone."""
        with Vertical():
            yield Static(Text(f"{self._question}\n\ny: yes    n: no"))

    def action_answer(self, yes: bool) -> None:
        """Go with this answer."""
        self.dismiss(yes)
