"""Questions about one instance, against a scripted service."""

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from monitor.core.events import Gone, Seen
from monitor.core.model import Category, InstanceKey, Phase, Stage
from monitor.sources.base import Detail, Priority, Reason, RequestReport, SourceError
from monitor.sources.maxcompute import MaxComputeSource
from tests.sources.scripted import (
    NOW,
    Answer,
    Clock,
    Service,
    error,
    instance,
    results,
    serving,
    stages,
    task,
    watching,
)

ID = "20250124073421123gabc0def1"
KEY = InstanceKey("warehouse", "analytics", ID)
STATUS, PROGRESS, RESULT = "taskstatus", "instanceprogress", "&result"
HEADERS = {
    "x-odps-owner": "ALIYUN$me@example.test",
    "x-odps-start-time": "Fri, 24 Jan 2025 07:34:20 GMT",
    "x-odps-end-time": "",
}


async def inspect(source: MaxComputeSource, want: Detail = Detail.PHASE, key: InstanceKey = KEY) -> Seen:
    """Ask, and expect an answer about the instance."""
    seen = await source.inspect(key, want, Priority.WATCHED)
    assert isinstance(seen, Seen)
    return seen


def operations(service: Service) -> list[str]:
    """Which questions came, in order."""
    names = (STATUS, PROGRESS, RESULT)
    return [next((name for name in names if name in asked.target), "status") for asked in service.asked]


@pytest.mark.asyncio
async def test_a_running_instance() -> None:
    """One request tells phase, tasks, owner and times."""
    async with serving() as service, watching(service) as source:
        service.on(STATUS, Answer(instance("Running", task("Running"), task("Waiting", "Second")), headers=HEADERS))
        seen = await inspect(source)
    assert len(service.asked) == 1
    assert (seen.key, seen.at, seen.kind) == (KEY, NOW, "maxcompute")
    assert (seen.phase, seen.native_status, seen.ended) == (Phase.RUNNING, "Running", False)
    assert seen.owner == "ALIYUN$me@example.test"
    assert seen.created_at == datetime(2025, 1, 24, 7, 34, 20, tzinfo=UTC)
    assert seen.started_at == datetime(2025, 1, 24, 7, 34, 22, tzinfo=UTC)
    assert seen.ended_at is None
    assert [(it.name, it.type, it.phase) for it in seen.tasks or ()] == [
        ("AnonymousSQLTask", "SQL", Phase.RUNNING),
        ("Second", "SQL", Phase.WAITING),
    ]
    assert not seen.stages_read


@pytest.mark.parametrize(
    ("body", "phase", "ended"),
    [
        (instance("Running"), None, False),
        (instance("Running", task("Waiting")), Phase.WAITING, False),
        (instance("Suspended", task("Suspended")), Phase.SUSPENDED, False),
        (instance("Terminated"), None, True),
        (instance("TERMINATED", task("SUCCESS"), task("Success", "B")), Phase.SUCCEEDED, True),
        (instance("Terminated", task("Success"), task("Failed", "B")), Phase.FAILED, True),
        (instance("Terminated", task("Success"), task("Cancelled", "B")), Phase.CANCELLED, True),
        (instance("Terminated", task("Dreaming")), None, True),
        (instance("Dreaming", task("Running")), None, False),
    ],
)
@pytest.mark.asyncio
async def test_phases(body: str, phase: Phase | None, ended: bool) -> None:
    """How words and tasks become a phase, in one request."""
    async with serving() as service, watching(service) as source:
        service.on(STATUS, Answer(body))
        with capture_logs():
            seen = await inspect(source)
    assert (seen.phase, seen.ended) == (phase, ended)
    assert operations(service) == [STATUS]


