"""The picture of the state machine, drawn from its table so that it cannot drift from it."""

from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import product

from monitor.core.model import LIVE, TERMINAL, Phase

MARKERS = "<!-- transitions -->\n", "<!-- /transitions -->\n"  # the picture stands between them
GROUPS: dict[str, Set[Phase]] = {"live": LIVE, "ended": TERMINAL, "lost": {Phase.LOST}}


def draw(transitions: Mapping[Phase, Set[Phase]]) -> str:
    """A Mermaid state diagram in a fence. An arrow between groups stands for one from each member to each."""
    return "\n".join(["```mermaid", "stateDiagram-v2", *_lines(transitions), "```"]) + "\n"


def _lines(transitions: Mapping[Phase, Set[Phase]]) -> Iterator[str]:
    for name, group in GROUPS.items():
        inside = _arrows(transitions, group, group)
        if len(group) > 1:
            yield f"    state {name} {{"
            yield from (f"        {line}" for line in inside or _in_order(group))
            yield "    }"
    for (name, group), (other_name, other) in product(GROUPS.items(), repeat=2):
        if group is other:
            continue
        arrows = _arrows(transitions, group, other)
        everyone = len(arrows) == len(group) * len(other)
        yield from (f"    {line}" for line in ([f"{name} --> {other_name}"] if everyone else arrows))


def _arrows(transitions: Mapping[Phase, Set[Phase]], group: Set[Phase], other: Set[Phase]) -> list[str]:
    return [
        f"{before} --> {after}"
        for before, after in product(_in_order(group), _in_order(other))
        if after in transitions[before]
    ]


def _in_order(phases: Iterable[Phase]) -> list[Phase]:
    return sorted(phases, key=list(Phase).index)
