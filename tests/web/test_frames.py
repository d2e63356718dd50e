"""The feed's messages as values."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.events import Discovered
from monitor.core.filter import Filter
from monitor.core.model import Phase
from monitor.engine.board import Board
from monitor.storage.base import Record
from monitor.web import frames
from monitor.web.frames import After, Hello, News, Snapshot, Subscribe, Unsubscribe
from tests.web.desk import NOON, track


def test_a_subscription_is_read_as_written() -> None:
    """The contract's own example, field by field; what is left out asks for all."""
    asked = frames.read(
        '{"type": "subscribe", "id": "a", "filter": {"project": ["analytics"], "phase": ["running"]}, "detail": false,'
        ' "after": {"epoch": "b1946ac9", "seq": 700}}'
    )
    assert isinstance(asked, Subscribe)
    assert asked.wanted == Filter(project=frozenset({"analytics"}), phase=frozenset({Phase.RUNNING}))
    assert (asked.after, asked.detail, asked.limit) == (After("b1946ac9", 700), False, None)
    assert frames.read('{"type": "subscribe", "id": "a"}') == Subscribe("a")
    assert frames.read('{"type": "unsubscribe", "id": "a"}') == Unsubscribe("a")


JSON = st.recursive(st.none() | st.text(max_size=9) | st.integers(), lambda inner: st.lists(inner, max_size=3))


@given(st.text(max_size=30) | JSON.map(msgspec.json.encode).map(bytes.decode))
def test_anything_else_is_a_bad_frame_and_nothing_worse(text: str) -> None:
    """Whatever a client sends, reading it gives a request or the one error."""
    with pytest.raises(frames.BadFrameError, match=r"\w"):
        frames.read(text)


def test_only_the_last_part_of_a_snapshot_marks_a_place() -> None:
    """A reader that is torn from a snapshot must not resume behind it."""
    parts = [frames.snapshot(Snapshot("a", 7, (), last, 0)) for last in (False, True)]
    assert [part.mark for part in parts] == [None, 7]
    assert frames.say(Hello("e", 7, "0.1.0")).mark is None


def test_news_are_encoded_when_first_wanted_and_only_then() -> None:
    """Nobody listens: nothing is encoded. Many listen: it is the same frame."""
    now = track("i1")
    news = News(Record(7, Discovered(NOON, now.key), now), Board([now]))
    first = news.frame
    assert first is news.frame
    assert (first.mark, msgspec.json.decode(first.body)["event"]["instance"]["id"]) == (7, "i1")
