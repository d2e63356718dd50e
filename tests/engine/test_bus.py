"""The bus: everybody hears everything in order, and whoever was away briefly can be told what they missed."""

from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from monitor.core.events import Removed
from monitor.engine.bus import REMEMBERED, Bus
from monitor.storage.base import Record
from tests.engine.scripted import key, moment


def records(first: int, last: int) -> list[Record]:
    return [Record(seq, Removed(moment(seq), key(f"{seq}")), None) for seq in range(first, last + 1)]


def seqs(replayed: Sequence[Record] | None) -> list[int] | None:
    return None if replayed is None else [record.seq for record in replayed]


def test_since_tells_what_came_after() -> None:
    """From where it began to now, both ends included; nothing is missing and nothing told twice."""
    bus = Bus("e", 100)
    bus.publish(records(101, 103))
    bus.publish(records(104, 110))
    assert seqs(bus.since("e", 100)) == list(range(101, 111))
    assert seqs(bus.since("e", 103)) == list(range(104, 111))
    assert seqs(bus.since("e", 110)) == []
    assert bus.seq == 110


@pytest.mark.parametrize(("epoch", "seq"), [("other", 105), ("e", 99), ("e", 111), ("e", -1)])
def test_since_says_when_it_cannot_tell(epoch: str, seq: int) -> None:
    """Another epoch, before the start, the future: None, so that a snapshot is sent instead."""
    bus = Bus("e", 100)
    bus.publish(records(101, 110))
    assert bus.since(epoch, seq) is None


def test_since_says_when_it_has_forgotten() -> None:
    """Behind the remembered ones lies the last number from which a replay is whole."""
    bus = Bus("e", 0)
    bus.publish(records(1, REMEMBERED))
    assert seqs(bus.since("e", 0)) == list(range(1, REMEMBERED + 1))
    bus.publish(records(REMEMBERED + 1, REMEMBERED + 5))
    assert bus.since("e", 4) is None
    assert seqs(bus.since("e", 5)) == list(range(6, REMEMBERED + 6))
    assert len(bus._recent) == REMEMBERED


def test_a_batch_larger_than_the_memory() -> None:
    """Its end is remembered, and the bus says from where a replay is whole."""
    bus = Bus("e", 0)
    bus.publish(records(1, 10))
    bus.publish(records(11, REMEMBERED + 30))
    assert bus.since("e", 29) is None
    assert seqs(bus.since("e", 30)) == list(range(31, REMEMBERED + 31))


def test_a_batch_without_records_is_no_news() -> None:
    """Nobody is called, and the sequence stays where it was."""
    bus, calls = Bus("e", 7), []
    with bus.listening(calls.append):
        bus.publish(())
    assert calls == []
    assert bus.seq == 7


def test_everybody_hears_every_batch_in_order() -> None:
    """Two listeners hear the same; one that leaves hears no more, one that comes hears what follows."""
    bus, first, second = Bus("e", 0), [], []
    with bus.listening(first.extend):
        bus.publish(records(1, 2))
        with bus.listening(second.extend):
            bus.publish(records(3, 4))
        bus.publish(records(5, 5))
    bus.publish(records(6, 6))
    assert seqs(first) == [1, 2, 3, 4, 5]
    assert seqs(second) == [3, 4]


def test_the_same_listener_may_listen_twice() -> None:
    """Two subscriptions of one function are two; ending one leaves the other."""
    bus, heard = Bus("e", 0), []
    with bus.listening(heard.extend):
        with bus.listening(heard.extend):
            bus.publish(records(1, 1))
        bus.publish(records(2, 2))
    assert seqs(heard) == [1, 1, 2]


def test_leaving_while_a_batch_is_published() -> None:
    """Listeners that leave, or make others leave, or come in the middle of a batch: whoever left is not called again,
    whoever came hears the next one, and nobody else misses anything."""
    bus, heard = Bus("e", 0), []
    with ExitStack() as victim, ExitStack() as late, ExitStack() as stack:

        def cut(batch: Sequence[Record]) -> None:
            heard.append(("cut", batch[0].seq))
            victim.close()
            if batch[0].seq == 1:
                late.enter_context(bus.listening(lambda b: heard.append(("late", b[0].seq))))

        stack.enter_context(bus.listening(cut))
        victim.enter_context(bus.listening(lambda b: heard.append(("victim", b[0].seq))))
        stack.enter_context(bus.listening(lambda b: heard.append(("last", b[0].seq))))
        bus.publish(records(1, 1))
        bus.publish(records(2, 2))
    assert heard == [("cut", 1), ("last", 1), ("cut", 2), ("last", 2), ("late", 2)]
