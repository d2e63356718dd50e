"""The public JSON of events."""

import msgspec

from monitor.core import events
from monitor.core.model import Phase
from monitor.storage.base import Record
from monitor.web import wire, wire_events
from tests.web.desk import NOON, key, moved, track


def test_every_event_of_the_core_has_a_shape_of_the_same_kind() -> None:
    """The kind is one word inside and outside, so no event can be forgotten here."""
    inside = {kind.__struct_config__.tag for kind in events.AnyEvent.__args__}
    outside = {kind.__struct_config__.tag for kind in wire_events.AnyEvent.__args__}
    assert inside == outside


def test_a_history_has_numbers_and_no_states() -> None:
    """Where events stand in a list of their own, the sequence number is beside the kind and `instance` is left out."""
    record = Record(7, moved(track("i1", Phase.WAITING), track("i1")), None)
    shown = msgspec.json.decode(wire.encode(wire_events.event(record, msgspec.UNSET, seq=record.seq)))
    assert (shown["kind"], shown["seq"], shown["from"], shown["to"]) == ("phase", 7, "waiting", "running")
    assert "instance" not in shown


def test_what_is_forgotten_is_null() -> None:
    """In the feed the instance of a removal is there, as nothing."""
    shown = msgspec.json.decode(wire.encode(wire_events.event(Record(7, events.Removed(NOON, key("i1")), None), None)))
    assert shown == {"kind": "removed", "at": "2016-05-19T12:00:00Z", "key": "warehouse/analytics/i1", "instance": None}