@pytest.mark.asyncio
async def test_dates_are_told_by_our_clock() -> None:
    """A listing showed that the service's clock is an hour ahead: so are all the dates that it tells."""
    date = {"Date": "Fri, 24 Jan 2025 08:34:21 GMT"}
    times = {"x-odps-start-time": "Fri, 24 Jan 2025 08:34:20 GMT", "x-odps-end-time": "Fri, 24 Jan 2025 08:35:00 GMT"}
    body = instance("Terminated", task("Success", ended="Fri, 24 Jan 2025 08:34:59 GMT"))
    async with serving() as service, watching(service) as source:
        service.on("status=Terminated", Answer("<Instances/>", headers=date))
        service.on(STATUS, Answer(body.replace("07:34:22", "08:34:22"), headers={**date, **times}))
        assert [it.ids async for it in source.ended("analytics", NOW)] == [()]
        seen = await inspect(source)
    (only,) = seen.tasks or ()
    assert [seen.created_at, seen.started_at, only.started_at, only.ended_at, seen.ended_at] == [
        NOW + timedelta(seconds=seconds) for seconds in (-1, 1, 1, 38, 39)
    ]


@pytest.mark.asyncio
async def test_the_end_is_the_headers_or_the_last_tasks() -> None:
    """The header goes before the tasks' times; a running instance has no end whatever its tasks say."""
    ended = "Fri, 24 Jan 2025 07:35:00 GMT"
    body = instance("Terminated", task("Success", ended="Fri, 24 Jan 2025 07:34:51 GMT"), task("Success", ended=ended))
    async with serving() as service, watching(service) as source:
        service.on(STATUS, Answer(body))
        assert (await inspect(source)).ended_at == datetime(2025, 1, 24, 7, 35, tzinfo=UTC)
        service.on(STATUS, Answer(body, headers={"x-odps-end-time": "Fri, 24 Jan 2025 07:36:00 GMT"}))
        assert (await inspect(source)).ended_at == datetime(2025, 1, 24, 7, 36, tzinfo=UTC)
        service.on(STATUS, Answer(body.replace("Terminated", "Running")))
        assert (await inspect(source)).ended_at is None


@pytest.mark.asyncio
async def test_a_status_that_is_not_in_the_answer_is_asked_for() -> None:
    """Where `?taskstatus` leaves out the instance's own word, the plain status tells it."""
    async with serving() as service, watching(service) as source:
        service.on(ID, Answer("<Instance><Status>Terminated</Status></Instance>"))
        service.on(STATUS, Answer(instance("", task("Success"))))
        seen = await inspect(source)
    assert seen.phase is Phase.SUCCEEDED
    assert operations(service) == [STATUS, "status"]


@pytest.mark.asyncio
async def test_a_status_that_is_nowhere_is_malformed() -> None:
    """Neither answer has it: nothing is guessed."""
    async with serving() as service, watching(service) as source:
        service.on(ID, Answer("<Instance/>"))
        with pytest.raises(SourceError, match="no <Status>") as caught:
            await inspect(source)
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.asyncio
async def test_an_equal_answer_is_told_at_its_own_time() -> None:
    """The same body is not read again, and the observation is of now; another owner is another answer."""
    clock = Clock()
    async with serving() as service, watching(service, clock=clock) as source:
        service.on(STATUS, Answer(instance("Running", task("Running")), headers=HEADERS))
        first = await inspect(source)
        clock.advance(seconds=5)
        second = await inspect(source)
        service.on(STATUS, Answer(instance("Running", task("Running")), headers={**HEADERS, "x-odps-owner": "other"}))
        third = await inspect(source)
    assert (second.at, second.tasks) == (clock.at, first.tasks)
    assert second.tasks is first.tasks
    assert (first.owner, third.owner) == ("ALIYUN$me@example.test", "other")


@pytest.mark.parametrize("code", ["NoSuchObject", "NoSuchInstance"])
@pytest.mark.asyncio
async def test_no_such_instance(code: str) -> None:
    """The service knows no such instance: that is an observation, not an error."""
    async with serving() as service, watching(service) as source:
        service.on(ID, error(code, status=404))
        assert await source.inspect(KEY, Detail.STAGES, Priority.SWEEP) == Gone(KEY, NOW)


@pytest.mark.asyncio
async def test_what_cannot_be_an_id_is_gone_without_a_question() -> None:
    """A key that somebody typed."""
    async with serving() as service, watching(service) as source:
        key = InstanceKey("warehouse", "analytics", "../../x?y")
        assert await source.inspect(key, Detail.PHASE, Priority.WATCHED) == Gone(key, NOW)
    assert service.asked == []


