"""Which task runs after which. Names are the nodes; `needs` maps each to the names it waits for."""

from collections.abc import Collection, Iterable, Mapping

Needs = Mapping[str, tuple[str, ...]]


def predecessors(tasks: Iterable[str], dependencies: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Turn the service's `task: [those that wait for it]` round. Names of no task are left out."""
    needs: dict[str, dict[str, None]] = {name: {} for name in tasks}
    for first, waiting in dependencies.items():
        for name in waiting:
            if first in needs and name in needs:
                needs[name][first] = None
    return {name: tuple(firsts) for name, firsts in needs.items()}


def running_order(needs: Needs) -> tuple[str, ...]:
    """Every name behind all that it needs; else as they stand. Names in a cycle, and behind one, are left out."""
    missing = {name: len(firsts) for name, firsts in needs.items()}
    followers: dict[str, list[str]] = {name: [] for name in needs}
    for name, firsts in needs.items():
        for first in firsts:
            followers[first].append(name)
    ready = [name for name, count in missing.items() if count == 0]
    for name in ready:  # it grows while it is read
        for follower in followers[name]:
            missing[follower] -= 1
            if missing[follower] == 0:
                ready.append(follower)
    return tuple(ready)


def cycles(needs: Needs) -> tuple[tuple[str, ...], ...]:
    """Circles in which each waits for the one before it, and the first for the last; no name is in two of them, and
    without those in these circles no circle is left."""
    found = []
    rest = {name: list(firsts) for name, firsts in needs.items()}
    while rest := _stuck(rest):
        circle = _circle(rest)
        found.append(circle)
        rest = _without(rest, circle)
    return tuple(found)


def _stuck(needs: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """What can never run: what is in a circle, and what waits for one."""
    frozen = {name: tuple(firsts) for name, firsts in needs.items()}
    return _without(frozen, running_order(frozen))


def _without(needs: Mapping[str, Iterable[str]], names: Collection[str]) -> dict[str, list[str]]:
    gone = set(names)
    return {
        name: [first for first in firsts if first not in gone] for name, firsts in needs.items() if name not in gone
    }


def _circle(stuck: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Each of them waits for another one, so going back from any comes round."""
    way: dict[str, int] = {}
    at = next(iter(stuck))
    while at not in way:
        way[at] = len(way)
        at = stuck[at][0]
    circle = list(way)[way[at] :][::-1]
    written = {name: number for number, name in enumerate(stuck)}
    turn = circle.index(min(circle, key=written.__getitem__))  # shown from the one that is written first
    return (*circle[turn:], *circle[:turn])
