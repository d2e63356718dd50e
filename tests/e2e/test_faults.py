"""Every fault of a service at once, each at a source of its own: one daemon bears them all, and each recovers.

Both services, one after the other.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from monitor.emulator import faults as maxcompute
from monitor.emulator.batchcompute import faults as batchcompute
from tests.e2e.eventually import eventually
from tests.e2e.processes import Running, running
from tests.e2e.receiver import Receiver, receiving
from tests.e2e.sites import (
    BATCHCOMPUTE,
    CONCURRENCY,
    MAXCOMPUTE,
    RATE,
    TEXT,
    Case,
    Service,
    Site,
    Story,
    config,
    sites,
)

SOON = 5.0  # seconds in which the daemon answers on a busy machine, and up to which a listing is fresh
MEMORY = 256 * 2**20  # bytes; a bomb that goes off, or a body that is kept whole twenty times, needs more


def common_cases(sweeps: Sequence[str], listings: Sequence[str], standings: Sequence[str]) -> dict[str, Case]:
    """What every service may do to us; `standings` are the operations that tell how single instances stand."""
    return {
        "untouched": Case(None),
        "slow": Case({"fault": "latency", "delay": 0.2}),
        "hanging": Case({"fault": "latency", "delay": 600}, "timeout", "timeout", keys={"timeout": "1s"}),
        "gateway": Case({"fault": "bad_gateway"}, "unavailable", "unavailable"),
        "internal": Case({"fault": "internal_error"}, "unavailable", "unavailable"),
        "busy": Case(
            {"fault": "too_many_requests", "retry_after": 1, "operations": sweeps}, "throttled", "throttled", held=False
        ),
        "flow": Case({"fault": "flow_exceeded", "operations": sweeps}, "throttled", "throttled", held=False),
        "token": Case({"fault": "expired_token"}, "unauthorized", "unauthorized", keys={"sts_token": "made-up"}),
        "right": Case({"fault": "forbidden", "operations": listings}, "forbidden", "forbidden"),
        "ahead": Case({"fault": "clock_skew", "offset": 3600}, "skewed"),
        "behind": Case({"fault": "clock_skew", "offset": -3600}, "skewed"),
        "reset": Case({"fault": "reset"}, "unreachable", "unreachable"),
        "truncated": Case({"fault": "truncated"}, "malformed", "malformed"),
        "huge": Case({"fault": "huge_body", "operations": listings, "mebibytes": 20}, "malformed", "malformed"),
        "wrong": Case({"fault": "wrong_content"}, "malformed", "malformed"),
        "repeated": Case({"fault": "repeated_marker"}, outage="malformed"),
        "looping": Case({"fault": "looping_markers"}, outage="malformed"),
        "twice": Case({"fault": "duplicate_ids"}),
        "vanishing": Case({"fault": "vanishing", "operations": listings}),
        "unknown": Case({"fault": "no_such_object", "share": 0.5, "operations": standings}, "not_found"),
    }


OF_XML = {
    "bomb": Case({"fault": "entity_bomb"}, "malformed", "malformed"),
    "entity": Case({"fault": "external_entity"}, "malformed", "malformed"),
}
CASES = {
    "maxcompute": common_cases(["cachedinstances"], ["cachedinstances", "list"], ["taskstatus", "instanceprogress"])
    | OF_XML,
    "batchcompute": common_cases(["ListJobs"], ["ListJobs"], ["GetJob"]),
}
FAULTS = {"maxcompute": maxcompute.FAULTS, "batchcompute": batchcompute.FAULTS}


def outages(made: Sequence[Site]) -> set[str]:
    """Names of those that go down."""
    return {site.name for site in made if site.case.outage}


# --- asking the daemon ------------------------------------------------------------------------------------------------


async def ask(api: aiohttp.ClientSession, path: str) -> Any:
    """What the API answers, which it does soon."""
    async with api.get(path, timeout=aiohttp.ClientTimeout(SOON)) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def instances(api: aiohttp.ClientSession) -> dict[str, dict[str, Any]]:
    """All of them, by key."""
    page = await ask(api, "/api/v1/instances?limit=1000")
    assert page["next"] is None
    return {it["key"]: it for it in page["instances"]}


async def health(api: aiohttp.ClientSession) -> dict[str, dict[str, Any]]:
    """How every source stands, by name."""
    return {it["source"]: it for it in (await ask(api, "/api/v1/sources"))["sources"]}


async def metrics(api: aiohttp.ClientSession) -> dict[tuple[str, str, str], float]:
    """Sums of samples by name, source and result, where there is one."""
    async with api.get("/metrics", timeout=aiohttp.ClientTimeout(SOON)) as answer:
        text = await answer.text()
    samples: dict[tuple[str, str, str], float] = defaultdict(float)
    for name, labels, value in re.findall(r"^stagewatch_(\w+)(?:\{(.*?)\})? (\S+)", text, re.MULTILINE):
        label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        samples[name, label.get("source", ""), label.get("result", "")] += float(value)
    return samples


async def knock(api: aiohttp.ClientSession) -> None:
    """See to it that the daemon answers soon, whatever goes on."""
    while True:
        async with api.get("/-/healthy", timeout=aiohttp.ClientTimeout(SOON)) as answer:
            assert answer.status == 200
        await asyncio.sleep(0.1)  # an operator's probe has its own rhythm


# --- the tests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CASES)
def test_no_fault_is_left_out(kind: str) -> None:
    """The emulator has no other fault than those that the daemon is tried on."""
    assert {case.fault["fault"] for case in CASES[kind].values() if case.fault} == FAULTS[kind].keys()


@pytest.mark.asyncio
@pytest.mark.parametrize("service", [MAXCOMPUTE, BATCHCOMPUTE], ids=attrgetter("kind"))
async def test_every_fault_is_borne(tmp_path: Path, service: Service) -> None:
    """While each source meets its fault the daemon serves, no phase changes falsely and nothing about its instances is
    alerted; each outage is told once; when the faults are over, everything that failed meanwhile is alerted once."""
    file, story = tmp_path / "stagewatch.yaml", Story()
    cases = CASES[service.kind]
    async with receiving() as receiver, aiohttp.ClientSession() as http, sites(http, cases, service) as made:
        file.write_text(config(made, tmp_path / "stagewatch.db", receiver.url))
        with running(["serve", "--config", str(file)]) as daemon:
            watched = [site.key(role) for site in made for role in ("still", "steady")]
            async with aiohttp.ClientSession(daemon.url) as api, asyncio.TaskGroup() as beside:
                others = [beside.create_task(story.follow(api, watched)), beside.create_task(knock(api))]
                await live_through(made, api, story, receiver)
                for other in others:
                    other.cancel()
    check_story(made, story)
    check_alerts(made, receiver.requests)
    check_log(made, daemon)


async def live_through(made: Sequence[Site], api: aiohttp.ClientSession, story: Story, receiver: Receiver) -> None:
    """The faults come, stay for a while, and go."""
    service, down = made[0].service, outages(made)
    roles = {"steady": "running", "still": "running", "doomed": service.doomed}
    phases = {site.key_of(id_): roles[role] for site in made for role in roles for id_ in site.ids[role]}

    def is_known(shown: dict[str, Any]) -> bool:
        return phases == {key: it["phase"] for key, it in shown.items()} and all(
            shown[site.key("still")]["stages_at"] for site in made
        )

    before = await eventually(partial(instances, api), is_known)
    for site in made:
        await site.control("DELETE", "/requests")
        if site.case.fault:
            await site.control("POST", "/faults", site.case.fault)
        site.fail("doomed")
        await site.begin("brief", **service.recipes["brief"])

    async with asyncio.TaskGroup() as meetings:
        for site in made:
            meetings.create_task(site.meet(story))
    early = await health(api)
    await story.until(lambda: made[0].key("still") in story.stalled())
    check_instances(made, before, await instances(api))
    check_health(made, early, await health(api), await metrics(api))

    for site in made:
        await site.control("DELETE", "/faults")
    await story.until(lambda: story.told(up=True) >= down)
    await story.until(lambda: story.failed() >= {site.key(role) for site in made for role in ("doomed", "brief")})
    await eventually(partial(health, api), lambda shown: all(is_fresh(it) for it in shown.values()))
    await story.until(lambda: story.stalled() >= {site.key("still") for site in made})
    await receiver.until(3 * len(made) + len(down))
    async with asyncio.TaskGroup() as rounds:
        for site in made:
            rounds.create_task(site.another_round())  # in which nothing else comes
    for site in made:
        peak = (await site.control("GET", "/requests"))["total"]["peak_per_second"]
        # a quarter of a second's requests may be saved up, and as many as may be under way may have waited on the way
        assert peak <= RATE * 1.25 + CONCURRENCY, site.name


def is_fresh(shown: dict[str, Any]) -> bool:
    """Whether the daemon knows how the source stands."""
    return bool(shown["up"] and shown["age_seconds"] < SOON)


# --- while the faults are there ---------------------------------------------------------------------------------------


def check_instances(made: Sequence[Site], before: dict[str, Any], shown: dict[str, Any]) -> None:
    """No state is lost, and no phase has changed but of what failed."""
    doomed, brief = ({site.key(role) for site in made} for role in ("doomed", "brief"))
    assert before.keys() <= shown.keys() <= before.keys() | brief
    for key, it in shown.items():
        if key in brief:
            assert it["phase"] in {"waiting", "running", "failed"}  # seen alive, or as over and not yet asked how
        elif it["phase"] != "failed" or key not in doomed:
            assert (key, it["phase"], it["phase_since"]) == (key, before[key]["phase"], before[key]["phase_since"])


def check_health(
    made: Sequence[Site],
    early: dict[str, Any],
    late: dict[str, Any],
    samples: dict[tuple[str, str, str], float],
) -> None:
    """What does not answer is shown as such and grows older; what does is fresh. Each fault was met, and counted as
    what it is."""
    assert samples["process_resident_memory_bytes", "", ""] < MEMORY
    for site in made:
        name, case = site.name, site.case
        assert samples["source_requests_total", name, case.counted] > 0, name
        if not case.outage:
            assert is_fresh(late[name]), name
            assert samples["source_up", name, ""] == 1
        elif case.held:
            assert (late[name]["up"], late[name]["reason"]) == (False, case.outage)
            assert late[name]["swept_at"] == early[name]["swept_at"]
            assert late[name]["age_seconds"] > early[name]["age_seconds"] > 0
            assert samples["source_data_age_seconds", name, ""] >= late[name]["age_seconds"]
            assert samples["source_up", name, ""] == 0


# --- the whole story --------------------------------------------------------------------------------------------------


def check_story(made: Sequence[Site], story: Story) -> None:
    """Each instance has one life, each outage one beginning and one end, and nobody is judged during an outage."""
    assert not {event["kind"] for event in story.events} & {"lost", "contradicted", "removed"}
    assert set(Counter(event["key"] for event in story.of("discovered")).values()) == {1}
    lives: dict[str, list[str]] = defaultdict(list)
    for event in story.of("phase"):
        lives[event["key"]].append(event["to"])
    for site in made:
        assert lives.pop(site.key("doomed")) in ([site.service.doomed, "failed"], ["failed"])  # told from here on
        assert lives.pop(site.key("brief"))[-1] == "failed"
    assert set(map(tuple, lives.values())) <= {("running",)}

    troubles = {site.name: [it for it in story.of("source") if it["source"] == site.name] for site in made}
    assert Counter(it["key"] for it in story.of("verdict")) == Counter(site.key("still") for site in made)
    for name, told in troubles.items():
        assert [it["up"] for it in told] == ([False, True] if name in outages(made) else []), name
        assert story.judged_blindly(name) == []
        assert all(it["lasted"] > 0 for it in told[1:])


def check_alerts(made: Sequence[Site], requests: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Each failure once, with its text; each outage once; what stands still once; nothing else. Where a listing tells
    how a job ended, and the service then says that there is no such job, that is all that can be told."""
    expected = {("source_down", site.name, "", site.case.outage) for site in made if site.case.outage}
    for site in made:
        expected |= {("failed", site.name, site.ids[role][0], site.service.code) for role in ("doomed", "brief")}
        expected.add(("stalled", site.name, site.ids["still"][0], ""))
    denied = {site.name for site in made if site.case.counted == "not_found" and site.service is BATCHCOMPUTE}
    told: list[tuple[str, ...]] = []
    for alert in (alert for _, body in requests for alert in body["alerts"]):
        name, source, instance, code = (alert["labels"][it] for it in ("alertname", "source", "instance", "code"))
        if name == "failed" and not code and source in denied:
            code = BATCHCOMPUTE.code
        elif name == "failed":
            assert TEXT in alert["annotations"]["message"]
        told.append((name, source, instance, code))
    assert Counter(told) == Counter(expected)


def check_log(made: Sequence[Site], daemon: Running) -> None:
    """Each outage stands there when it begins, and when it ends with how long it was; no bug, and no secret."""
    for site in made:
        lines = [line for line in daemon.lines if re.search(rf"\bsource={site.name}\b", line)]
        told = [re.search(r"event=(source_\w+)(?:.*\b(lasted)=[\d.]+)?", line) for line in lines]
        words = [found.groups() for found in told if found]
        assert words == ([("source_down", None), ("source_up", "lasted")] if site.case.outage else []), lines
    assert "Traceback" not in daemon.output
    assert "demo-secret" not in daemon.output
    assert "made-up" not in daemon.output
