"""Questions about single jobs: what is told, and what that costs."""

from typing import Any

import pytest

from monitor.core.events import Gone, Seen
from monitor.core.model import InstanceKey, Phase
from monitor.sources.base import Detail, Priority, Reason, RequestReport, SourceError
from monitor.sources.batchcompute import BatchComputeSource
from tests.sources.batchcompute.jobs import (
    ID,
    KEY,
    NOT_FOUND,
    REGION,
    Answer,
    error,
    instance,
    job,
    lists,
    one,
    page,
    plan,
    targets,
    task,
    watching,
    whole,
)
from tests.sources.scripted import NOW, Service, serving

pytestmark = pytest.mark.asyncio

JOB, DESCRIPTION = f"/jobs/{ID}", f"/jobs/{ID}?description"
TASKS = f"/jobs/{ID}/tasks?Marker&MaxItemCount=100"


def instances(name: str, only: str = "") -> str:
    """The target of a listing of instances."""
    return f"/jobs/{ID}/tasks/{name}/instances?Marker&MaxItemCount=100{only}"


def knows(service: Service, *jobs: Answer, described: Answer | None = None, tasks: Answer | None = None) -> None:
    """What the service says of the job: itself in turn, its plan, its tasks; of instances there are none."""
    service.on(JOB, *jobs)
    service.on("?description", described or plan("count"))
    service.on("/tasks?", tasks or page())
    service.on("/instances?", page())


async def look(source: BatchComputeSource, want: Detail = Detail.STAGES, priority: Priority = Priority.WATCHED) -> Seen:
    """What is told of the job."""
    seen = await source.inspect(KEY, want, priority)
    assert isinstance(seen, Seen)
    return seen


async def test_how_it_stands() -> None:
    """One request, and nothing about tasks."""
    async with serving() as service, watching(service) as source:
        knows(service, one(job("Failed", (0, 0, 1, 1))))
        seen = await look(source, Detail.PHASE)
    assert (seen.phase, seen.at, seen.tasks, seen.failure, seen.failed_workers) == (Phase.FAILED, NOW, None, None, 1)
    assert targets(service.asked) == [JOB]


async def test_the_outcome_of_what_is_live() -> None:
    """That it is live: one request."""
    async with serving() as service, watching(service) as source:
        knows(service, one(job("Running")))
        seen = await look(source, Detail.OUTCOME)
    assert (seen.phase, seen.tasks, seen.stages_read) == (Phase.RUNNING, None, False)
    assert targets(service.asked) == [JOB]


async def test_stages_of_one_task() -> None:
    """The job's own counters, and the plan once."""
    async with serving() as service, watching(service) as source:
        knows(service, one(job("Running", (1, 2))), one(job("Running", (0, 2, 1))))
        first, second = await look(source), await look(source)
    assert [seen.tasks[0].stages[0].terminated for seen in (first, second) if seen.tasks] == [0, 1]
    assert first.stages_read
    assert targets(service.asked) == [JOB, DESCRIPTION, JOB]


async def test_stages_of_several_tasks() -> None:
    """One more request when the job has changed since the tasks were read, none when it has not."""
    same, moved = one(job("Running", (1, 2))), one(job("Running", (0, 2, 1)))
    async with serving() as service, watching(service) as source:
        rows = page(task("count", "Waiting", (2,)), task("split", "Running", (0, 1)))
        knows(service, same, same, moved, described=plan("split", "count", after={"split": ["count"]}), tasks=rows)
        seen = [await look(source) for _ in range(3)]
    split, count = seen[1].tasks or ()
    assert (split.name, split.phase, count.name, count.phase) == ("split", Phase.RUNNING, "count", Phase.WAITING)
    assert count.depends_on == ("split",)
    assert targets(service.asked) == [JOB, DESCRIPTION, TASKS, JOB, JOB, TASKS]


