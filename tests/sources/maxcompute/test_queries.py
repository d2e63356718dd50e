"""Queries within a session (MCQA v1), against a scripted service."""

import json

import pytest

from monitor.core.events import Gone, Seen
from monitor.core.model import InstanceKey, Phase
from monitor.sources.base import Detail, Priority, Reason, SourceError
from monitor.sources.maxcompute import MaxComputeSource
from tests.sources.scripted import NOW, Answer, Service, error, instance, serving, task, watching

SESSION = "20250124073421123gabc0def1"
KEY = InstanceKey("warehouse", "analytics", f"{SESSION}:3")
TEXT = "ODPS-1850001:Unsupported feature - made-up"


def session(service: Service, name: str = "console_sqlrt_task") -> None:
    """The session's own status."""
    service.on("taskstatus", Answer(instance("Running", task("Running", name)).replace('"SQL"', '"SQLRT"')))


def state(status: int, result: str | None = "", **more: object) -> Answer:
    """How the query stands."""
    return Answer(json.dumps({"status": status, "result": result, "warnings": "", "subQueryId": 3, **more}))


async def inspect(source: MaxComputeSource, key: InstanceKey = KEY) -> Seen | Gone:
    return await source.inspect(key, Detail.STAGES, Priority.WATCHED)


@pytest.mark.parametrize(
    ("status", "word", "phase"),
    [
        (2, "Running", Phase.RUNNING),
        (5, "Terminated", Phase.SUCCEEDED),
        (4, "Failed", Phase.FAILED),
        (6, "Cancelled", Phase.CANCELLED),
        (9, "status 9", None),
    ],
)
@pytest.mark.asyncio
async def test_how_a_query_stands(status: int, word: str, phase: Phase | None) -> None:
    """By the service's numbers, whose fifth is success; why it failed comes in the same answer."""
    async with serving() as service, watching(service) as source:
        session(service)
        service.on("key=result_3", state(status, TEXT))
        seen = await inspect(source)
    assert isinstance(seen, Seen)
    assert (seen.key, seen.at, seen.native_status, seen.phase) == (KEY, NOW, word, phase)
    assert seen.ended is (phase is not None and phase.is_terminal)
    assert [(one.name, one.type, one.phase) for one in seen.tasks or ()] == [("console_sqlrt_task", "SQLRT", phase)]
    assert (seen.failure is not None) is (phase is Phase.FAILED)
    if seen.failure:
        assert (seen.failure.code, seen.failure.message) == ("ODPS-1850001", TEXT)


@pytest.mark.asyncio
async def test_the_session_is_asked_for_its_task_once() -> None:
    """Two queries of one session, one of them twice; a session that does not tell it has the usual one."""
    async with serving() as service, watching(service) as source:
        session(service)
        service.on("key=result_", state(2))
        for number in ("3", "4", "3"):
            await inspect(source, InstanceKey("warehouse", "analytics", f"{SESSION}:{number}"))
        assert [f"key=result_{number}" in asked.target for number, asked in zip("343", service.asked[1:], strict=True)]
        service.on("taskstatus", Answer(instance("Running")))
        await inspect(source, InstanceKey("warehouse", "analytics", "another:1"))
    assert len(service.asked_for("taskstatus")) == 2
    assert len(service.asked_for("taskname=console_sqlrt_task")) == 3
    assert "taskname=AnonymousSQLRTTask" in service.asked[-1].target


@pytest.mark.parametrize("answer", [Answer(""), error("NoSuchObject", status=404)])
@pytest.mark.asyncio
async def test_a_query_that_the_session_does_not_know_is_gone(answer: Answer) -> None:
    """As is one of a session that nobody knows."""
    async with serving() as service, watching(service) as source:
        assert isinstance(await inspect(source), Gone)
        session(service)
        service.on("key=result_3", answer)
        assert isinstance(await inspect(source), Gone)
        assert isinstance(await inspect(source, InstanceKey("warehouse", "analytics", f"{SESSION}:x")), Gone)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(Answer("<html>"), Reason.MALFORMED), (Answer(status=500), Reason.UNAVAILABLE), (Answer("[]"), Reason.MALFORMED)],
)
@pytest.mark.asyncio
async def test_trouble_is_no_answer(answer: Answer, reason: Reason) -> None:
    """It says nothing about the query."""
    async with serving() as service, watching(service) as source:
        session(service)
        service.on("key=result_3", answer)
        with pytest.raises(SourceError) as caught:
            await inspect(source)
    assert caught.value.reason is reason


@pytest.mark.asyncio
async def test_results_stop_and_page_of_a_query() -> None:
    """Its own result; its own part of the page of the session; and no stop, which would end all the others, too."""
    async with serving() as service, watching(service, logview_host="http://logview.example.test") as source:
        session(service)
        service.on("key=result_3", state(5, '"a"\n1\n'), Answer(""))
        service.on("/authorization", Answer("<Authorization><Result>made+up==</Result></Authorization>"))
        assert await source.results(KEY) == {"console_sqlrt_task": '"a"\n1\n'}
        with pytest.raises(SourceError, match="knows no query 3"):
            await source.results(KEY)
        assert (await source.logview(KEY, None)).endswith(f"&i={SESSION}&token=made%2Bup%3D%3D&subQuery=3")
        before = len(service.asked)
        with pytest.raises(SourceError, match="stop the session") as caught:
            await source.stop(KEY)
        assert len(service.asked) == before
    assert caught.value.reason is Reason.REJECTED
