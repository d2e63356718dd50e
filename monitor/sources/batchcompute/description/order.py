"""Which task runs after which. Names are the nodes; `needs` maps each to the names it waits for."""

from collections.abc import Iterable, Mapping

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
    written = {name: number for number, name in enumerate(needs)}
    rest = {
        name: iter(firsts) for name, firsts in needs.items()
    }  # what is in no circle found so far, and may be in one
    found = []
    for start in needs:
        way = {start: None} if start in rest else {}  # back from there: each waits for the next one
        while way:
            at = next(reversed(way))
            first = next((name for name in rest[at] if name in rest), None)
            if first is None:
                del way[at], rest[at]
            elif first not in way:
                way[first] = None
            else:
                circle = [way.popitem()[0]]
                while circle[-1] != first:
                    circle.append(way.popitem()[0])
                for name in circle:
                    del rest[name]
                turn = circle.index(min(circle, key=written.__getitem__))  # shown from the one that is written first
                found.append((*circle[turn:], *circle[:turn]))
    return tuple(found)
