"""Hooks in, scrape out."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from trio.testing import MockClock

from monitor.core.alerting import Rule, Trigger
from monitor.core.events import (
    AlertFired,
    AnyEvent,
    Contradicted,
    Discovered,
    Lost,
    PartiallyFailed,
    PhaseChanged,
    ProgressMoved,
    Removed,
    SourceChanged,
    VerdictChanged,
)
from monitor.core.model import InstanceKey, Phase, Track, Verdict
from monitor.engine.board import Board
from monitor.engine.reports import DeliveryReport, FeedStats
from monitor.metrics import Metrics
from monitor.sources.base import RequestReport
from monitor.storage.base import Batch, OutboxDepth, Record, StorageError

pytestmark = pytest.mark.anyio

AT = datetime(2024, 5, 11, 12, tzinfo=UTC)
KEY = InstanceKey("warehouse", "ads", "20240511101349613gzbzufck2")
PLACE = {"source": "warehouse", "project": "ads"}
TEXT = "text/plain"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, MockClock]]:
    """Time jumps when everybody waits; scrapes use real threads all the same."""
    return "trio", {"clock": MockClock(autojump_threshold=0.05)}


async def nothing_waits() -> Sequence[OutboxDepth]:
    """An empty outbox."""
    return ()


def metrics(
    board: Board | None = None,
    depths: Callable[[], Awaitable[Sequence[OutboxDepth]]] = nothing_waits,
    **parts: Any,
) -> Metrics:
    """The metrics of a daemon with one source of one project."""
    return Metrics(
        board=Board() if board is None else board,
        stats=FeedStats(),
        sources={"warehouse": ["ads"]},
        depths=depths,
        now=lambda: AT,
        version="0.1.0",
        **parts,
    )


async def families(of: Metrics, accept: str = TEXT) -> dict[str, Metric]:
    """What a scraper reads, by name."""
    body, content_type = await of.render(accept)
    read: Callable[[str], Iterable[Metric]] = read_openmetrics if "openmetrics" in content_type else read_text
    return {family.name: family for family in read(body.decode())}


async def value(of: Metrics, name: str, **labels: str) -> float | None:
    """The value of one sample; None if there is none with exactly these labels."""
    for family in (await families(of)).values():
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def track(phase: Phase, **known: Any) -> Track:
    """The instance of these tests: submitted at twelve, where `known` does not say otherwise."""
    return Track(**{"key": KEY, "kind": "maxcompute", "phase": phase, "created_at": AT, **known})


def later(seconds: float) -> datetime:
    """So many seconds past twelve."""
    return AT + timedelta(seconds=seconds)


def phase(before: Phase | None, after: Phase, at: float = 0, attempt: int = 1) -> PhaseChanged:
    """A change of phase of the instance of these tests."""
    return PhaseChanged(at=later(at), key=KEY, before=before, after=after, attempt=attempt)


def commit(of: Metrics, event: AnyEvent, track: Track | None = None) -> None:
    """The follower reads a commit of one event."""
    of.on_batch(Batch(records=(Record(1, event, track),)))


# --- what happens to instances ---


async def test_an_end_counts_with_its_duration_and_its_wait() -> None:
    """Work took from 12:00:10 to 13:00:10, after ten seconds of waiting."""
    m = metrics()
    ended = track(Phase.FAILED, started_at=later(10), ended_at=later(3610))
    commit(m, phase(Phase.WAITING, Phase.FAILED, at=3615), ended)
    assert await value(m, "stagewatch_terminations_total", **PLACE, outcome="failed") == 1
    assert await value(m, "stagewatch_terminations_total", **PLACE, outcome="succeeded") == 0
    assert await value(m, "stagewatch_duration_seconds_sum", **PLACE, outcome="failed") == 3600
    assert await value(m, "stagewatch_wait_seconds_sum", **PLACE) == 10


async def test_openmetrics_names_an_instance_beside_the_numbers() -> None:
    """The id is an exemplar of counter and histograms, and no label."""
    m = metrics()
    ended = track(Phase.FAILED, started_at=later(10), ended_at=later(100))
    commit(m, phase(Phase.RUNNING, Phase.FAILED), ended)
    found = {
        sample.name: sample.exemplar.labels
        for family in (await families(m, OPENMETRICS)).values()
        for sample in family.samples
        if sample.exemplar
    }
    names = ("stagewatch_terminations_total", "stagewatch_duration_seconds_bucket", "stagewatch_wait_seconds_bucket")
    assert found == {name: {"instance": KEY.id} for name in names}


async def test_an_instance_that_is_queued_again_waited_once() -> None:
    """The first worker is the first one, whatever happens afterwards."""
    m = metrics()
    working = track(Phase.RUNNING, started_at=later(30))
    commit(m, phase(Phase.WAITING, Phase.RUNNING), working)
    commit(m, phase(Phase.RUNNING, Phase.WAITING), track(Phase.WAITING, started_at=later(30)))
    commit(m, phase(Phase.WAITING, Phase.RUNNING), working)
    commit(m, phase(Phase.RUNNING, Phase.SUCCEEDED), track(Phase.SUCCEEDED, started_at=later(30), ended_at=later(60)))
    assert await value(m, "stagewatch_wait_seconds_count", **PLACE) == 1


async def test_each_attempt_waits_for_itself() -> None:
    """A job that is started again has a first worker again."""
    m = metrics()
    for attempt in (1, 2):
        working = track(Phase.RUNNING, attempt=attempt, started_at=later(30))
        commit(m, phase(Phase.WAITING, Phase.RUNNING, attempt=attempt), working)
    assert await value(m, "stagewatch_wait_seconds_count", **PLACE) == 2


async def test_a_wait_that_was_counted_before_a_restart_of_the_daemon_is_not_counted_again() -> None:
    """What runs when we start had its first worker before."""
    m = metrics(Board([track(Phase.RUNNING, started_at=later(30))]))
    ended = track(Phase.SUCCEEDED, started_at=later(30), ended_at=later(60))
    commit(m, phase(Phase.RUNNING, Phase.SUCCEEDED), ended)
    assert await value(m, "stagewatch_wait_seconds_count", **PLACE) == 0
    assert await value(m, "stagewatch_duration_seconds_count", **PLACE, outcome="succeeded") == 1


async def test_without_the_services_time_a_wait_ends_when_we_saw_it_end() -> None:
    """Seen waiting, then seen running 90 seconds after it was submitted."""
    m = metrics()
    commit(m, phase(Phase.WAITING, Phase.RUNNING, at=90), track(Phase.RUNNING))
    assert await value(m, "stagewatch_wait_seconds_sum", **PLACE) == 90


async def test_a_wait_that_nobody_saw_is_not_guessed() -> None:
    """Found running, and the service does not tell since when."""
    m = metrics()
    commit(m, phase(None, Phase.RUNNING, at=90), track(Phase.RUNNING))
    assert await value(m, "stagewatch_wait_seconds_count", **PLACE) == 0


async def test_times_of_a_later_attempt_are_not_those_of_the_one_that_ended() -> None:
    """One commit may hold an end and the next attempt; the track is then the next attempt's."""
    m = metrics()
    commit(m, phase(Phase.RUNNING, Phase.FAILED), track(Phase.RUNNING, attempt=2, started_at=later(30)))
    assert await value(m, "stagewatch_terminations_total", **PLACE, outcome="failed") == 1
    assert await value(m, "stagewatch_duration_seconds_count", **PLACE, outcome="failed") == 0
    assert await value(m, "stagewatch_wait_seconds_count", **PLACE) == 0


