"""The driver as a whole: what it discovers, submits, stops and starts again."""

import asyncio
import json
from collections.abc import Awaitable
from copy import deepcopy
from datetime import UTC, datetime

import pytest

from monitor.core.events import Seen
from monitor.core.model import InstanceKey, Phase
from monitor.emulator.server import EmulatorOptions, serve
from monitor.sources.base import BadJobError, Detail, Priority, Reason, RequestReport, SourceError
from monitor.sources.batchcompute import BatchComputeSource
from tests.sources.batchcompute.description.jobs import EXAMPLE as JOB
from tests.sources.batchcompute.jobs import (
    ID,
    KEY,
    NOT_FOUND,
    NOW,
    REGION,
    Answer,
    Clock,
    error,
    lists,
    one,
    section,
    watching,
    whole,
)
from tests.sources.scripted import serving


@pytest.mark.parametrize(
    ("discover", "name", "expected"),
    [
        ({}, "log-count", True),
        ({"jobs": "log-.*"}, "log-count", True),
        ({"jobs": "log"}, "log-count", False),
        ({"jobs": "log-.*"}, "render", False),
        ({"jobs": "log-.*"}, "", True),
        (False, "log-count", False),
    ],
)
@pytest.mark.asyncio
async def test_what_it_discovers(discover: object, name: str, expected: bool) -> None:
    """The whole job name has to match, or nobody could read it; with `discover: false` nothing does."""
    seen = Seen(key=KEY, at=NOW, kind="batchcompute", phase=Phase.RUNNING, name=name)
    async with serving() as service, watching(service, discover=discover) as source:
        assert source.discovers(seen) is expected


# --- what people want -------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_stop_and_restart_are_one_post_each() -> None:
    """What comes of it is observed later."""
    async with serving() as service, watching(service) as source:
        service.on(ID, Answer(status=201))
        await source.stop(KEY)
        await source.restart(KEY)
    assert [(asked.method, asked.target, asked.body) for asked in service.asked] == [
        ("POST", f"/api/jobs/{ID}/stop", b""),
        ("POST", f"/api/jobs/{ID}/start", b""),
    ]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (error("StateConflict", "The current resource state is Finished.", 409), Reason.CONFLICT),
        (NOT_FOUND, Reason.NOT_FOUND),
        (error("Forbidden.RAM", status=403), Reason.FORBIDDEN),
        (Answer(status=503), Reason.UNAVAILABLE),
    ],
)
@pytest.mark.asyncio
async def test_a_wish_that_is_refused(answer: Answer, reason: Reason) -> None:
    """One request, one reason: neither is ever sent twice."""
    async with serving() as service, watching(service) as source:
        service.on(ID, answer)
        for wish in (source.stop, source.restart):
            with pytest.raises(SourceError) as caught:
                await wish(KEY)
            assert caught.value.reason is reason
    assert len(service.asked) == 2


@pytest.mark.asyncio
async def test_a_submission() -> None:
    """The description as it was given, under a token; what was made has a key."""
    async with serving() as service, watching(service) as source:
        service.on("IdempotentToken", Answer(json.dumps({"Id": ID}), 201))
        assert await source.submit(REGION, JOB, "tok 1/x") == KEY
    (asked,) = service.asked
    assert (asked.method, asked.target) == ("POST", "/api/jobs?IdempotentToken=tok%201%2Fx")
    assert json.loads(asked.body) == JOB
    assert "contentMd5" in asked.headers


@pytest.mark.asyncio
async def test_a_submission_is_repeated_under_its_token() -> None:
    """The token makes that safe; without one it is sent once."""
    async with serving() as service, watching(service) as source:
        service.on("/jobs", Answer(status=503), Answer(json.dumps({"Id": ID}), 201))
        assert await source.submit(REGION, JOB, "token") == KEY
        assert len(service.asked) == 2
        service.on("/jobs", Answer(status=503))
        with pytest.raises(SourceError):
            await source.submit(REGION, JOB, "")
    assert len(service.asked) == 3


