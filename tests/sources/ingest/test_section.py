"""The section of a source that is only heard of."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from monitor.sources.ingest import IngestSection

SMALLEST = {"type": "ingest", "name": "private", "projects": ["p1"]}


def test_the_smallest() -> None:
    """A name and projects are enough: an hour of silence is the end."""
    section = IngestSection.model_validate(SMALLEST)
    assert (section.name, section.projects, section.silent_after) == ("private", ("p1",), timedelta(hours=1))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"endpoint": "https://service.example/api"}, "Extra inputs are not permitted"),
        ({"sweep_every": "10s"}, "Extra inputs are not permitted"),
        ({"projects": []}, "at least 1 item"),
        ({"projects": ["p1", "p1"]}, "named twice: p1"),
        ({"name": "a/b"}, "no '/'"),
        ({"silent_after": "soon"}, "write a span of time like"),
        ({"silent_after": "0s"}, "write a span of time like"),
    ],
)
def test_what_is_refused(change: dict[str, object], says: str) -> None:
    """What belongs to sources that are asked, and what cannot stand in a key."""
    with pytest.raises(ValidationError, match=says):
        IngestSection.model_validate({**SMALLEST, **change})