async def test_clocks_that_disagree_make_no_negative_times() -> None:
    """Ended before it began, began before it was submitted: 0 seconds each."""
    m = metrics()
    odd = track(Phase.CANCELLED, started_at=later(-5), ended_at=later(-9))
    commit(m, phase(Phase.RUNNING, Phase.CANCELLED), odd)
    assert await value(m, "stagewatch_duration_seconds_sum", **PLACE, outcome="cancelled") == 0
    assert await value(m, "stagewatch_wait_seconds_sum", **PLACE) == 0


async def test_a_partial_failure_is_a_success_that_counts_apart() -> None:
    """It ended well, as far as outcomes go; what it left behind has a counter of its own, whose exemplar says where."""
    m = metrics()
    commit(
        m,
        phase(Phase.RUNNING, Phase.SUCCEEDED),
        track(Phase.SUCCEEDED, failed_workers=2),
    )
    commit(m, PartiallyFailed(at=AT, key=KEY, failed=2, workers=5))
    assert await value(m, "stagewatch_terminations_total", **PLACE, outcome="succeeded") == 1
    assert await value(m, "stagewatch_terminations_total", **PLACE, outcome="failed") == 0
    assert await value(m, "stagewatch_partial_failures_total", **PLACE) == 1
    body, _ = await m.render(OPENMETRICS)
    [line] = [line for line in body.decode().splitlines() if line.startswith("stagewatch_partial_failures_total")]
    assert f'# {{instance="{KEY.id}"}} 1.0' in line


