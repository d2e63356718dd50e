"""Debian's Prometheus scrapes what we export with the configuration that we ship; promtool finds no fault in it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from monitor.core.alerting import Rule, Trigger
from monitor.core.events import AlertFired, AnyEvent, PhaseChanged
from monitor.core.health import Health
from monitor.core.model import InstanceKey, Phase, Stage, Task, Track
from monitor.engine.board import Board
from monitor.engine.reports import DeliveryReport, FeedStats
from monitor.metrics import Metrics
from monitor.sources.base import RequestReport
from monitor.storage.base import Batch, OutboxDepth, Record
from tests.e2e.eventually import eventually
from tests.e2e.listening import listening
from tests.e2e.processes import config, running
from tests.served import served

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "config" / "prometheus"
DASHBOARDS = sorted((REPOSITORY / "grafana" / "dashboards").glob("*.json"))
FAILED = InstanceKey("warehouse", "ads", "20240511101349613gzbzufck2")
RUNNING = InstanceKey("warehouse", "ads", "20240511101350000gaaaaaaaa")


# --- the programs ---


async def promtool(*arguments: str | Path, stdin: bytes = b"") -> tuple[int, str]:
    """Exit code and everything it said."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "promtool", *arguments, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, said.decode()


class Prometheus:
    """A running Prometheus, asked over its HTTP API."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    async def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of its API; an error of the query fails the test with Prometheus' words."""
        async with self._http.get(f"{self.url}/api/v1/{path}", params=parameters) as answer:
            body = await answer.json()
            assert body["status"] == "success", (parameters, body)
            return body["data"]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant vector now."""
        result: list[dict[str, Any]] = (await self.get("query", query=expression))["result"]
        return result

    async def value(self, expression: str) -> float | None:
        """The only value of an expression; None if it has none yet."""
        result = await self.query(expression)
        assert len(result) <= 1, result
        return float(result[0]["value"][1]) if result else None


@asynccontextmanager
async def scraping(target: str, folder: Path) -> AsyncIterator[Prometheus]:
    """Prometheus with the shipped configuration, but for the address, the pace, and nobody to send alerts to."""
    settings = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings["rule_files"] = [str(SHIPPED / name) for name in settings["rule_files"]]
    settings["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    del settings["alerting"]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(settings))
    command = (
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--enable-feature=exemplar-storage",
    )
    async with (
        listening(*command, log=folder / "prometheus.log", ready="Server is ready") as url,
        aiohttp.ClientSession() as http,
    ):
        yield Prometheus(url, http)


class Daemon:
    """Real metrics over a real board, served over HTTP; what the rest of the daemon would tell them, the test tells."""

    def __init__(self) -> None:
        now = datetime.now(UTC)  # noqa: TID251 - Prometheus goes by the wall clock, and so must what it scrapes
        self.started = now
        self.running = Track(
            key=RUNNING,
            kind="maxcompute",
            phase=Phase.RUNNING,
            created_at=now - timedelta(minutes=10),
            started_at=now - timedelta(minutes=9),
            progress=0.25,
            tasks=(Task("AnonymousSQLTask", stages=(Stage("M1_Stg1_job0", 3, 2, 10, backups=1),)),),
        )
        self.board = Board([self.running])
        self.board.health["warehouse", "ads"] = Health(swept_at=now)
        self.stats = FeedStats(clients=2, messages=5)
        self.stats.closed["slow"] += 1
        self.formats: set[str] = set()
        self.metrics = Metrics(
            board=self.board,
            stats=self.stats,
            sources={"warehouse": ["ads", "logs"]},
            depths=self._depths,
            now=lambda: self.started,
            version="0.1.0",
            channels=["ops"],
        )
        self.metrics.on_request(RequestReport("warehouse", "sweep", "ok", 0.05))
        self.metrics.expect([Rule("InstanceFailed", Trigger.FAILED, "critical", ("ops",))])

    async def _depths(self) -> Sequence[OutboxDepth]:
        return (OutboxDepth("ops", 1, self.started),)

    async def _scrape(self, request: web.Request) -> web.Response:
        body, content_type = await self.metrics.render(request.headers.get("Accept", ""))
        self.formats.add(content_type)
        return web.Response(body=body, headers={"Content-Type": content_type})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address."""
        app = web.Application()
        app.router.add_get("/metrics", self._scrape)
        async with served(app) as url:
            yield url.removeprefix("http://")

    def happen(self, *events: AnyEvent, track: Track | None = None) -> None:
        """The follower reads a commit."""
        batch = Batch(
            records=tuple(Record(number, event, track) for number, event in enumerate(events)),
            tracks=(track,) if track else (),
        )
        self.board.apply(batch)
        self.metrics.on_batch(batch)

    def fail(self) -> None:
        """An instance fails after half a minute of waiting and half an hour of work; a team is told in two tries."""
        began = self.started - timedelta(minutes=30)
        failed = Track(
            key=FAILED,
            kind="maxcompute",
            phase=Phase.FAILED,
            created_at=began - timedelta(seconds=30),
            started_at=began,
            ended_at=self.started,
        )
        self.happen(
            PhaseChanged(at=self.started, key=FAILED, before=Phase.WAITING, after=Phase.FAILED),
            AlertFired(at=self.started, key=FAILED, alert="a1", rule="InstanceFailed", severity="critical"),
            track=failed,
        )
        self.metrics.on_request(RequestReport("warehouse", "sweep", "ok", 0.04))
        self.metrics.on_delivery(DeliveryReport("ops", "timeout", 5.0))
        self.metrics.on_delivery(DeliveryReport("ops", "delivered", 0.1))


