"""Who looks at what."""

from monitor.engine.attention import Attention
from tests.engine.scripted import key


def test_the_first_watcher_is_told_of_the_last_one_forgotten() -> None:
    """Two watchers of one key: listeners hear of it once, and it is watched until both have gone."""
    attention, told = Attention(), []
    attention.when_watched(told.append)
    attention.add(key("i"))
    attention.add(key("i"))
    attention.discard(key("i"))
    assert key("i") in attention
    attention.discard(key("i"))
    assert key("i") not in attention
    assert told == [key("i")]


def test_everybody_who_wants_to_know_is_told() -> None:
    """Each poller has its own listener."""
    attention, first, second = Attention(), [], []
    attention.when_watched(first.append)
    attention.when_watched(second.append)
    with attention.on(key("i")):
        assert key("i") in attention
    assert first == second == [key("i")]


def test_a_watcher_that_fails_leaves() -> None:
    """The block ends by an error: nobody watches any more, and the next look is a first one again."""
    attention, told = Attention(), []
    attention.when_watched(told.append)
    for _ in range(2):
        try:
            with attention.on(key("i")):
                raise ConnectionError
        except ConnectionError:
            pass
    assert key("i") not in attention
    assert told == [key("i"), key("i")]


def test_discarding_too_often_does_no_harm() -> None:
    """A discard without an add leaves no debt behind."""
    attention = Attention()
    attention.discard(key("i"))
    attention.add(key("i"))
    assert key("i") in attention