@pytest.mark.parametrize(
    ("event", "name", "more"),
    [
        (Lost(at=AT, key=KEY, before=Phase.RUNNING), "stagewatch_lost_total", {}),
        (PartiallyFailed(at=AT, key=KEY, failed=2, workers=5), "stagewatch_partial_failures_total", {}),
        (
            Contradicted(at=AT, key=KEY, phase=Phase.FAILED, said="Running"),
            "stagewatch_contradictions_total",
            {},
        ),
        (
            VerdictChanged(at=AT, key=KEY, verdict=Verdict.STALLED, raised=True),
            "stagewatch_verdicts_total",
            {"verdict": "stalled"},
        ),
    ],
)
async def test_what_else_befalls_instances_is_counted(event: AnyEvent, name: str, more: dict[str, str]) -> None:
    """From 0, which was there before, to 1."""
    m = metrics()
    assert await value(m, name, **PLACE, **more) == 0
    commit(m, event)
    assert await value(m, name, **PLACE, **more) == 1


async def test_what_is_no_outcome_counts_nowhere() -> None:
    """Progress, discovery, a verdict taken back, removal and news of a source leave every counter of instances at 0."""
    m = metrics()
    for event in (
        ProgressMoved(at=AT, key=KEY, progress=0.5),
        Discovered(at=AT, key=KEY),
        VerdictChanged(at=AT, key=KEY, verdict=Verdict.LATE, raised=False),
        Removed(at=AT, key=KEY),
        SourceChanged(at=AT, source="warehouse", project="ads", up=False),
        phase(Phase.RUNNING, Phase.SUSPENDED),
    ):
        commit(m, event)
    counted = [
        sample
        for family in (await families(m)).values()
        for sample in family.samples
        if family.type == "counter" and "project" in sample.labels
    ]
    assert counted
    assert [sample for sample in counted if sample.value] == []


async def test_a_project_that_is_not_configured_is_met_before_its_instances_end() -> None:
    """Its counters are at 0 from the discovery on, and its instances show by phase."""
    board = Board()
    m = metrics(board)
    stray = track(Phase.RUNNING, key=InstanceKey("warehouse", "logs", "i"))
    board.apply(Batch(tracks=(stray,)))
    commit(m, Discovered(at=AT, key=stray.key), stray)
    place = {"source": "warehouse", "project": "logs"}
    assert await value(m, "stagewatch_terminations_total", **place, outcome="failed") == 0
    assert await value(m, "stagewatch_instances", **place, phase="running") == 1
    assert await value(m, "stagewatch_instances", **place, phase="failed") == 0