@pytest.mark.parametrize("answer", [error("NoSuchProject", status=404), Answer("<html>nginx</html>", 404)])
@pytest.mark.asyncio
async def test_other_things_that_are_not_found(answer: Answer) -> None:
    """A missing project, or a gateway that knows no such path, says nothing of the instance."""
    async with serving() as service, watching(service) as source:
        service.on(ID, answer)
        with pytest.raises(SourceError, match="check the name of the project") as caught:
            await inspect(source)
    assert caught.value.reason is Reason.NOT_FOUND


# --- failures -------------------------------------------------------------------------------------------------------

FAILED = instance("Terminated", task("Success", "First"), task("Failed", "Second"))
TEXT = "FAILED: ODPS-0130131:[1,15] Table not found - made_up"


@pytest.mark.asyncio
async def test_why_it_failed() -> None:
    """The failed task's own text, and how far its stages were; the other task is not asked about."""
    async with serving() as service, watching(service) as source:
        service.on(STATUS, Answer(FAILED))
        service.on(RESULT, Answer(results(First="fine", Second=TEXT)))
        service.on(PROGRESS, Answer(stages((0, 2, 5, 40))))
        seen = await inspect(source, Detail.OUTCOME)
    assert seen.failure is not None
    assert (seen.failure.task, seen.failure.code) == ("Second", "ODPS-0130131")
    assert seen.failure.message == "ODPS-0130131:[1,15] Table not found - made_up"
    assert seen.failure.category is Category.CODE
    assert [it.stages for it in seen.tasks or ()] == [(), (Stage("M1_job_0", 0, 2, 5, 0, 40, "RUNNING"),)]
    assert seen.stages_read
    assert operations(service) == [STATUS, RESULT, PROGRESS]


@pytest.mark.asyncio
async def test_the_phase_alone_costs_one_request() -> None:
    """Who only wants to know that it failed does not pay for the text."""
    async with serving() as service, watching(service) as source:
        service.on(STATUS, Answer(FAILED))
        seen = await inspect(source, Detail.PHASE)
    assert (seen.phase, seen.failure) == (Phase.FAILED, None)
    assert operations(service) == [STATUS]


@pytest.mark.asyncio
async def test_success_has_no_text_to_ask_for() -> None:
    """The outcome of what succeeded or was cancelled is known from its tasks."""
    async with serving() as service, watching(service) as source:
        for word in ("Success", "Cancelled"):
            service.on(STATUS, Answer(instance("Terminated", task(word))))
            assert (await inspect(source, Detail.OUTCOME)).failure is None
    assert operations(service) == [STATUS, STATUS]


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (error("NoPermission", "no privilege odps:Read", 403), "no privilege odps:Read"),
        (error("NoSuchObject", "expired", 404), "expired"),
        (Answer("<Instance><Tasks>"), "not XML"),
    ],
)
@pytest.mark.asyncio
async def test_a_text_that_cannot_be_had_does_not_hold_up_the_failure(answer: Answer, part: str) -> None:
    """What would be refused again next time is told in place of the text."""
    async with serving() as service, watching(service) as source:
        service.on(STATUS, Answer(FAILED))
        service.on(RESULT, answer)
        seen = await inspect(source, Detail.OUTCOME)
    assert seen.failure is not None
    assert seen.failure.message.startswith("the failure text could not be read: ")
    assert part in seen.failure.message
    assert not seen.stages_read


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(status=503), Reason.UNAVAILABLE),
        (error("FlowExceeded", status=429), Reason.THROTTLED),
        (error("Unauthorized", status=401), Reason.UNAUTHORIZED),
    ],
)
@pytest.mark.asyncio
async def test_a_text_that_may_be_had_later_is_asked_for_later(answer: Answer, reason: Reason) -> None:
    """A passing trouble is an error: the question is asked again."""
    async with serving() as service, watching(service) as source:
        service.on(STATUS, Answer(FAILED))
        service.on(RESULT, answer)
        with pytest.raises(SourceError) as caught:
            await inspect(source, Detail.OUTCOME)
    assert caught.value.reason is reason


