"""`stagewatch watch`: a bar for each stage on a terminal, and the service's own progress lines anywhere else."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from rich.text import Text

from monitor.cli.asking import ask, print_json
from monitor.cli.screen import Screen, can_draw, now
from monitor.cli.waiting import find_all, finish, follow, say_whether_connected, told
from monitor.client import Back, ClientError, Instance, News, Outcome, Snapshot, Stagewatch, Wanted
from monitor.client.mirror import Mirror
from monitor.core.progress import format_stages
from monitor.core.text import plain
from monitor.tui.bars import Spans, draw
from monitor.tui.cells import doubts


def watch(url: str, keys: Sequence[str], *, seconds: float | None, patience: float, as_json: bool) -> NoReturn:
    """Show them until all have ended, then how. The process ends as that of `wait`."""

    async def look(daemon: Stagewatch) -> list[Outcome]:
        if can_draw() and not as_json:
            return await _draw(daemon, keys, seconds)
        return await _print(daemon, keys, seconds, as_json=as_json)

    finish(ask(url, look, patience=patience))


async def _draw(daemon: Stagewatch, keys: Sequence[str], seconds: float | None) -> list[Outcome]:
    states = await find_all(daemon, keys, seconds)
    mirror = Mirror(Wanted(key=frozenset(states)), states.values())
    spans = Spans()

    async def take(news: News) -> None:
        for key in mirror.take(news, now()):
            if one := mirror.instances.get(key):  # one that a daemon forgot stays on the screen as it was
                states[key] = one
                spans.look(one, now())
        if isinstance(news, Snapshot | Back):
            await mirror.ask_sources(daemon.sources)

    def lines(width: int, height: int) -> list[Text]:
        at = now()
        above = doubts(mirror, at)[: max(0, height - 2)]
        body = draw(list(states.values()), width, height - len(above), mirror.away_since or at, spans)
        if mirror.away:
            for line in body:
                line.stylize("dim")
        return [*above, *body]

    for one in states.values():
        spans.look(one, now())
    outcomes: list[Outcome] = []
    with Screen(lines):
        await follow(daemon, states, seconds=seconds, detail=True, status=take, ended=outcomes.append)
        with suppress(ClientError):  # their last state, with the text of a failure, as far as it can still be had
            for key in states:
                states[key] = await daemon.instance(key)
    for outcome in outcomes:
        _say(daemon, outcome)
    return outcomes


async def _print(daemon: Stagewatch, keys: Sequence[str], seconds: float | None, *, as_json: bool) -> list[Outcome]:
    states = await find_all(daemon, keys, seconds)
    mirror = Mirror(Wanted(key=frozenset(states)), states.values())
    said: dict[str, str] = {}

    def show(one: Instance) -> None:
        if as_json:
            print_json(one)
            return
        stages = "\t".join(plain(format_stages([stage])) for stage in one.stages)
        if stages and said.get(one.key) != stages:
            said[one.key] = stages
            who = f"{one.id} " if len(states) > 1 else ""
            print(f"{plain(who)}{(one.stages_at or now()).astimezone():%Y-%m-%d %H:%M:%S} {stages}", flush=True)

    def take(news: News) -> None:
        say_whether_connected(news)
        for key in sorted(mirror.take(news, now())):
            if one := mirror.instances.get(key):
                show(one)

    def ended(outcome: Outcome) -> None:
        if not as_json:
            _say(daemon, outcome)

    for one in states.values():
        show(one)
    return await follow(daemon, states, seconds=seconds, detail=True, status=take, ended=ended)


def _say(daemon: Stagewatch, outcome: Outcome) -> None:
    print(told(outcome))
    print(f"  {daemon.logview_link(outcome.key)}", flush=True)
