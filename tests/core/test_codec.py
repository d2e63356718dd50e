"""The stored form of records."""

from datetime import UTC, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from monitor.core.alerting import Alert
from monitor.core.codec import decode_alert, decode_event, decode_track, encode
from monitor.core.events import AnyEvent, PhaseChanged
from monitor.core.model import InstanceKey, Phase, Stage, Task, Track

AT = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
KEY = InstanceKey("warehouse", "analytics", "i1")

# What the stored form can hold: text that is Unicode, times in UTC, integers of 64 bits, and numbers that are numbers.
PLAIN: dict[object, st.SearchStrategy[object]] = {
    str: st.text(max_size=20),
    datetime: st.datetimes(timezones=st.just(UTC)),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    NoneType: st.none(),
}


def any_of(kind: object) -> st.SearchStrategy[Any]:
    """Values of a type, down to the fields of its fields."""
    origin, inside = get_origin(kind), [any_of(part) for part in get_args(kind) if part is not ...]
    if kind in PLAIN:
        return PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return st.builds(kind, **{field.name: any_of(field.type) for field in fields(kind)})
    if origin in (tuple, frozenset):
        return st.lists(*inside, max_size=3).map(origin)
    if origin is dict:
        return st.dictionaries(*inside, max_size=3)
    assert origin in (Union, UnionType), f"no values of {kind}"
    return st.one_of(inside)


@settings(max_examples=30)
@given(any_of(Track))
def test_every_track_comes_back(track: Track) -> None:
    """Equal in every field."""
    assert decode_track(encode(track)) == track


@pytest.mark.parametrize("kind", get_args(AnyEvent), ids=lambda kind: kind.__name__)
@settings(max_examples=30)
@given(st.data())
def test_every_event_comes_back(kind: type[AnyEvent], data: st.DataObject) -> None:
    """Equal, and of the same kind."""
    event = data.draw(any_of(kind))
    back = decode_event(encode(event))
    assert type(back) is kind
    assert back == event


@settings(max_examples=30)
@given(any_of(Alert))
def test_every_alert_comes_back(alert: Alert) -> None:
    """Equal in every field."""
    assert decode_alert(encode(alert)) == alert


def test_fields_are_stored_by_name() -> None:
    """So that a later release may add fields, with a default, and move them about."""
    stored = msgspec.msgpack.decode(encode(PhaseChanged(AT, KEY, None, Phase.FAILED, 2)))
    key = {"source": "warehouse", "project": "analytics", "id": "i1"}
    assert stored == {"kind": "phase", "at": AT, "key": key, "before": None, "after": "failed", "attempt": 2}


def test_a_field_of_a_later_release_is_passed_over() -> None:
    """And a field that an earlier release did not write has its default."""
    stored = {"key": KEY, "kind": "maxcompute", "phase": "running", "from_a_later_release": {"a": [1]}}
    assert decode_track(msgspec.msgpack.encode(stored)) == Track(KEY, "maxcompute", Phase.RUNNING)


def test_what_was_stored_before_there_were_failed_workers_comes_back() -> None:
    """Tasks, stages and tracks of a database that an earlier release wrote."""
    stage = {"name": "M1", "running": 0, "terminated": 1, "total": 1}
    task = {"name": "Copy", "stages": [stage]}
    stored = {"key": KEY, "kind": "maxcompute", "phase": "succeeded", "attempt": 1, "tasks": [task]}
    track = decode_track(msgspec.msgpack.encode(stored))
    assert track.tasks == (Task("Copy", stages=(Stage("M1", 0, 1, 1),)),)
    assert not track.partial_failure


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        encode(Track(KEY, "maxcompute", Phase.RUNNING))[:-1],
        msgspec.msgpack.encode({"key": KEY, "kind": "maxcompute", "phase": "Terminated"}),
        msgspec.msgpack.encode({"kind": "unheard of", "at": AT}),
    ],
    ids=["empty", "not msgpack", "truncated", "unknown phase", "unknown event"],
)
def test_anything_else_is_a_decode_error(data: bytes) -> None:
    """One kind of error, whatever is wrong."""
    for decode in (decode_track, decode_event, decode_alert):
        with pytest.raises(msgspec.DecodeError):
            decode(data)