@pytest.mark.parametrize("body", [results(First="fine"), "<Instance/>"])
@pytest.mark.asyncio
async def test_a_failure_without_a_text(body: str) -> None:
    """The service left none: the failure says so."""
    async with serving() as service, watching(service) as source:
        service.on(STATUS, Answer(FAILED))
        service.on(RESULT, Answer(body))
        seen = await inspect(source, Detail.OUTCOME)
    assert seen.failure is not None
    assert seen.failure.message == "the service left no text about this failure"


@pytest.mark.asyncio
async def test_stages_at_the_end_are_welcome_and_not_needed() -> None:
    """Any trouble with them leaves the failure told and the stages unknown."""
    async with serving() as service, watching(service) as source:
        service.on(STATUS, Answer(FAILED))
        service.on(RESULT, Answer(results(Second=TEXT)))
        service.on(PROGRESS, Answer(status=503))
        seen = await inspect(source, Detail.STAGES)
    assert seen.failure is not None
    assert (seen.failure.code, seen.stages_read) == ("ODPS-0130131", False)


# --- stages ---------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_stages_of_each_task_that_has_begun() -> None:
    """A task that waits has none and is not asked about; one that ended is."""
    reports: list[RequestReport] = []
    body = instance("Running", task("Success", "A&B"), task("Running", "C"), task("Waiting", "D"))
    async with serving() as service, watching(service, reports=reports) as source:
        service.on(STATUS, Answer(body.replace("A&B", "A&amp;B")))
        service.on("taskname=A%26B", Answer(stages((0, 5, 5, 100))))
        service.on("taskname=C", Answer(stages((3, 2, 5, 40), (0, 0, 1, 0))))
        seen = await inspect(source, Detail.STAGES)
    assert seen.stages_read
    assert [[(it.running, it.terminated, it.total) for it in one.stages] for one in seen.tasks or ()] == [
        [(0, 5, 5)],
        [(3, 2, 5), (0, 0, 1)],
        [],
    ]
    assert [(it.operation, it.result) for it in reports] == [("inspect", "ok"), ("stages", "ok"), ("stages", "ok")]


@pytest.mark.asyncio
async def test_stages_that_tell_nothing_are_counted() -> None:
    """A stage without counts is left out, and the report says how many were."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports) as source:
        service.on(STATUS, Answer(instance("Running", task("Running"))))
        service.on(PROGRESS, Answer('<Progress><Stage ID="M1"/></Progress>'))
        for _ in range(2):
            assert (await inspect(source, Detail.STAGES)).stages_read
    assert [it.skipped for it in reports if it.operation == "stages"] == [1, 1]


@pytest.mark.asyncio
async def test_stages_that_are_refused_are_unknown() -> None:
    """The rest of what was learned is told all the same."""
    async with serving() as service, watching(service) as source:
        service.on(STATUS, Answer(instance("Running", task("Running"))))
        service.on(PROGRESS, error("NoPermission", status=403))
        seen = await inspect(source, Detail.STAGES)
    assert (seen.phase, seen.stages_read) == (Phase.RUNNING, False)


@pytest.mark.parametrize(
    ("answer", "reason"), [(Answer("<Progress>"), Reason.MALFORMED), (Answer(status=500), Reason.UNAVAILABLE)]
)
@pytest.mark.asyncio
async def test_stages_that_could_not_be_read(answer: Answer, reason: Reason) -> None:
    """A broken answer about a live instance is an error."""
    async with serving() as service, watching(service) as source:
        service.on(STATUS, Answer(instance("Running", task("Running"))))
        service.on(PROGRESS, answer)
        with pytest.raises(SourceError) as caught:
            await inspect(source, Detail.STAGES)
    assert caught.value.reason is reason


@pytest.mark.asyncio
async def test_hostile_names() -> None:
    """Markup, quotes and ten thousand characters in a task's name are text, cut with a mark where it is shown."""
    name = "<script>'\"\u202e" + "x" * 2_000
    escaped = name.replace("<", "&lt;")
    async with serving() as service, watching(service) as source:
        service.on(STATUS, Answer(instance("Terminated", task("Failed", escaped))))
        service.on(RESULT, Answer(results(**{escaped: TEXT})))
        seen = await inspect(source, Detail.OUTCOME)
    assert seen.failure is not None
    assert seen.failure.code == "ODPS-0130131"
    assert seen.failure.task == (seen.tasks or ())[0].name == name[:255] + "…"