# --- the tests ---


@pytest.mark.asyncio
async def test_prometheus_stores_what_the_daemon_exports(tmp_path: Path) -> None:
    """The target is healthy; the first failure goes from 0 to 1, fires the shipped alert and leaves its instance as an
    exemplar; and every panel of every dashboard then has something to show."""
    daemon = Daemon()
    async with daemon.serving() as address, scraping(address, tmp_path) as prometheus:
        failures = 'stagewatch_terminations_total{source="warehouse", project="ads", outcome="failed"}'
        await eventually(lambda: prometheus.value(failures), lambda value: value == 0)
        [target] = (await prometheus.get("targets"))["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        assert daemon.formats == {"application/openmetrics-text; version=1.0.0; charset=utf-8"}
        await gauges_arrive(prometheus, address)

        daemon.fail()
        firing = 'ALERTS{alertname="StagewatchInstanceFailed", alertstate="firing", project="ads"}'
        await eventually(lambda: prometheus.value(firing), lambda value: value == 1)
        assert await prometheus.value(failures) == 1
        assert await exemplars(prometheus, daemon.started) == {
            ("stagewatch_terminations_total", FAILED.id),
            ("stagewatch_duration_seconds_bucket", FAILED.id),
            ("stagewatch_wait_seconds_bucket", FAILED.id),
        }
        await panels_have_data(prometheus)


async def gauges_arrive(prometheus: Prometheus, address: str) -> None:
    """How things stand, as the daemon's board has it."""
    assert await prometheus.value("count(stagewatch_instances)") == 2 * len(Phase)
    assert await prometheus.value('sum(stagewatch_instances{phase="running"})') == 1
    assert await prometheus.value('stagewatch_workers{project="ads", state="pending"}') == 5
    assert await prometheus.value('stagewatch_source_up{source="warehouse"}') == 1
    assert await prometheus.value("stagewatch_feed_messages_total") == 5
    [progress] = await prometheus.query("stagewatch_instance_progress_ratio")
    assert progress["metric"]["exported_instance"] == RUNNING.id
    assert progress["metric"]["instance"] == address
    assert progress["value"][1] == "0.25"


async def exemplars(prometheus: Prometheus, about: datetime) -> set[tuple[str, str]]:
    """The series that have an exemplar, and whose id it is."""
    found = await prometheus.get(
        "query_exemplars",
        query='{__name__=~"stagewatch_.+"}',
        start=str(about.timestamp() - 3600),
        end=str(about.timestamp() + 3600),
    )
    return {
        (series["seriesLabels"]["__name__"], exemplar["labels"]["instance"])
        for series in found
        for exemplar in series["exemplars"]
    }


async def panels_have_data(prometheus: Prometheus) -> None:
    """With all variables at "all", every query has an answer; only the notes have nothing to tell."""
    dashboards = [json.loads(path.read_text()) for path in DASHBOARDS]
    queries = [
        target["expr"] for board in dashboards for panel in board["panels"] for target in panel.get("targets", ())
    ]
    assert len(queries) > 40
    for query in queries:
        await eventually(partial(prometheus.query, filled(query)), bool)
    for note in (note for board in dashboards for note in board["annotations"]["list"] if "expr" in note):
        assert await prometheus.query(filled(note["expr"])) == []


def filled(query: str) -> str:
    """The query as Grafana sends it when everything is chosen."""
    return re.sub(r"\$(\w+)", lambda name: {"__rate_interval": "1m", "__range": "5m"}.get(name[1], ".+"), query)


@pytest.mark.asyncio
async def test_prometheus_scrapes_the_whole_daemon(tmp_path: Path) -> None:
    """Instances that the emulator runs arrive as series, and no rule finds anything to say but that alerting works."""
    with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
        async with aiohttp.ClientSession() as http:
            wanted = {"project": "demo", "count": 25, "scenario": "steady", "seconds": 36_000}
            async with http.post(f"{emulator.url}/-/emulator/instances", json=wanted) as answer:
                assert answer.ok, await answer.text()
        file = tmp_path / "stagewatch.yaml"
        file.write_text(config(emulator.url, store=None, hook="http://127.0.0.1:9/"))
        with running(["serve", "--config", str(file)]) as daemon:
            async with scraping(daemon.url.removeprefix("http://"), tmp_path) as prometheus:
                live = 'sum(stagewatch_instances{phase=~"waiting|running"})'
                await eventually(lambda: prometheus.value(live), lambda value: value == 25)
                assert await prometheus.value('stagewatch_source_up{source="warehouse"}') == 1
                assert await prometheus.value("stagewatch_source_data_age_seconds < 60") is not None
                assert await prometheus.value('sum(stagewatch_source_requests_total{result="ok"}) > 0') is not None
                firing = await eventually(lambda: prometheus.query('ALERTS{alertstate="firing"}'), bool)
                assert [alert["metric"]["alertname"] for alert in firing] == ["StagewatchWatchdog"]


@pytest.mark.asyncio
async def test_promtool_finds_no_fault_with_the_metrics() -> None:
    """Names, units and words of help are as Prometheus' own lint wants them."""
    daemon = Daemon()
    daemon.fail()
    body, _ = await daemon.metrics.render("text/plain; version=0.0.4")
    assert await promtool("check", "metrics", stdin=body) == (0, "")


@pytest.mark.asyncio
async def test_promtool_accepts_what_we_ship() -> None:
    """The configuration and the rules are valid."""
    code, said = await promtool("check", "config", SHIPPED / "prometheus.yml")
    assert code == 0, said
    assert "SUCCESS: 1 rule files found" in said


@pytest.mark.asyncio
async def test_rules_fire_when_they_should_and_only_then() -> None:
    """The scenarios in tests/prometheus_rules: health, every alert once, first failures, restarts."""
    scenarios = sorted((REPOSITORY / "tests" / "prometheus_rules").glob("*.yml"))
    assert scenarios
    code, said = await promtool("test", "rules", *scenarios)
    assert code == 0, said