async def test_a_job_whose_plan_cannot_be_had() -> None:
    """Its tasks are listed; what depends on what is not known."""
    async with serving() as service, watching(service) as source:
        knows(service, one(job("Running")), described=error("InvalidParameter"), tasks=page(task("count", "Running")))
        seen = await look(source)
        await look(source)
    assert [task.name for task in seen.tasks or ()] == ["count"]
    assert targets(service.asked) == [JOB, DESCRIPTION, TASKS, JOB]


async def test_retries_are_read_while_somebody_looks() -> None:
    """Of tasks that may be run again, when their counters move; what nobody looks at shows the last number."""
    told = [one(job("Running", (1, 2))), one(job("Running", (1, 2))), one(job("Running", (0, 2, 1)))]
    async with serving() as service, watching(service, discover=False) as source:
        knows(service, *told, described=plan("count", retries=3))
        service.on("/instances", page(instance(0, "Running", retries=2), instance(1, "Running", retries=1)))
        seen = [await look(source, priority=Priority.ATTENTION)]
        seen += [await look(source), await look(source), await look(source, priority=Priority.ATTENTION)]
        lists(service, running=[page(job("Running", (0, 1, 2)))])
        _, listed = await whole(source.sweep(REGION))
    assert [(it.tasks or ())[0].stages[0].retries for it in (*seen, *listed)] == [0, 3, 3, 3, 3]
    assert targets(service.asked)[:5] == [JOB, DESCRIPTION, JOB, instances("count"), JOB]


@pytest.mark.parametrize("want", [Detail.OUTCOME, Detail.STAGES])
async def test_a_success_shows_its_last_stages(want: Detail) -> None:
    """Also retries, and how many workers failed; then all that was remembered of it is forgotten."""
    told = job("Finished", (0, 0, 9, 1))
    async with serving() as service, watching(service) as source:
        knows(service, one(told), described=plan("count", retries=3))
        service.on("/instances", page(*(instance(number, "Finished", retries=1) for number in range(10))))
        seen = await look(source, want, Priority.OUTCOME)
        assert await source.inspect(KEY, Detail.PHASE, Priority.OUTCOME)
        await look(source, want, Priority.OUTCOME)
    (only,) = seen.tasks or ()
    (stage,) = only.stages
    assert (seen.phase, seen.failed_workers, seen.ended, seen.stages_read) == (Phase.SUCCEEDED, 1, True, True)
    assert (stage.terminated, stage.total, stage.failed, stage.retries, stage.percent) == (10, 10, 1, 10, 100)
    assert seen.failure is None
    assert targets(service.asked) == [JOB, DESCRIPTION, instances("count"), JOB, JOB, DESCRIPTION, instances("count")]


async def test_a_failure_is_explained() -> None:
    """With the stages as they ended: of several tasks only the one that failed is asked."""
    rows = page(
        task("split", "Finished", (0, 0, 1)), task("count", "Failed", (0, 0, 0, 1, 1)), task("merge", "Stopped")
    )
    broken = instance(1, "Failed", exit_code=7, ErrorCode="ProgramFailed", ErrorMessage="bad", Detail="why")
    async with serving() as service, watching(service) as source:
        described = plan("split", "count", "merge")
        knows(service, one(job("Failed", (0, 0, 1, 1, 3))), described=described, tasks=rows)
        service.on("/count/instances", page(broken))
        seen = await look(source, Detail.OUTCOME, Priority.OUTCOME)
    assert seen.failure is not None
    assert (seen.failure.task, seen.failure.code) == ("count", "ProgramFailed")
    assert seen.failure.message == "instance 1: exit code 7: bad\nwhy"
    assert [one.phase for one in seen.tasks or ()] == [Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED]
    assert targets(service.asked) == [JOB, DESCRIPTION, TASKS, instances("count", "&State=Failed")]


