"""Foreign text in a terminal: how wide it is, what colour, and how old."""

from datetime import datetime

from rich.cells import set_cell_size
from rich.text import Text

from monitor.client import Phase
from monitor.client.mirror import Mirror
from monitor.client.words import span
from monitor.core.text import plain

COLOURS = {
    Phase.FAILED: "bold red",
    Phase.LOST: "magenta",
    Phase.CANCELLED: "yellow",
    Phase.SUSPENDED: "yellow",
    Phase.RUNNING: "cyan",
    Phase.SUCCEEDED: "green",
    Phase.WAITING: "",
}


def cell(text: str, width: int) -> str:
    """Foreign text in exactly so many columns: Chinese letters take two."""
    return set_cell_size(plain(text), max(0, width))


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
