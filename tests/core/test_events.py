from typing import get_args

import pytest

from monitor.core.events import AnyEvent, Event, ProgressMoved


def leaves(kind: type[Event]) -> set[type[Event]]:
    """All events of this kind that are made."""
    below = {leaf for child in kind.__subclasses__() for leaf in leaves(child)}
    return below or {kind}


def test_every_event_can_be_stored() -> None:
    """The union that storage reads back names every event there is."""
    assert set(get_args(AnyEvent)) == leaves(Event)


def test_kinds_are_the_words_of_the_feed() -> None:
    """Each kind of the feed is one event."""
    kinds = [event.__struct_config__.tag for event in get_args(AnyEvent)]
    assert sorted(map(str, kinds)) == sorted(
        [
            *("discovered", "phase", "progress", "stage", "verdict", "partial_failure"),
            *("alert", "lost", "contradicted", "removed", "source"),
        ]
    )


@pytest.mark.parametrize("event", get_args(AnyEvent), ids=lambda event: event.__name__)
def test_only_progress_passes(event: type[Event]) -> None:
    """Progress is published and not kept one by one; all else is kept."""
    assert event.lasting is (event is not ProgressMoved)