async def test_a_failure_whose_tasks_cannot_be_read() -> None:
    """What will be refused again delays no alert."""
    async with serving() as service, watching(service) as source:
        knows(service, one(job("Failed", Message="Cluster is gone.")), described=plan("a", "b"))
        service.on("/tasks?", error("Forbidden.RAM", status=403))
        seen = await look(source, Detail.OUTCOME, Priority.OUTCOME)
    assert seen.failure is not None
    assert (seen.failure.message, seen.tasks, seen.stages_read) == ("Cluster is gone.", None, False)


@pytest.mark.parametrize("part", ["/tasks?", "?description", "/instances"])
async def test_trouble_on_the_way_to_a_reason(part: str) -> None:
    """What passes is told to who asked, who asks again."""
    rows = page(task("a", "Failed", (0, 0, 0, 1)))
    async with serving() as service, watching(service) as source:
        knows(service, one(job("Failed")), described=plan("a", "b"), tasks=rows)
        service.on(part, Answer(status=500))
        with pytest.raises(SourceError) as caught:
            await look(source, Detail.OUTCOME, Priority.OUTCOME)
    assert caught.value.reason is Reason.UNAVAILABLE


async def test_trouble_with_retries_delays_nothing() -> None:
    """The outcome is told without them."""
    async with serving() as service, watching(service) as source:
        knows(service, one(job("Finished", (0, 0, 2))), described=plan("count", retries=1))
        service.on("/instances", Answer(status=500))
        seen = await look(source, Detail.OUTCOME, Priority.OUTCOME)
    assert (seen.phase, (seen.tasks or ())[0].stages[0].retries) == (Phase.SUCCEEDED, 0)


# --- what is gone -----------------------------------------------------------------------------------------------------


async def test_no_such_job() -> None:
    """An observation, for every wish; an id that cannot be one is not even asked."""
    async with serving() as service, watching(service) as source:
        service.on(JOB, NOT_FOUND)
        assert [await source.inspect(KEY, want, Priority.OUTCOME) for want in Detail] == [Gone(KEY, NOW)] * 3
        odd = InstanceKey("render", REGION, "no/job")
        assert await source.inspect(odd, Detail.PHASE, Priority.OUTCOME) == Gone(odd, NOW)
    assert len(service.asked) == 3


@pytest.mark.parametrize("answer", [Answer(status=404), Answer("<html/>", 404), error("InvalidAccessKeyId.NotFound")])
async def test_a_refusal_that_is_not_about_the_job(answer: Answer) -> None:
    """A proxy's 404 loses no job."""
    async with serving() as service, watching(service) as source:
        service.on(JOB, answer)
        with pytest.raises(SourceError):
            await look(source)


@pytest.mark.parametrize(
    ("states", "released", "expected"),
    [
        (["Running"], True, Phase.SUCCEEDED),
        (["Waiting", "Running"], True, Phase.SUCCEEDED),
        (["Waiting"], True, None),
        (["Running", "Waiting"], True, None),
        (["Running"], False, None),
        ([], True, None),
    ],
)
async def test_a_job_that_goes_when_it_has_succeeded(states: list[str], released: bool, expected: Phase | None) -> None:
    """Seen running, then gone: it has succeeded. Anything else that is gone is gone."""
    async with serving() as service, watching(service) as source:
        knows(service, *(one(job(state)) for state in states), NOT_FOUND, described=plan("a", AutoRelease=released))
        for _ in states:
            await look(source)
        got = await source.inspect(KEY, Detail.OUTCOME, Priority.OUTCOME)
        again = await source.inspect(KEY, Detail.OUTCOME, Priority.OUTCOME)
    assert got == again
    if expected is None:
        assert got == Gone(KEY, NOW)
    else:
        assert isinstance(got, Seen)
        assert (got.phase, got.native_status, got.failure, got.ended) == (expected, "AutoRelease", None, True)


