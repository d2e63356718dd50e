"""The public JSON of events."""

import msgspec

from monitor.core import events
from monitor.core.model import Phase, Stage, Task
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
    shown = msgspec.json.decode(wire.encode(wire_events.event(record, msgspec.UNSET, track=None, seq=record.seq)))
    assert (shown["kind"], shown["seq"], shown["from"], shown["to"]) == ("phase", 7, "waiting", "running")
    assert "instance" not in shown


def test_what_is_forgotten_is_null() -> None:
    """In the feed the instance of a removal is there, as nothing."""
    record = Record(7, events.Removed(NOON, key("i1")), None)
    shown = msgspec.json.decode(wire.encode(wire_events.event(record, None, track=None)))
    assert shown == {"kind": "removed", "at": "2016-05-19T12:00:00Z", "key": "warehouse/analytics/i1", "instance": None}


def test_a_stage_that_is_a_task_is_not_read_by_its_name() -> None:
    """Its place in the instance is known as long as the instance is; after that the name is all there is."""
    tasks = (Task("split"), Task("R2_1", stages=(Stage("R2_1", 0, 3, 3),), depends_on=("split",)))
    done = track("i1", kind="batchcompute", tasks=tasks)
    event = events.StageFinished(NOON, done.key, "R2_1", tasks[1].stages[0])
    known = wire_events.event(Record(7, event, done), msgspec.UNSET, track=done)
    forgotten = wire_events.event(Record(7, event, None), msgspec.UNSET, track=None)
    assert isinstance(known, wire_events.StageFinished)
    assert isinstance(forgotten, wire_events.StageFinished)
    assert (known.stage.kind, known.stage.id, known.stage.depends_on) == (None, 2, (1,))
    assert (forgotten.stage.kind, forgotten.stage.id, forgotten.stage.depends_on) == ("R", 2, (1,))


def test_a_partial_failure_says_how_many() -> None:
    """Of how many is null where the service did not tell."""
    record = Record(7, events.PartiallyFailed(NOON, key("i1"), failed=2, workers=None), None)
    shown = msgspec.json.decode(wire.encode(wire_events.event(record, msgspec.UNSET, track=None)))
    assert (shown["kind"], shown["failed_workers"], shown["workers"]) == ("partial_failure", 2, None)