# --- what we do ---


async def test_requests_count_by_operation_and_result() -> None:
    """A throttled sweep, and one that could not read two entries."""
    m = metrics()
    m.on_request(RequestReport("warehouse", "sweep", "throttled", 0.2, throttled_seconds=4.5))
    m.on_request(RequestReport("warehouse", "sweep", "ok", 0.3, skipped=2))
    asked = {"source": "warehouse", "operation": "sweep"}
    assert await value(m, "stagewatch_source_requests_total", **asked, result="ok") == 1
    assert await value(m, "stagewatch_source_requests_total", **asked, result="throttled") == 1
    assert await value(m, "stagewatch_source_requests_total", **asked, result="timeout") == 0
    assert await value(m, "stagewatch_source_request_seconds_count", **asked) == 2
    assert await value(m, "stagewatch_source_entries_skipped_total", **asked) == 2
    assert await value(m, "stagewatch_source_throttled_seconds_total", source="warehouse") == 4.5


async def test_alerts_and_deliveries_count() -> None:
    """An alert fired; its delivery timed out, was refused, and is not tried again."""
    m = metrics(channels=["ops"])
    m.expect([Rule("InstanceFailed", Trigger.FAILED, "critical", ("ops",))])
    rule = {"rule": "InstanceFailed", "severity": "critical"}
    assert await value(m, "stagewatch_alerts_total", **rule) == 0
    commit(m, AlertFired(at=AT, key=KEY, alert="a1", rule="InstanceFailed", severity="critical"))
    m.on_delivery(DeliveryReport("ops", "timeout", 10.0))
    m.on_delivery(DeliveryReport("ops", "refused", 0.1, given_up=True))
    assert await value(m, "stagewatch_alerts_total", **rule) == 1
    assert await value(m, "stagewatch_deliveries_total", channel="ops", result="timeout") == 1
    assert await value(m, "stagewatch_deliveries_total", channel="ops", result="refused") == 1
    assert await value(m, "stagewatch_deliveries_total", channel="ops", result="delivered") == 0
    assert await value(m, "stagewatch_deliveries_given_up_total", channel="ops") == 1
    assert await value(m, "stagewatch_delivery_seconds_count", channel="ops") == 2


async def test_the_worst_lag_of_the_last_minute_shows() -> None:
    """A stall is seen by every scraper for a minute of looks, and then forgotten."""
    m = metrics()
    m.loop_lag(1.5)
    for _ in range(239):
        m.loop_lag(0.001)
    assert await value(m, "stagewatch_loop_lag_seconds") == 1.5
    m.loop_lag(0.002)
    assert await value(m, "stagewatch_loop_lag_seconds") == 0.002


async def test_a_refused_reload_keeps_the_time_of_the_last_good_one() -> None:
    """The configuration in force is as old as it is."""
    m = metrics()
    m.reloaded(True, later(60))
    m.reloaded(False, later(120))
    assert await value(m, "stagewatch_config_last_reload_successful") == 0
    assert await value(m, "stagewatch_config_last_reload_success_timestamp_seconds") == later(60).timestamp()
    m.reloaded(True, later(180))
    assert await value(m, "stagewatch_config_last_reload_successful") == 1


# --- the scrape ---


async def test_both_formats_tell_the_same() -> None:
    """The same names and values, but for the process's own, which move."""
    m = metrics(Board([track(Phase.RUNNING, progress=0.25)]), channels=["ops"])
    text, openmetrics = [
        {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in (await families(m, accept)).values()
            for sample in family.samples
            if "_process_" not in sample.name and sample.name != "stagewatch_exposition_size_bytes"
        }
        for accept in (TEXT, OPENMETRICS)
    ]
    assert text == openmetrics
    assert text["stagewatch_instance_progress_ratio", KEY.id, "ads", "warehouse"] == 0.25