async def test_a_released_job_that_only_listings_saw() -> None:
    """The sweep has asked for its plan in time, and for that alone."""
    async with serving() as service, watching(service) as source:
        service.on(JOB, NOT_FOUND)
        service.on("?description", plan("a", AutoRelease=True))
        lists(service, [page(job("Waiting")), page()], [page(), page(job("Running")), page()])
        for _ in range(3):
            await whole(source.sweep(REGION))
        seen = await look(source, Detail.OUTCOME, Priority.OUTCOME)
    assert (seen.phase, seen.native_status) == (Phase.SUCCEEDED, "AutoRelease")
    assert len(service.asked_for("?description")) == 1


async def test_a_job_that_is_still_listed_was_not_released() -> None:
    """Whatever one answer says: it is gone for now, and has succeeded only when no sweep lists it any more."""
    async with serving() as service, watching(service) as source:
        service.on(JOB, NOT_FOUND)
        service.on("?description", plan("a", AutoRelease=True))
        lists(service, running=[page(job("Running")), page(job("Running")), page()])
        for _ in range(2):
            await whole(source.sweep(REGION))
            assert await source.inspect(KEY, Detail.STAGES, Priority.WATCHED) == Gone(KEY, NOW)
        await whole(source.sweep(REGION))
        seen = await look(source, Detail.OUTCOME, Priority.OUTCOME)
    assert (seen.phase, seen.native_status) == (Phase.SUCCEEDED, "AutoRelease")


# --- odd answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["", "[]", "{}", "<html/>", '{"Id": 7, "State": "Running"}', '{"Id": "x"}', "7"])
async def test_an_answer_that_is_no_job(body: str) -> None:
    """The job stays as it was."""
    async with serving() as service, watching(service) as source:
        service.on(JOB, Answer(body))
        with pytest.raises(SourceError, match="render: inspect") as caught:
            await look(source)
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "changes",
    [
        {"InstanceMetrics": None},
        {"InstanceMetrics": "x"},
        {"Name": 7},
        {"EndTime": 7},
        {"TaskMetrics": {"RunningCount": -1}},
    ],
)
async def test_a_failure_with_something_odd_in_it_is_a_failure(changes: dict[str, Any]) -> None:
    """What can be read is used."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports) as source:
        knows(service, one(job("Failed", (0, 0, 0, 1), **changes)), tasks=page(task("count", "Failed", (0, 0, 0, 1))))
        seen = await look(source, Detail.OUTCOME, Priority.OUTCOME)
    assert (seen.phase, seen.failure is not None) == (Phase.FAILED, True)
    assert sum(report.skipped for report in reports) == (changes != {"InstanceMetrics": None})


async def test_a_state_never_seen() -> None:
    """No phase, and no end."""
    async with serving() as service, watching(service) as source:
        knows(service, one(job("Hibernating")))
        seen = await look(source, Detail.OUTCOME)
    assert (seen.phase, seen.native_status, seen.ended) == (None, "Hibernating", False)


async def test_a_restart_is_seen_as_what_it_is() -> None:
    """Under the same id, waiting again, with no end: the retries of the run before are not its own."""
    later = "2025-01-24T09:00:00.000001Z"
    waiting = job("Waiting", (2,), StartTime="")
    told = [one(job("Running")), one(job("Failed", (0, 0, 0, 2))), one(waiting), one(job("Running", StartTime=later))]
    async with serving() as service, watching(service) as source:
        knows(service, *told, described=plan("count", retries=3))
        service.on("/instances", page(instance(0, "Failed", retries=3)))
        seen = [await look(source), await look(source), await look(source, priority=Priority.ATTENTION)]
        seen.append(await look(source, priority=Priority.ATTENTION))
    assert [it.phase for it in seen] == [Phase.RUNNING, Phase.FAILED, Phase.WAITING, Phase.RUNNING]
    assert [(it.tasks or ())[0].stages[0].retries for it in seen] == [3, 3, 0, 0]
    assert [it.ended_at is None for it in seen] == [True, False, True, True]
