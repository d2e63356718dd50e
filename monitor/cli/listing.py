"""`stagewatch ls`: every instance in a line, once or as it changes."""

from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime

import msgspec
from rich.text import Text

from monitor.cli.asking import ask
from monitor.cli.screen import Screen, can_draw, now
from monitor.cli.waiting import say_whether_connected
from monitor.client import Back, Instance, Snapshot, Stagewatch, Wanted
from monitor.client.mirror import Mirror
from monitor.client.words import in_order, percent, reason, span
from monitor.core.text import clip, plain
from monitor.tui.cells import COLOURS, doubts

LONGEST_REASON = 80


def print_instances(url: str, filters: Mapping[str, str], *, order: str | None, as_json: bool) -> None:
    """One line each: newest first, as they come, or sorted."""

    async def show(daemon: Stagewatch) -> None:
        found = daemon.instances(**filters)
        if order is None:
            async for instance in found:
                print(_told(instance, as_json=as_json))
        else:
            for instance in in_order([one async for one in found], order, now()):
                print(_told(instance, as_json=as_json))

    ask(url, show)


def watch_instances(url: str, filters: Mapping[str, str], *, order: str | None, as_json: bool) -> None:
    """The list as it changes, until interrupted; a line for each change where nobody looks at a terminal."""
    wanted = Wanted.of(**filters)
    mirror = Mirror(wanted)
    drawing = can_draw() and not as_json
    said: dict[str, str] = {}

    def tell(instance: Instance) -> None:
        line = _told(instance, as_json=as_json)
        if said.get(instance.key) != line:
            said[instance.key] = line
            print(line, flush=True)

    async def listen(daemon: Stagewatch) -> None:
        async with aclosing(daemon.feed(wanted).news()) as coming:
            async for news in coming:
                changed = mirror.take(news, now())
                if isinstance(news, Snapshot | Back):
                    await mirror.ask_sources(daemon.sources)
                if not drawing:
                    say_whether_connected(news)
                    for key in changed - mirror.instances.keys():
                        said.pop(key, None)
                    known = [mirror.instances[key] for key in changed & mirror.instances.keys()]
                    for instance in in_order(known, order or "newest", now()):
                        tell(instance)

    async def show(daemon: Stagewatch) -> None:
        if drawing:
            with Screen(lambda width, height: _lines(mirror, order or "newest", width, height, now())):
                await listen(daemon)
        else:
            await listen(daemon)

    ask(url, show)


def _told(instance: Instance, *, as_json: bool) -> str:
    return msgspec.json.encode(instance).decode() if as_json else _row(instance).plain


def _lines(mirror: Mirror, order: str, width: int, height: int, at: datetime) -> list[Text]:
    instances = mirror.instances.values()
    counts = Counter(it.phase for it in instances)
    head = f"{len(instances)} instances: " + ", ".join(f"{count} {phase}" for phase, count in counts.most_common())
    lines = [*doubts(mirror, at)[: max(0, height - 2)], Text(head, "bold")]
    room = height - len(lines)
    ordered = in_order(instances, order, mirror.away_since or at)
    shown = ordered if len(ordered) <= room else ordered[: max(0, room - 1)]
    for it in shown:
        line = _row(it)
        if mirror.away:
            line.stylize("dim")
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    if len(shown) < len(ordered):
        lines.append(Text(f"and {len(ordered) - len(shown)} more", "dim"))
    return lines


def _row(it: Instance) -> Text:
    took = span(it.duration()) if it.ended_at else ""
    why = clip(reason(it.failure), LONGEST_REASON)
    line = Text(f"{it.phase:<10}", COLOURS[it.phase])
    told = "  ".join(text for text in (it.key, it.owner, it.name, took, why) if text)
    return line.append(f" {percent(it.progress) or '-':>4}  {plain(told)}", "default")
