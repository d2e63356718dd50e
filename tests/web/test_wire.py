"""The public JSON of instances and projects."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from monitor.core.events import Swept
from monitor.core.health import Health
from monitor.core.model import Phase, Queue, Stage, Task
from monitor.engine.board import Board
from monitor.storage.base import Batch
from monitor.web import wire
from tests.web.desk import NOON, failed, key, staged, track


def shown(of: object) -> dict[str, Any]:
    """As a client reads it."""
    return msgspec.json.decode(wire.encode(of))


@pytest.mark.parametrize("phase", Phase)
def test_failure_is_null_unless_failed(phase: Phase) -> None:
    """A failure that a restart left behind is not shown of what runs again."""
    one = failed("i1")
    again = msgspec.structs.replace(one, phase=phase)
    assert (shown(wire.instance(again, Board()))["failure"] is None) is (phase is not Phase.FAILED)


def test_who_started_whom() -> None:
    """The child names its parent by key, the parent its children with how they stand."""
    flow, step = track("flow"), track("s1", Phase.FAILED, parent="flow", step="train", progress=0.5)
    board = Board((flow, step))
    assert shown(wire.instance(flow, board))["children"] == [
        {"key": "warehouse/analytics/s1", "step": "train", "phase": "failed", "progress": 0.5}
    ]
    child = shown(wire.instance(step, board))
    assert (child["parent"], child["step"], child["children"]) == ("warehouse/analytics/flow", "train", [])


def test_what_is_not_known_is_null() -> None:
    """No guess: a queue without a place, a track without times."""
    bare = shown(wire.instance(track("i1", created_at=None, observed_at=None, queue=Queue()), Board()))
    assert bare["queue"] == {"position": None, "length": None, "reason": ""}
    names = ("progress", "created_at", "started_at", "ended_at", "observed_at", "failure", "contradiction")
    assert [bare[name] for name in names] == [None] * 7
    assert (bare["tasks"], bare["verdicts"], "history" in bare) == ([], [], False)


def test_tasks_of_batch_compute_are_one_graph() -> None:
    """A stage has the place of its task and those it depends on, and is not parsed: a task may be called anything."""
    tasks = (
        Task("merge", depends_on=("R2_1", "gone"), stages=(Stage("merge", 0, 0, 1),)),
        Task("M1", stages=(Stage("M1", 0, 3, 3, failed=1, retries=2),)),
        Task("R2_1", depends_on=("M1",), stages=(Stage("R2_1", 1, 0, 3),)),
    )
    stages = [
        one["stages"][0]
        for one in shown(wire.instance(track("i1", kind="batchcompute", tasks=tasks), Board()))["tasks"]
    ]
    assert [(one["kind"], one["id"], one["depends_on"]) for one in stages] == [
        (None, 1, [3]),
        (None, 2, []),
        (None, 3, [2]),
    ]
    assert [(one["failed"], one["retries"]) for one in stages] == [(0, 0), (1, 2), (0, 0)]
    parsed = shown(wire.instance(track("i1", tasks=tasks), Board()))["tasks"]
    assert [(one["stages"][0]["kind"], one["depends_on"]) for one in parsed] == [
        (None, ["R2_1", "gone"]),
        ("M", []),
        ("R", ["M1"]),
    ]


@pytest.mark.parametrize("phase", Phase)
def test_partial_failure_is_of_what_succeeded(phase: Phase) -> None:
    """Failed workers are counted of all; that it is a partial failure is said of the successful alone."""
    one = shown(wire.instance(track("i1", phase, failed_workers=2), Board()))
    assert (one["failed_workers"], one["partial_failure"]) == (2, phase is Phase.SUCCEEDED)


def test_many_are_encoded_as_one_is() -> None:
    """In order, and no two mixed up."""
    tracks = [staged(f"i{n}", n % 10) for n in range(250)]
    encoded = asyncio.run(wire.instances(tracks, Board(tracks)))
    assert [bytes(one) for one in encoded] == [wire.encode(wire.instance(one, Board())) for one in tracks]


def test_projects_have_every_phase_and_their_age() -> None:
    """A project that was only listed, one that only fails, and one that nobody asked are all told of."""
    board = Board([track("i1"), track(key("i2", project="new"), Phase.WAITING), track(key("i3", project="left"))])
    health = {
        ("warehouse", "analytics"): Health(swept_at=NOON),
        ("warehouse", "down"): Health(failing_since=NOON, failures=3, down=True, reason="timeout"),
    }
    swept = Swept("warehouse", "analytics", NOON, frozenset({"i1"}))
    board.apply(Batch(health=health, swept=(swept,), remove=(key("i3", project="left"),)))
    told = wire.projects(board, NOON + timedelta(seconds=30)).sources
    assert [(one.project, one.up, one.age_seconds, one.reason) for one in told] == [
        ("analytics", True, 30.0, None),
        ("down", False, None, "timeout"),
        ("new", True, None, None),
    ]
    assert [one.instances[Phase.WAITING] for one in told] == [0, 0, 1]
    assert all(one.asked for one in told)
    assert all(set(one.instances) == set(Phase) for one in told)


def test_what_nobody_asks_is_as_old_as_its_last_line() -> None:
    """Of what is live; where nothing is, nobody waits for a line."""
    p1, p2 = ("private", "p1"), ("private", "p2")
    quiet, loud = key("quiet", *reversed(p1)), key("loud", *reversed(p1))
    board = Board([track(quiet), track(loud, observed_at=NOON + timedelta(seconds=20)), track("i1")])
    told = wire.projects(board, NOON + timedelta(seconds=30), [p1, p2]).sources
    assert [(one.project, one.asked, one.up, one.age_seconds, one.swept_at) for one in told] == [
        ("p1", False, True, 10.0, None),
        ("p2", False, True, None, None),
        ("analytics", True, True, None, None),
    ]
