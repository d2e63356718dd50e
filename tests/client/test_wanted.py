"""Which instances a program asks for."""

import pytest

from monitor.client.wanted import Wanted
from monitor.core.model import Phase
from tests.client.test_model import shown
from tests.web.desk import key, track


def test_ways_to_say_it() -> None:
    """One word, words with commas, or several are the same; nothing said asks for nothing special."""
    assert (
        Wanted.of(phase="failed,lost")
        == Wanted.of(phase=["failed", "lost"])
        == Wanted.of(phase=(Phase.LOST, Phase.FAILED))
    )
    assert Wanted.of(phase="", owner=()) == Wanted()


def test_as_the_api_wants_it() -> None:
    """Words with commas in a query, lists in a frame; what is empty is not sent."""
    wanted = Wanted.of(project="b,a", q="x,y")
    assert wanted.query() == {"project": "a,b", "q": "x,y"}
    assert wanted.frame() == {"project": ["a", "b"], "q": "x,y"}
    assert Wanted().frame() == {}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, True),
        ({"phase": "running", "project": "analytics", "source": "warehouse", "owner": "Ann"}, True),
        ({"phase": "failed"}, False),
        ({"project": "ads"}, False),
        ({"source": "other"}, False),
        ({"owner": "ann"}, False),
        ({"key": "warehouse/analytics/i1"}, True),
        ({"key": "warehouse/analytics/i2"}, False),
        ({"q": "DAILY"}, True),
        ({"q": "I1"}, True),
        ({"q": "weekly"}, False),
    ],
)
def test_it_matches_as_the_daemon_does(asked: dict[str, str], expected: bool) -> None:
    """All fields that are set must agree."""
    assert Wanted.of(**asked).matches(shown(track(key("i1"), owner="Ann", name="daily report"))) is expected


def test_projects_that_can_match() -> None:
    """By source, project or key; an empty filter covers all."""
    assert Wanted().covers("w", "p")
    assert Wanted.of(key="w/p/1,x/y/2").covers("w", "p")
    assert not Wanted.of(key="w/p/1").covers("w", "q")
    assert not Wanted.of(project="p").covers("w", "q")
    assert not Wanted.of(source="w").covers("x", "p")