async def test_every_name_has_our_prefix_and_words_of_help() -> None:
    """No series comes from elsewhere, and none of the library's creation times."""
    found = (await families(metrics())).values()
    assert found
    for family in found:
        assert family.name.startswith("stagewatch_")
        assert family.documentation.endswith(".")
        assert not [sample.name for sample in family.samples if sample.name.endswith("_created")]


async def test_names_that_would_break_a_scrape_are_carried() -> None:
    """Quotes, newlines, NUL, half a surrogate pair and ten thousand characters: both formats stay readable."""
    nasty = InstanceKey("warehouse", 'a"d\ns\0', "i\ud800" + "x" * 10_000)
    running = track(Phase.RUNNING, key=nasty, progress=0.5)
    m = metrics(Board([running]))
    ended = track(Phase.FAILED, key=nasty, ended_at=later(5))
    commit(m, PhaseChanged(at=AT, key=nasty, before=Phase.RUNNING, after=Phase.FAILED), ended)
    for accept in (TEXT, OPENMETRICS):
        shown = (await families(m, accept))["stagewatch_instance_progress_ratio"].samples
        assert [sample.labels["project"] for sample in shown] == ['a"d\ufffds\ufffd']
        assert len(shown[0].labels["instance"]) == 100


async def test_the_number_of_series_does_not_grow_with_instances() -> None:
    """Beyond the cap, a thousand instances more change values only."""

    async def series(of: int) -> int:
        tracks = [track(Phase.RUNNING, key=InstanceKey("warehouse", "ads", f"i{n}"), progress=0.5) for n in range(of)]
        body, _ = await metrics(Board(tracks), progress_series=10).render(TEXT)
        return len(body.splitlines())

    assert await series(10) == await series(1010)


async def broken() -> Sequence[OutboxDepth]:
    """A storage that cannot be read."""
    raise StorageError("disk full")


async def silent() -> Sequence[OutboxDepth]:
    """A storage that never answers."""
    await anyio.sleep_forever()
    return ()


@pytest.mark.parametrize("depths", [broken, silent])
async def test_a_storage_without_an_answer_costs_only_what_it_knows(
    depths: Callable[[], Awaitable[Sequence[OutboxDepth]]],
) -> None:
    """The rest is served within a scraper's patience."""
    with anyio.fail_after(5):
        found = await families(metrics(depths=depths, channels=["ops"]))
    assert "stagewatch_instances" in found
    assert "stagewatch_outbox_pending" not in found
    assert "stagewatch_outbox_oldest_age_seconds" not in found


async def test_many_scrapers_at_once_all_get_an_answer() -> None:
    """They take turns, while the board goes on changing."""
    board = Board(track(Phase.RUNNING, key=InstanceKey("warehouse", "ads", f"i{n}"), progress=0.1) for n in range(500))
    m = metrics(board)
    sizes: list[int] = []

    async def scrape() -> None:
        body, _ = await m.render(TEXT)
        sizes.append(body.count(b"\nstagewatch_instance_progress_ratio{"))
        board.apply(Batch(tracks=(track(Phase.FAILED, key=InstanceKey("warehouse", "ads", f"i{len(sizes)}")),)))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(scrape)
    assert sizes == [500, 499, 498, 497, 496]


async def test_the_size_of_the_last_answer_shows() -> None:
    """Operators see a body grow before their scraper's limit cuts it off."""
    m = metrics()
    assert await value(m, "stagewatch_exposition_size_bytes") == 0
    body, _ = await m.render(TEXT)
    assert await value(m, "stagewatch_exposition_size_bytes") == len(body)


async def test_two_daemons_in_one_process_count_apart() -> None:
    """There is no registry but their own."""
    one, other = metrics(), metrics()
    commit(one, phase(Phase.RUNNING, Phase.FAILED))
    assert await value(one, "stagewatch_terminations_total", **PLACE, outcome="failed") == 1
    assert await value(other, "stagewatch_terminations_total", **PLACE, outcome="failed") == 0
