"""What the log tells people at night: every change once, nothing of what merely goes on."""

from math import inf

import anyio
import pytest
from structlog.testing import capture_logs

from monitor.core.alerting import Trigger
from monitor.core.events import AlertFired, Contradicted, Discovered, Lost, PhaseChanged, SourceChanged
from monitor.core.model import Phase
from monitor.engine.journal import Journal
from monitor.sources.base import Reason, SourceError
from monitor.storage.base import Batch, Record
from tests.engine.line import running_line
from tests.engine.scripted import Life, ScriptedSource, key, moment, rules


def tell(*events: object) -> list[dict[str, object]]:
    records = tuple(Record(seq, event, None) for seq, event in enumerate(events))
    with capture_logs() as logs:
        Journal().on_batch(Batch(records=records))
    return logs


def test_a_source_that_goes_down_and_comes_back() -> None:
    """Why and since when; then for how long it was gone."""
    place = {"source": "s", "project": "p"}
    down, up = tell(
        SourceChanged(moment(30), **place, up=False, reason="timeout", detail="no answer", outage=moment(0)),
        SourceChanged(moment(90), **place, up=True, lasted=90.0),
    )
    assert (down["event"], down["log_level"], down["reason"], down["since"]) == (
        "source_down",
        "error",
        "timeout",
        "2026-01-01T00:00:00+00:00",
    )
    assert (up["event"], up["log_level"], up["lasted"]) == ("source_up", "info", 90.0)


def test_what_somebody_may_have_to_act_on() -> None:
    """Alerts, losses and contradictions name their instance; an alert about a source has none."""
    logs = tell(
        AlertFired(moment(1), key("i"), "a1", "InstanceFailed", "critical"),
        AlertFired(moment(1), None, "a2", "SourceDown", "critical"),
        Lost(moment(2), key("i"), Phase.RUNNING, why="nothing was heard of it"),
        Contradicted(moment(3), key("i"), Phase.FAILED, "Running"),
    )
    assert [(log["event"], log.get("instance")) for log in logs] == [
        ("alert_fired", "s/p/i"),
        ("alert_fired", ""),
        ("instance_lost", "s/p/i"),
        ("service_contradicts_itself", "s/p/i"),
    ]


def test_everyday_life_is_not_told() -> None:
    """Thousands of discoveries and phases leave the log empty."""
    assert tell(Discovered(moment(1), key("i")), PhaseChanged(moment(1), key("i"), None, Phase.RUNNING)) == []


@pytest.mark.anyio
async def test_an_outage_of_an_hour_is_two_lines() -> None:
    """However often the source is tried meanwhile, the log says when it went and when it came back."""

    async def outage(_operation: str, _what: str) -> None:
        if 600 <= anyio.current_time() < 4200:
            raise SourceError(Reason.UNREACHABLE, "no connection")

    source = ScriptedSource({"i": Life("i", ends=inf)}, trouble=outage)
    journal = Journal()
    async with running_line(source, rules=rules(Trigger.SOURCE_DOWN)) as line:
        await anyio.sleep(6000)
        with capture_logs() as logs:
            for batch in line.batches:
                journal.on_batch(batch)
    assert [log["event"] for log in logs] == ["source_down", "alert_fired", "source_up"]
    assert logs[2]["lasted"] == pytest.approx(3600, abs=310)
