"""What a screen knows, kept up to date by news."""

from datetime import timedelta
from typing import Any

import pytest

from monitor.client.errors import ClientError
from monitor.client.feed import Away, Back, Event, Snapshot
from monitor.client.mirror import Mirror
from monitor.client.model import Instance, Project, Projects
from monitor.client.wanted import Wanted
from monitor.core.model import Phase
from tests.client.test_model import shown
from tests.web.desk import NOON, track

A, B = "warehouse/analytics/a", "warehouse/analytics/b"


def event(kind: str, key: str | None, instance: Instance | None = None, **details: Any) -> Event:
    """News of one kind."""
    return Event(kind=kind, at=NOON, seq=1, key=key, instance=instance, details=details)


def test_snapshot_and_events() -> None:
    """A snapshot replaces everything, an event one; what changed is named."""
    mirror = Mirror()
    a, b = shown(track("a")), shown(track("b"))
    assert mirror.take(Snapshot((a, b), 1, "new"), NOON) == {A, B}
    moved = shown(track("a", progress=0.5))
    assert mirror.take(event("progress", A, moved), NOON) == {A}
    assert mirror.take(event("stage", A, moved), NOON) == frozenset()
    assert mirror.instances == {A: moved, B: b}
    assert mirror.take(Snapshot((moved,), 2, "epoch"), NOON) == {B}
    assert mirror.take(event("removed", A), NOON) == {A}
    assert mirror.take(event("removed", A), NOON) == frozenset()
    assert mirror.instances == {}


def test_what_matches_no_more_is_dropped() -> None:
    """As is what never matched: the feed tells of what leaves a filter, too."""
    mirror = Mirror(Wanted.of(phase="running"), [shown(track("a"))])
    assert mirror.take(event("phase", A, shown(track("a", Phase.SUCCEEDED))), NOON) == {A}
    assert mirror.take(event("phase", B, shown(track("b", Phase.FAILED))), NOON) == frozenset()
    assert mirror.instances == {}


def test_away_and_back() -> None:
    """While the daemon cannot be heard, that is said, and since when; the instances stay."""
    mirror = Mirror(instances=[shown(track("a"))])
    mirror.take(Away("it stopped"), NOON)
    assert (mirror.away, mirror.away_since) == ("it stopped", NOON)
    mirror.take(Back(), NOON + timedelta(seconds=9))
    assert (mirror.away, mirror.away_since) == ("", None)
    assert A in mirror.instances


def test_silent_sources() -> None:
    """A project that does not answer the daemon is known, with the reason, until it answers again."""
    mirror = Mirror()
    mirror.take(event("source", None, source="w", project="p", up=False, reason="timeout", detail=""), NOON)
    assert mirror.silent == {("w", "p"): "timeout"}
    mirror.take(event("source", None, source="w", project="p", up=True, reason="", detail=""), NOON)
    assert mirror.silent == {}


@pytest.mark.asyncio
async def test_sources_are_asked_for() -> None:
    """News tell only of changes; of other projects nothing is said, and a daemon that is gone again is no error."""

    async def projects() -> Projects:
        rows = [("w", "p", False, "timeout"), ("w", "q", True, None), ("other", "p", False, "denied")]
        return Projects(
            NOON,
            tuple(
                Project(
                    source=source, project=project, up=up, swept_at=None, age_seconds=None, failing_since=None,
                    reason=reason, detail=None, instances={},
                )
                for source, project, up, reason in rows
            ),
        )  # fmt: skip

    async def nobody() -> Projects:
        raise ClientError("unreachable", "gone")

    mirror = Mirror(Wanted.of(key="w/p/1"))
    await mirror.ask_sources(projects)
    await mirror.ask_sources(nobody)
    assert mirror.silent == {("w", "p"): "timeout"}
    everything = Mirror()
    await everything.ask_sources(projects)
    assert everything.silent == {("w", "p"): "timeout", ("other", "p"): "denied"}


def test_alerts_change_nothing() -> None:
    """They are about what is known already."""
    mirror = Mirror(instances=[shown(track("a"))])
    assert mirror.take(event("alert", A, None), NOON) == frozenset()
    assert A in mirror.instances
