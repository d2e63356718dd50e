"""Which task runs after which."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.batchcompute.description.order import cycles, predecessors, running_order

nodes = st.sampled_from("abcdefgh")
graphs = st.dictionaries(nodes, st.lists(nodes, max_size=4))


def test_the_services_way_round() -> None:
    """It says who waits for a task; a name that stands twice counts once, and unknown names not at all."""
    needs = predecessors(
        ["split", "one", "two", "merge"], {"split": ["one", "two"], "one": ["merge"], "two": ["merge"]}
    )
    assert needs == {"split": (), "one": ("split",), "two": ("split",), "merge": ("one", "two")}
    assert predecessors(["a", "b"], {"a": ["b", "b", "x"], "x": ["a"]}) == {"a": (), "b": ("a",)}


def test_order_as_written_where_it_is_free() -> None:
    """What is ready together runs in the order it is written in."""
    assert running_order({"merge": ("two", "one"), "two": (), "one": ()}) == ("two", "one", "merge")


def test_circles_are_shown_in_running_direction() -> None:
    """Each waits for the one before it; who only waits for a circle is not in it."""
    needs = predecessors(["split", "count", "merge"], {"split": ["count"], "count": ["merge", "split"]})
    assert cycles(needs) == (("split", "count"),)
    assert cycles({"a": ("a",), "b": ("c", "a"), "c": ("b",), "d": ()}) == (("a",), ("b", "c"))


def test_a_long_chain() -> None:
    """Thousands of tasks in a row are no burden."""
    names = [str(number) for number in range(20_000)]
    needs = predecessors(names, dict(zip(names, ([name] for name in names[1:]), strict=False)))
    assert running_order(needs) == tuple(names)
    assert cycles({**needs, "0": (names[-1],)}) == (tuple(names),)


def test_thousands_of_circles() -> None:
    """Are found in one go: who submits nonsense keeps nobody waiting."""
    names = [str(number) for number in range(20_000)]
    pairs = [(names[at], names[at + 1]) for at in range(0, len(names), 2)]
    assert cycles({name: (other,) for pair in pairs for name, other in (pair, pair[::-1])}) == tuple(pairs)


@given(graphs)
def test_all_run_or_a_circle_is_found(dependencies: dict[str, list[str]]) -> None:
    """Whoever runs does so behind all that it needs; if somebody cannot, a real circle is shown."""
    needs = predecessors("abcdefgh", dependencies)
    order = running_order(needs)
    for at, name in enumerate(order):
        assert set(needs[name]) <= set(order[:at])
    found = cycles(needs)
    assert bool(found) == (len(order) < len(needs))
    for circle in found:
        assert all(first in needs[name] for first, name in zip(circle, (*circle[1:], circle[0]), strict=True))
    gone = {name for circle in found for name in circle}
    rest = {name: tuple(set(firsts) - gone) for name, firsts in needs.items() if name not in gone}
    assert len(running_order(rest)) == len(rest)
