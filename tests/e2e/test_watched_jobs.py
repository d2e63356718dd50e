"""Jobs of real programs, submitted by the released SDK, and what the daemon that watches them shows and tells."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.chromium import chromium
from tests.e2e.eventually import eventually
from tests.e2e.processes import BATCHCOMPUTE, config, running
from tests.e2e.receiver import Receiver, receiving
from tests.e2e.sdk import Sdk
from tests.e2e.seed_job import PRE, SEED, bucket, changed, room, until_gone, upload, worker
from tests.e2e.seed_worker.oss_tool import OssTool

pytestmark = pytest.mark.asyncio(loop_scope="module")

Found = dict[str, Any]


@dataclass(frozen=True)
class Watch:
    """An emulated service, who uses it, a daemon that watches it, and a team that is told."""

    sdk: Sdk
    oss: OssTool
    api: aiohttp.ClientSession
    team: Receiver
    url: str

    async def instance(self, job: str) -> Found:
        """What the daemon shows of a job; empty while it does not know it."""
        async with self.api.get(path(job)) as answer:
            return dict(await answer.json()) if answer.status == 200 else {}

    async def shows(self, job: str, good: Callable[[Found], bool]) -> Found:
        """Wait until it shows a job so."""
        return await eventually(lambda: self.instance(job), good)

    async def ended(self, job: str) -> Found:
        """Wait until it shows the end of a job."""
        return await self.shows(job, lambda shown: shown.get("phase") in {"succeeded", "failed"})

    async def alerts(self, job: str) -> list[Found]:
        """What was fired about a job. It was written down together with the end that the daemon shows."""
        async with self.api.get("/api/v1/alerts", params={"limit": "1000"}) as answer:
            fired = (await answer.json())["alerts"]
        return [alert for alert in fired if alert["labels"]["instance"] == job]

    async def told(self, job: str) -> Found:
        """The one alert about a job, once the team has it."""
        (fired,) = await self.alerts(job)

        async def arrived() -> list[Found]:
            return [body["alerts"][0] for key, body in self.team.requests if key == fired["id"]]

        (alert,) = await eventually(arrived, bool)
        assert alert["labels"]["instance"] == job
        return alert


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watch(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watch]:
    """The emulator and the daemon as a user starts them."""
    file = tmp_path_factory.mktemp("watch") / "stagewatch.yaml"
    async with receiving() as team:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=None, hook=team.url, kinds=[BATCHCOMPUTE], sweep_every="200ms"))
            with running(["serve", "--config", str(file)]) as daemon:
                async with aiohttp.ClientSession(daemon.url) as api:
                    yield Watch(Sdk(emulator.url), bucket(emulator.url), api, team, daemon.url)


def path(job: str) -> str:
    """Where the API has it."""
    return f"/api/v1/instances/render/cn-qingdao/{job}"


def board(shown: Found) -> list[str]:
    """Its stages as the services' own texts have them: running, terminated and total."""
    stages = [stage for task in shown.get("tasks", ()) for stage in task["stages"]]
    return [f"{stage['name']}:{stage['running']}/{stage['terminated']}/{stage['total']}" for stage in stages]


async def test_three_workers_are_seen_at_work(watch: Watch) -> None:
    """The manual's job: the three processes wait for each other, and go on only when the board has shown all three."""
    with room(4) as together:
        upload(watch.oss, worker(together))
        job = watch.sdk.create_job(SEED).Id
        at_work = await watch.shows(job, lambda shown: board(shown) == ["count:3/0/3"])
        assert (at_work["phase"], at_work["name"], at_work["kind"]) == ("running", "log-count", "batchcompute")
        await asyncio.to_thread(together.enter)
        ended = await watch.ended(job)
    assert together.present == {"0", "1", "2"}
    assert (ended["phase"], ended["progress"], board(ended)) == ("succeeded", 1, ["count:0/3/3"])
    assert ended["tasks"][0]["stages"][0]["failed"] == 0
    assert await watch.alerts(job) == []


async def test_a_missing_part_is_told_with_the_reason(watch: Watch) -> None:
    """One alert: which instance failed, with which codes, and what its program said last; the link in it leads to where
    the rest of its output is, since the service has no page to open."""
    watch.oss.delete(f"{PRE}/split_results/1.txt")
    upload(watch.oss, worker(), missing=1)
    job = watch.sdk.create_job(SEED).Id
    ended = await watch.ended(job)
    result = watch.sdk.get_instance(job, "count", 1).Result
    assert (ended["phase"], ended["failure"]["task"], ended["failure"]["code"]) == ("failed", "count", result.ErrorCode)

    alert = await watch.told(job)
    labels, notes = alert["labels"], alert["annotations"]
    assert (labels["alertname"], labels["source"], labels["task"]) == ("InstanceFailed", "render", "count")
    assert labels["code"] == result.ErrorCode != ""
    assert notes["message"].startswith("instance 1: ")
    assert f"exit code {result.ExitCode}" in notes["message"]
    assert f"RuntimeError: GET {PRE}/split_results/1.txt: 404" in notes["message"]
    assert notes["message"] == ended["failure"]["message"]

    assert notes["logview"] == f"{watch.url}{path(job)}/logview?redirect"
    async with watch.api.get(notes["logview"], allow_redirects=False) as answer:
        refusal = (await answer.json())["error"]
        assert (answer.status, refusal["code"]) == (501, "not_offered")
    assert "Batch Compute has no page about a job" in refusal["message"]
    assert f"instance 1 of count: stdout {PRE}/logs/stdout.{job}.count.1, stderr {PRE}/logs/" in refusal["message"]
    until_gone(job)


