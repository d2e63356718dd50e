"""How a place is written."""

import pytest

from monitor.sources.batchcompute.description.places import Place, place


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ((), ""),
        (("DAG", "Tasks", "count-1", "Timeout"), "DAG.Tasks.count-1.Timeout"),
        (("Notification", "Topic", "Events", 0), "Notification.Topic.Events[0]"),
        (("InputMapping", "oss://b.c/é/"), 'InputMapping["oss://b.c/é/"]'),
        (("", 'a"b\n'), '[""]["a\\"b\\n"]'),
        (("Tasks", "a" * 10_000), f"Tasks.{'a' * 127}…"),
        (("Tasks", "\0" * 10_000), "".join(('Tasks["', "\\u0000" * 127, '\\u2026"]'))),
    ],
)
def test_a_place_reads_one_way(parts: Place, text: str) -> None:
    """A key that could be taken for a path is quoted, and nothing in it plays with the terminal; a long one is
    cut."""
    assert place(parts) == text
