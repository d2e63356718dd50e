"""How instances are told to people."""

from datetime import timedelta

import pytest

from monitor.client.model import Outcome, Stage
from monitor.client.words import ORDERS, ending, in_order, percent, span, workers
from monitor.core.model import Failure, Phase
from tests.client.test_model import shown
from tests.web.desk import NOON, track

HOUR = NOON + timedelta(hours=1)
ROWS = [
    shown(one)
    for one in (
        track("b", owner="zoe", name="", progress=0.2, created_at=NOON),
        track("a", Phase.SUCCEEDED, owner="", name="Zebra", progress=1.0, ended_at=NOON + timedelta(seconds=9)),
        track("c", Phase.FAILED, owner="Ann", name="ant", created_at=HOUR, ended_at=HOUR + timedelta(hours=1)),
        track("d", Phase.WAITING, owner="bob", name="bee", created_at=None),
    )
]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("newest", "cbad"),
        ("phase", "cbda"),
        ("progress", "abcd"),
        ("duration", "cbad"),
        ("owner", "cdba"),
        ("name", "cdab"),
        ("key", "abcd"),
    ],
)
def test_orders(order: str, expected: str) -> None:
    """Each begins with what people look for, and ends with what is not known."""
    assert order in ORDERS
    assert "".join(one.id for one in in_order(ROWS, order, NOON + timedelta(minutes=5))) == expected


@pytest.mark.parametrize(("ratio", "expected"), [(None, ""), (0.0, "0%"), (0.29, "29%"), (0.999, "99%"), (1.0, "100%")])
def test_percent(ratio: float | None, expected: str) -> None:
    """Rounded down: only what is done is 100%."""
    assert percent(ratio) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, ""), (0.0, "0s"), (59.9, "59s"), (95, "1:35"), (3723, "1:02:03"), (176_520, "2d 01:02")],
)
def test_span(seconds: float | None, expected: str) -> None:
    """Short, and to be read at once."""
    assert span(seconds) == expected


@pytest.mark.parametrize(
    ("phase", "duration", "failure", "expected"),
    [
        (Phase.SUCCEEDED, 35.0, None, "succeeded in 35s"),
        (Phase.SUCCEEDED, None, None, "succeeded"),
        (Phase.FAILED, 95.0, Failure("T", "ODPS-1", "no table"), "failed after 1:35: ODPS-1: no table"),
        (Phase.FAILED, 1.0, Failure("T", "ODPS-1", "ODPS-1:no table"), "failed after 1s: ODPS-1:no table"),
        (Phase.FAILED, None, Failure("T", "ODPS-1", ""), "failed: ODPS-1"),
        (Phase.FAILED, None, None, "failed"),
        (Phase.CANCELLED, 1.0, None, "was cancelled after 1s"),
        (Phase.LOST, None, None, "is lost: the service forgot it and never said how it ended"),
    ],
)
def test_endings(phase: Phase, duration: float | None, failure: Failure | None, expected: str) -> None:
    """One sentence says how it ended."""
    outcome = Outcome(key="k", phase=phase, attempt=1, progress=None, duration=duration, failure=failure)
    assert ending(outcome) == expected


def test_a_success_with_failed_workers() -> None:
    """Is one, and says so."""
    outcome = Outcome(
        key="k", phase=Phase.SUCCEEDED, attempt=1, progress=1.0, duration=5, failure=None, failed_workers=2
    )
    assert ending(outcome) == "succeeded in 5s, but 2 of its workers failed"


def test_workers() -> None:
    """Who ended of all is always said, anything else where there is some."""
    assert workers(Stage("a", 0, 0, 4)) == "0/4"
    busy = Stage("a", 3, 4, 10, 1, failed=2, retries=1)
    assert workers(busy) == "4/10, 3 running, 2 failed, 1 retried, 1 backup"
