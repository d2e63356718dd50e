"""Foreign text in a terminal."""

from datetime import timedelta

import pytest
from rich.cells import cell_len

from monitor.client.feed import Away
from monitor.client.mirror import Mirror
from monitor.tui.cells import cell, doubts
from tests.web.desk import NOON


@pytest.mark.parametrize(
    ("text", "width"), [("short", 10), ("much too long", 4), ("中文名字", 5), ("a\x1b[31mb", 12), ("", 3)]
)
def test_cells(text: str, width: int) -> None:
    """Exactly so many columns, whatever the letters; nothing that a terminal would obey."""
    shown = cell(text, width)
    assert cell_len(shown) == width
    assert shown.isprintable()


def test_no_doubts() -> None:
    """Nothing is said while everything is fresh."""
    assert doubts(Mirror(), NOON) == []


def test_doubts() -> None:
    """Since when the daemon cannot be heard, and which projects do not answer it."""
    mirror = Mirror()
    mirror.silent["warehouse", "demo"] = "timeout:\nno answer"
    mirror.take(Away("it stopped"), NOON)
    away, silent = [line.plain for line in doubts(mirror, NOON + timedelta(seconds=95))]
    assert away == f"reconnecting for 1:35; shown as of {NOON.astimezone():%H:%M:%S}: it stopped"
    assert silent == r"warehouse/demo does not answer the daemon, shown as last seen: timeout:\nno answer"