async def test_a_program_that_succeeds_at_the_third_try(watch: Watch) -> None:
    """Its two retries are shown, and nobody is alerted."""
    upload(watch.oss, worker(failures=2))
    watch.oss.delete(f"{PRE}/tries/0")
    job = watch.sdk.create_job(changed("python flaky.py", MaxRetryCount=2, InstanceCount=1)).Id
    ended = await watch.ended(job)
    (stage,) = ended["tasks"][0]["stages"]
    assert (ended["phase"], ended["partial_failure"], board(ended)) == ("succeeded", False, ["count:0/1/1"])
    assert (stage["retries"], stage["failed"]) == (2, 0)
    assert watch.sdk.get_instance(job, "count", 0).RetryCount == 2
    assert await watch.alerts(job) == []


async def test_a_program_that_takes_too_long(watch: Watch) -> None:
    """It is told once that it failed by its Timeout, and none of its processes is left."""
    upload(watch.oss, worker())
    job = watch.sdk.create_job(changed("sleep 60", Timeout=1, InstanceCount=1)).Id
    ended = await watch.ended(job)
    assert (ended["phase"], ended["failure"]["code"]) == ("failed", "Timeout")
    alert = await watch.told(job)
    assert alert["labels"]["code"] == "Timeout"
    assert alert["annotations"]["message"].startswith("instance 0: ")
    until_gone(job)


def split_count_merge() -> Found:
    """The manual's job between one that splits and one that merges."""
    job: Found = json.loads(SEED)
    count = job["DAG"]["Tasks"]["count"]
    command = {"EnvVars": {}, "CommandLine": "true", "PackagePath": ""}
    alone = count | {"InstanceCount": 1, "Parameters": count["Parameters"] | {"Command": command}}
    job["DAG"]["Tasks"] = {"merge": alone, "count": count, "split": alone}
    job["DAG"]["Dependencies"] = {"split": ["count"], "count": ["merge"]}
    return job


async def test_a_graph_of_tasks(watch: Watch) -> None:
    """split, three times count, merge: the API has the dependencies as those of stages, and the dashboard draws them as
    a graph, in which the work moves on."""
    async with chromium() as browser:
        with room(4) as together:
            upload(watch.oss, worker(together))
            job = watch.sdk.create_job(split_count_merge()).Id
            at_work = await watch.shows(job, lambda shown: "count:3/0/3" in board(shown))
            tasks = {task["name"]: task for task in at_work["tasks"]}
            stages = {name: task["stages"][0] for name, task in tasks.items()}
            number = {name: stage["id"] for name, stage in stages.items()}
            assert sorted(board(at_work)) == ["count:3/0/3", "merge:0/0/1", "split:0/1/1"]
            assert sorted(number.values()) == [1, 2, 3]
            assert {name: stage["depends_on"] for name, stage in stages.items()} == {
                "split": [],
                "count": [number["split"]],
                "merge": [number["count"]],
            }
            assert {name: task["depends_on"] for name, task in tasks.items()} == {
                "split": [],
                "count": ["split"],
                "merge": ["count"],
            }

            page = await browser.new_page()
            await page.goto(f"{watch.url}/?open=render/cn-qingdao/{job}")
            panel = page.locator("#panel")
            await expect(panel.locator(".graph > title")).to_have_text("3 tasks and what they wait for")
            await expect(panel.locator(".graph .edge")).to_have_count(2)

            def node(name: str) -> Any:
                return panel.locator(".graph .node", has_text=name)

            phases = {"split": "succeeded", "count": "running", "merge": "waiting"}
            for name, phase in phases.items():
                await expect(node(name)).to_have_attribute("data-phase", phase)
            await expect(node("count").locator(".far")).to_have_text("0/3")
            lefts = [(await node(name).bounding_box())["x"] for name in phases]
            assert lefts[0] < lefts[1] < lefts[2]
            await asyncio.to_thread(together.enter)
            for name in phases:
                await expect(node(name)).to_have_attribute("data-phase", "succeeded")
        await expect(node("count").locator(".far")).to_have_text("3/3")
        await page.close()
    ended = await watch.ended(job)
    assert (ended["phase"], sorted(board(ended))) == ("succeeded", ["count:0/3/3", "merge:0/1/1", "split:0/1/1"])
    assert await watch.alerts(job) == []
