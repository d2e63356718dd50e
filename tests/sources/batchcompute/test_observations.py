"""What rows say in our terms."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from monitor.core.model import Phase, Stage
from monitor.sources.batchcompute.documents import JobRow, Plan, PlannedTask, TaskRow
from monitor.sources.batchcompute.observations import Observer
from monitor.sources.batchcompute.words import Vocabulary
from monitor.sources.dates import ServiceClock
from tests.sources.batchcompute.jobs import ENDED, KEY, job, task
from tests.sources.scripted import NOW

CLOCK = ServiceClock(lambda: NOW)
OBSERVER = Observer(words=Vocabulary("render"), clock=CLOCK)


def row(*told: Any, **changes: Any) -> JobRow:
    """A job's row."""
    return msgspec.convert(job(*told, **changes), JobRow)


def tasks(*told: dict[str, Any]) -> list[TaskRow]:
    """Rows of tasks."""
    return [msgspec.convert(one, TaskRow) for one in told]


def test_a_running_job() -> None:
    """Who, when, how far; every job may come back under its id."""
    told = row("Running", (1, 2, 3, 2))
    seen = OBSERVER.job(told, OBSERVER.phase(told), KEY, NOW)
    assert (seen.key, seen.at, seen.kind, seen.phase, seen.native_status) == (
        KEY,
        NOW,
        "batchcompute",
        Phase.RUNNING,
        "Running",
    )
    assert (seen.name, seen.owner) == ("log-count", "123456")
    assert seen.created_at == datetime(2025, 1, 24, 7, 30, 0, 6, tzinfo=UTC)
    assert seen.started_at == datetime(2025, 1, 24, 7, 30, 1, 1, tzinfo=UTC)
    assert (seen.ended_at, seen.ended, seen.restarts) == (None, False, True)
    assert (seen.progress, seen.failed_workers, seen.workers) == (5 / 8, 2, 8)
    assert seen.tasks is None


def test_an_end_in_the_words_of_the_service() -> None:
    """However the dates are corrected: that tells one end from another. What has not ended has none."""
    for state, text in (("Failed", ENDED), ("Running", "")):
        told = row(state, EndTime=ENDED)
        assert OBSERVER.job(told, OBSERVER.phase(told), KEY, NOW).end_text == text
    told = row("Failed", EndTime="x" * 1000)
    assert len(OBSERVER.job(told, OBSERVER.phase(told), KEY, NOW).end_text) <= 64


@pytest.mark.parametrize(
    ("state", "counts", "phase", "progress", "failed"),
    [
        ("Waiting", (3,), Phase.WAITING, 0.0, 0),
        ("Finished", (0, 0, 3), Phase.SUCCEEDED, 1.0, 0),
        ("Finished", (0, 0, 2, 1), Phase.SUCCEEDED, 1.0, 1),
        ("Failed", (0, 0, 1, 1, 2), Phase.FAILED, 0.5, 1),
        ("Stopped", (0, 0, 1, 0, 3), Phase.CANCELLED, 0.25, 0),
        ("Running", (0, 0, 0), Phase.RUNNING, None, 0),
        ("Dreaming", (0, 1, 1), None, 0.5, 0),
    ],
)
def test_states(state: str, counts: tuple[int, ...], phase: Phase | None, progress: float | None, failed: int) -> None:
    """What was stopped did no work; one that finished with failures has succeeded, and says how many failed."""
    told = row(state, counts)
    seen = OBSERVER.job(told, OBSERVER.phase(told), KEY, NOW)
    assert (seen.phase, seen.progress, seen.failed_workers) == (phase, progress, failed)
    assert seen.ended is (phase is not None and phase.is_terminal)
    assert (seen.ended_at is not None) is seen.ended


def test_what_was_not_told() -> None:
    """No counters, no owner, no name: nothing is made up."""
    told = row("Running", Name=None, OwnerId=None, InstanceMetrics=None, CreationTime=None, StartTime="")
    seen = OBSERVER.job(told, Phase.RUNNING, KEY, NOW)
    assert (seen.name, seen.owner, seen.progress, seen.failed_workers, seen.workers) == ("", "", None, None, None)
    assert (seen.created_at, seen.started_at) == (None, None)


def test_an_owner_by_name_and_texts_without_end() -> None:
    """The client's own class says `Owner`; names are cut."""
    told = row("Running", OwnerId=None, Owner="me", Name="n" * 10_000, State="S" * 10_000)
    seen = OBSERVER.job(told, None, KEY, NOW)
    assert (seen.owner, len(seen.name), len(seen.native_status)) == ("me", 256, 64)


def test_dates_are_told_by_our_clock() -> None:
    """A service whose clock is an hour ahead dates everything an hour too late."""
    clock = ServiceClock(lambda: NOW)
    clock.compare(NOW + timedelta(hours=1))
    seen = Observer(words=Vocabulary("render"), clock=clock).job(row("Running"), Phase.RUNNING, KEY, NOW)
    assert seen.created_at == datetime(2025, 1, 24, 6, 30, 0, 6, tzinfo=UTC)


def test_tasks_with_their_stages() -> None:
    """In the order in which they were submitted, each with one stage; what was not listed is planned."""
    plan = Plan(
        (PlannedTask("split", 1), PlannedTask("count", 8, 3, ("split",)), PlannedTask("merge", 4, 0, ("count",)))
    )
    told = tasks(
        task("extra", "Waiting", (2,)), task("count", "Running", (1, 2, 3, 1, 1)), task("split", "Finished", (0, 0, 1))
    )
    split, count, merge, extra = OBSERVER.tasks(told, plan, {"count": 5})
    assert count.stages == (Stage("count", 2, 5, 8, percent=62, failed=1, retries=5),)
    assert (count.name, count.type, count.phase, count.depends_on) == ("count", "DAG", Phase.RUNNING, ("split",))
    assert (split.phase, split.stages[0].is_finished, split.ended_at is not None) == (Phase.SUCCEEDED, True, True)
    assert (merge.phase, merge.stages, merge.depends_on) == (None, (Stage("merge", 0, 0, 4, percent=0),), ("count",))
    assert (extra.phase, extra.stages[0].total) == (Phase.WAITING, 2)
    assert (count.started_at is not None, count.ended_at) == (True, None)


def test_a_released_job() -> None:
    """It has succeeded; when, nobody knows."""
    seen = OBSERVER.released(KEY, NOW)
    assert (seen.phase, seen.native_status, seen.ended, seen.ended_at) == (Phase.SUCCEEDED, "AutoRelease", True, None)
