"""The line, end to end: real pyodps submits to the emulator, the real daemon tracks, shows, meters and alerts."""

import asyncio
import json
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from odps import ODPS

from tests.e2e.processes import config, running
from tests.e2e.receiver import receiving

INSTANCES = 300
FAILURES = {
    "select * from no_such_table": "ODPS-0130131",
    "selekt 1": "ODPS-0130161",
    "select no_such_column from pyodps_iris": "ODPS-0130071",
    "select name, sum(cast(name as bigint)) from pyodps_iris group by name": "ODPS-0123091",
}
TERMINAL = {"succeeded", "failed", "cancelled"}


def submit_all(endpoint: str) -> dict[str, str | None]:
    """Submit with unmodified pyodps from eight threads; the error code that each instance must end with, by id."""
    failing = list(FAILURES.items())
    # one in ten fails; a third ends within one sweep, the rest lives through several
    work = [
        (*failing[number // 10 % len(failing)], 0.2 + number % 3)
        if number % 10 == 0
        else ("select name, count(*) from pyodps_iris group by name", None, 0.2 + number % 3 * 1.5)
        for number in range(INSTANCES)
    ]

    def submit(numbers: range) -> dict[str, str | None]:
        client = ODPS("tester", "demo-secret", project="demo", endpoint=endpoint)
        ids = {}
        for number in numbers:
            sql, code, seconds = work[number]
            instance = client.run_sql(sql, hints={"emulator.seconds": str(seconds)})
            ids[instance.id] = code
        return ids

    with ThreadPoolExecutor(8) as threads:
        parts = threads.map(submit, [range(start, INSTANCES, 8) for start in range(8)])
        return {instance: code for part in parts for instance, code in part.items()}


@pytest.mark.asyncio
async def test_three_hundred_instances(tmp_path: Path) -> None:
    """Every instance reaches its true phase, the feed tells each change once, the counters add up, and exactly the
    failures are alerted, each complete and without a token."""
    file = tmp_path / "stagewatch.yaml"
    async with receiving() as receiver:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=tmp_path / "stagewatch.db", hook=receiver.url))
            with running(["serve", "--config", str(file)]) as daemon:
                async with aiohttp.ClientSession(daemon.url) as http:
                    async with asyncio.TaskGroup() as tasks:
                        following = tasks.create_task(follow_feed(http, until=INSTANCES))
                        submitting = tasks.create_task(asyncio.to_thread(submit_all, f"{emulator.url}/api"))
                    expected = submitting.result()
                    failed = {instance: code for instance, code in expected.items() if code}
                    await receiver.until(len(failed))
                    await check_api(http, expected)
                    await check_metrics(http, expected)
                    check_feed(following.result(), expected)
                    check_alerts(receiver.requests, failed)
                    await check_logview(http, receiver.requests)
    assert "demo-secret" not in daemon.output


async def follow_feed(http: aiohttp.ClientSession, *, until: int) -> list[dict[str, Any]]:
    """Every event until so many instances have ended."""
    events: list[dict[str, Any]] = []
    ended: set[str] = set()
    seq = -1
    async with http.ws_connect("/api/v1/feed", max_msg_size=0) as feed:
        hello = await feed.receive_json(timeout=10)
        assert hello["type"] == "hello"
        await feed.send_json({"type": "subscribe", "id": "all", "filter": {}})
        while len(ended) < until:
            message = await feed.receive_json(timeout=60)
            assert message["type"] in {"snapshot", "event"}, message
            assert message["seq"] >= seq
            seq = message["seq"]
            if message["type"] == "event":
                events.append(message["event"])
                if message["event"]["kind"] == "phase" and message["event"]["to"] in TERMINAL:
                    ended.add(message["event"]["key"])
            else:
                assert message["instances"] == []
    return events


async def check_api(http: aiohttp.ClientSession, expected: dict[str, str | None]) -> None:
    async with http.get("/api/v1/instances", params={"limit": "1000"}) as answer:
        page = await answer.json()
    assert page["total"] == INSTANCES
    phases = {instance["id"]: instance["phase"] for instance in page["instances"]}
    assert phases == {instance: "failed" if code else "succeeded" for instance, code in expected.items()}


async def check_metrics(http: aiohttp.ClientSession, expected: dict[str, str | None]) -> None:
    async with http.get("/metrics") as answer:
        text = await answer.text()
    counted = {
        outcome: float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        for outcome in TERMINAL
        if line.startswith("stagewatch_terminations_total{") and f'outcome="{outcome}"' in line
    }
    truth = Counter("failed" if code else "succeeded" for code in expected.values())
    assert counted == {"succeeded": truth["succeeded"], "failed": truth["failed"], "cancelled": 0}


def check_feed(events: list[dict[str, Any]], expected: dict[str, str | None]) -> None:
    changes: dict[str, list[tuple[str | None, str]]] = defaultdict(list)
    for event in events:
        if event["kind"] == "phase":
            changes[event["key"].rsplit("/", 1)[1]].append((event["from"], event["to"]))
    assert changes.keys() == expected.keys()
    for instance, steps in changes.items():
        assert steps[0][0] is None
        assert all(before[1] == after[0] for before, after in pairwise(steps)), steps
        assert len(set(steps)) == len(steps)
        assert steps[-1][1] == ("failed" if expected[instance] else "succeeded")
    discovered = Counter(event["key"] for event in events if event["kind"] == "discovered")
    assert set(discovered.values()) == {1}
    assert len(discovered) == INSTANCES


def check_alerts(requests: list[tuple[str, dict[str, Any]]], failed: dict[str, str]) -> None:
    assert len({key for key, _ in requests}) == len(requests) == len(failed) == INSTANCES // 10
    seen = {}
    for key, body in requests:
        (alert,) = body["alerts"]
        labels, notes = alert["labels"], alert["annotations"]
        assert alert["fingerprint"] == key
        code = failed[labels["instance"]]
        assert labels["code"].startswith(code)
        assert notes["message"].removeprefix("FAILED: ").startswith(code)
        assert labels["task"] == "AnonymousSQLTask"
        assert labels["owner"].endswith("tester") or "tester" in labels["owner"]
        assert labels["alertname"] == "InstanceFailed"
        if code == "ODPS-0123091":  # it ran, so it has stages; what does not compile never had any
            assert "M1_Stg1" in notes["progress"]
        assert notes["logview"].endswith(f"/api/v1/instances/warehouse/demo/{labels['instance']}/logview?redirect")
        assert "token=" not in json.dumps(body)
        seen[labels["instance"]] = code
    assert seen == failed


async def check_logview(http: aiohttp.ClientSession, requests: list[tuple[str, dict[str, Any]]]) -> None:
    link = requests[0][1]["alerts"][0]["annotations"]["logview"]
    async with http.get(link, allow_redirects=False) as answer:
        assert answer.status == 302
        assert requests[0][1]["alerts"][0]["labels"]["instance"] in answer.headers["Location"]