@pytest.mark.asyncio
async def test_a_large_description_keeps_nobody_waiting() -> None:
    """It is checked beside the loop, which goes on meanwhile."""
    job = deepcopy(JOB)
    job["DAG"]["Tasks"] = {f"t{number}": deepcopy(JOB["DAG"]["Tasks"]["count"]) for number in range(1000)}
    job["Priority"] = 5_000
    turns = 0
    async with serving() as service, watching(service) as source, asyncio.TaskGroup() as tasks:
        submission = tasks.create_task(_refused(source.submit(REGION, job, "token")))
        while not submission.done():
            await asyncio.sleep(0)
            turns += 1
    assert turns > 10


async def _refused(submission: Awaitable[InstanceKey]) -> None:
    with pytest.raises(BadJobError):
        await submission


@pytest.mark.asyncio
async def test_a_description_with_faults_is_not_sent() -> None:
    """All faults are named at once."""
    job = deepcopy(JOB)
    job["Priority"] = 5_000
    job["DAG"]["Tasks"]["count"]["InstanceCount"] = 0
    async with serving() as service, watching(service) as source:
        with pytest.raises(BadJobError) as caught:
            await source.submit(REGION, job, "token")
    assert {fault.path for fault in caught.value.faults} == {"Priority", "DAG.Tasks.count.InstanceCount"}
    assert service.asked == []


@pytest.mark.asyncio
async def test_a_source_that_takes_no_jobs() -> None:
    """`submit: false`: nothing is sent, and the key to change is named."""
    async with serving() as service, watching(service, submit=False) as source:
        with pytest.raises(SourceError, match="submit: true") as caught:
            await source.submit(REGION, JOB, "token")
    assert caught.value.reason is Reason.REJECTED
    assert service.asked == []


@pytest.mark.parametrize("answer", [Answer("", 201), Answer("{}", 201), one({"Id": 7}), one({"Id": "../x"})])
@pytest.mark.asyncio
async def test_a_submission_that_is_answered_oddly(answer: Answer) -> None:
    """Whether it was taken is not known, and that is said."""
    async with serving() as service, watching(service) as source:
        service.on("/jobs", answer)
        with pytest.raises(SourceError, match="render: submit") as caught:
            await source.submit(REGION, JOB, "token")
    assert caught.value.reason is Reason.MALFORMED


# --- as a whole -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sts_token", [None, "made-up-sts-token"])
@pytest.mark.asyncio
async def test_signatures_that_somebody_else_verifies(sts_token: str | None) -> None:
    """The emulator shares no code with us and checks every signature: each kind of request is taken the first time."""
    reports: list[RequestReport] = []
    async with serve(EmulatorOptions()) as emulator:
        read = section(emulator.url, access_key="demo-secret", sts_token=sts_token)
        source = BatchComputeSource(read, now=lambda: datetime.now(UTC), report=reports.append)  # noqa: TID251 - it checks
        key = await source.submit(REGION, JOB, "tok 1/ü")
        await source.stop(key)
        await source.restart(key)
        await source.results(key)
        await whole(source.sweep(REGION))
        await whole(source.ended(REGION, NOW))
        await source.inspect(key, Detail.STAGES, Priority.WATCHED)
        await source.stop(key)
        await source.aclose()
    assert {report.result for report in reports} == {"ok"}


@pytest.mark.asyncio
async def test_two_sources_share_nothing() -> None:
    """One that is throttled does not slow the other."""
    async with serving() as service, watching(service) as first, watching(service, name="other") as other:
        lists(service)
        service.on("State=Waiting", Answer(status=429, headers={"Retry-After": "600"}))
        with pytest.raises(SourceError):
            await whole(first.sweep(REGION))
        lists(service)
        assert await whole(other.sweep(REGION)) == (set(), [])
    assert (first.name, other.name, first.kind, first.projects) == ("render", "other", "batchcompute", (REGION,))


def test_it_is_built_without_a_loop() -> None:
    """A config can be checked, and a program built, before anything runs."""
    source = BatchComputeSource(section("https://service.example"), now=Clock(), report=lambda _: None)
    assert source.name == "render"
    assert InstanceKey(source.name, *source.projects, ID) == KEY
