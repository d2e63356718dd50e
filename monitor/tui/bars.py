"""Instances and their stages as lines of a terminal: what runs is shown, the rest is summed up."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import Struct
from rich.cells import cell_len
from rich.text import Text

from monitor.client import Instance, Phase, Stage
from monitor.client.words import percent, reason, span, workers
from monitor.core.text import clip, plain
from monitor.tui.cells import COLOURS, cell

FULL, EMPTY = "━", "─"
LEAST_BAR = 10  # columns: less would show nothing
NARROW = 60  # columns: without room for a bar


class Span(Struct):
    """When a stage was seen at work. `sure` says that its beginning was seen, and not only its middle."""

    began: datetime
    sure: bool
    ended: datetime | None = None


class Spans:
    """How long stages have worked, as far as somebody watched: the services do not tell."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int, str, str], Span | None] = {}

    def look(self, it: Instance, now: datetime) -> None:
        """Take a state in."""
        for task in it.tasks:
            for stage in task.stages:
                place = (it.key, it.attempt, task.name, stage.name)
                at_work = stage.running > 0 or stage.terminated > 0
                known = self._seen.get(place)
                if known is None:
                    new = place not in self._seen
                    done = stage.is_finished or it.is_over
                    self._seen[place] = Span(now, sure=not new) if at_work and not (new and done) else None
                elif known.ended is None and (stage.is_finished or it.is_over):
                    known.ended = now

    def tell(self, it: Instance, task: str, stage: str, now: datetime) -> str:
        """`35s`; `>35s` if it was at work before somebody watched; empty if nothing was seen of it."""
        known = self._seen.get((it.key, it.attempt, task, stage))
        if known is None:
            return ""
        return ("" if known.sure else ">") + span(((known.ended or now) - known.began).total_seconds())


class Row(Struct, frozen=True):
    """A stage and its task's name."""

    task: str
    stage: Stage


def draw(instances: Sequence[Instance], width: int, height: int, now: datetime, spans: Spans) -> list[Text]:
    """At most `height` lines of `width` columns: each instance with its stages, as many as fit."""
    shown = _most_telling(instances, height)
    left_out = len(instances) - len(shown)
    room = height - (1 if left_out else 0)
    rows = {it.key: [Row(task.name, stage) for task in it.tasks for stage in task.stages] for it in shown}
    shares = _shares(
        [len(rows[it.key]) for it in shown], room - len(shown) - sum(it.failure is not None for it in shown)
    )
    lines: list[Text] = []
    for it, share in zip(shown, shares, strict=True):
        lines.append(_head(it, now))
        if it.failure is not None:
            lines.append(Text(plain(f"  {clip(reason(it.failure), width)}"), "red"))
        lines += _stages(it, rows[it.key], width=width, room=share, now=now, spans=spans)
    if left_out:
        counts = Counter(str(it.phase) for it in instances) - Counter(str(it.phase) for it in shown)
        lines.append(Text(f"and {left_out} more: {_counted(counts)}", "dim"))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines[:height]


def _most_telling(instances: Sequence[Instance], height: int) -> list[Instance]:
    """All, or, where they do not fit, first those that run; in the order in which they were asked for."""
    if len(instances) <= height:
        return list(instances)
    by_weight = sorted(instances, key=lambda it: (it.is_over, it.phase is not Phase.RUNNING))
    chosen = {it.key for it in by_weight[: max(0, height - 1)]}
    return [it for it in instances if it.key in chosen]


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    """How many rows each gets: as many as it wants, and where that is too much, all nearly the same."""
    given = [0] * len(wanted)
    while room > 0 and (hungry := [at for at, most in enumerate(wanted) if given[at] < most]):
        for at in hungry[:room]:
            given[at] += 1
        room -= len(hungry)
    return given


def _head(it: Instance, now: datetime) -> Text:
    parts = [
        (plain(it.key), "bold"),
        (str(it.phase), COLOURS[it.phase]),
        (percent(it.progress), ""),
        (span(it.duration(now)) if it.started_at else "", ""),
        (f"attempt {it.attempt}" if it.attempt > 1 else "", "yellow"),
        (", ".join(it.verdicts), "yellow"),
        (_queued(it), ""),
        (plain(it.name), "dim"),
    ]
    return Text("  ").join(Text(text, style) for text, style in parts if text)


def _queued(it: Instance) -> str:
    if it.queue is None or it.phase is not Phase.WAITING or it.queue.position is None:
        return ""
    return f"{it.queue.position} in the queue" + (f" of {it.queue.length}" if it.queue.length is not None else "")


def _stages(it: Instance, rows: Sequence[Row], *, width: int, room: int, now: datetime, spans: Spans) -> Iterator[Text]:
    shown = rows
    if len(rows) > room:
        by_weight = sorted(range(len(rows)), key=lambda at: _weight(rows[at].stage))
        chosen = frozenset(by_weight[: max(0, room - 1)])
        shown = [row for at, row in enumerate(rows) if at in chosen]
    names = min(max((cell_len(plain(row.stage.name)) for row in shown), default=0), max(10, width * 3 // 10))
    for row in shown:
        elapsed = spans.tell(it, row.task, row.stage.name, now)
        yield _bar(row.stage, names, width, elapsed, _colour(row.stage, it))
    if len(shown) < len(rows) and room > 0:
        chosen_rows = set(map(id, shown))
        rest = Counter(_state(row.stage) for row in rows if id(row) not in chosen_rows)
        yield Text(f"  and {len(rows) - len(shown)} more: {_counted(rest)}", "dim")


def _weight(stage: Stage) -> int:
    """What runs comes first, then what has begun, what waits, and what is done."""
    return ("running", "begun", "waiting", "done").index(_state(stage))


def _state(stage: Stage) -> str:
    if stage.running > 0:
        return "running"
    if stage.is_finished:
        return "done"
    return "begun" if stage.terminated > 0 else "waiting"


def _colour(stage: Stage, it: Instance) -> str:
    if stage.failed:
        return "red"
    if it.is_over and not stage.is_finished:
        return "dim"
    return {"running": "cyan", "begun": "cyan", "done": "green", "waiting": "dim"}[_state(stage)]


def _bar(stage: Stage, names: int, width: int, elapsed: str, colour: str) -> Text:
    line = Text(f"  {cell(stage.name, names)} ")
    if width >= NARROW:
        length = max(LEAST_BAR, (width - names) // 4)
        full = int((stage.ratio or 0) * length)
        line.append(FULL * full, colour)
        line.append(EMPTY * (length - full), "dim")
    share = percent(stage.ratio) or plain(stage.status or "")
    line.append(f" {share:>4} {elapsed:>7}  ")
    return line.append(workers(stage), "red" if stage.failed else "")


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.most_common())
