"""The table of `top` as values: which instances, in which order, and what stands in each column."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct
from rich.text import Text

from monitor.client import Instance
from monitor.client.mirror import Mirror
from monitor.client.words import in_order, percent, reason, span
from monitor.core.text import clip, plain
from monitor.tui.cells import COLOURS

COLUMNS = ("PHASE", "%", "TIME", "INSTANCE", "OWNER", "NAME", "WHY")
MOST = 500  # rows: who looks for more narrows the list
LONGEST = 60  # letters of a cell, so that no name pushes the others out of sight


class Rows(Struct, frozen=True):
    """What is shown, and how much there is."""

    instances: Sequence[Instance]
    matching: int
    known: int


def chosen(mirror: Mirror, words: str, order: str, now: datetime, *, reverse: bool = False) -> Rows:
    """Those in which all words occur, sorted, and no more than MOST."""
    wanted = words.casefold().split()
    matching = [it for it in mirror.instances.values() if not wanted or _mentions(it, wanted)]
    ordered = in_order(matching, order, now)
    if reverse:
        ordered.reverse()
    return Rows(ordered[:MOST], len(matching), len(mirror.instances))


def _mentions(it: Instance, words: Iterable[str]) -> bool:
    text = f"{it.key} {it.name} {it.owner} {it.phase} {it.failure.code if it.failure else ''}".casefold()
    return all(word in text for word in words)


def cells(it: Instance, now: datetime) -> tuple[Text, ...]:
    """What stands in each of COLUMNS."""
    why = reason(it.failure) or ", ".join(it.verdicts)
    texts = (
        str(it.phase),
        f"{percent(it.progress):>4}",
        f"{span(it.duration(now)):>8}",
        it.key,
        it.owner,
        it.name,
        why,
    )
    colour = COLOURS[it.phase]
    return tuple(Text(plain(clip(text, LONGEST)), colour if at == 0 else "") for at, text in enumerate(texts))


def headline(mirror: Mirror, url: str, rows: Rows, order: str, words: str) -> Text:
    """How the list is cut and sorted, what there is in each phase, and where this comes from: in this order, because a
    list that is cut and does not say so looks whole."""
    counts = Counter(str(it.phase) for it in mirror.instances.values())
    told = ", ".join(f"{count} {phase}" for phase, count in counts.most_common()) or "nothing yet"
    line = Text()
    if words:
        line.append(f"/{plain(words)} ({rows.matching})  ", "bold cyan")
    if len(rows.instances) < rows.matching:
        line.append(f"first {len(rows.instances)} ", "bold")
    line.append(f"by {order}  ", "dim")
    line.append(f"{rows.known} instances: {told}", "bold")
    return line.append(f"  {plain(url)}", "dim")
