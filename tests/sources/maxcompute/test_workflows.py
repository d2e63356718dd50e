"""Workflows and their steps, against a scripted service."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.core.events import Seen
from monitor.core.model import Failure, InstanceKey, Phase, Stage, Task
from monitor.sources.base import Detail, Page, Priority, Reason, SourceError
from monitor.sources.maxcompute import MaxComputeSource
from monitor.sources.maxcompute.documents import Step, TaskRow
from monitor.sources.maxcompute.workflows import Workflows, step_failure
from tests.sources.scripted import Answer, Service, error, instance, queueing, results, serving, stages, task, watching

NOON = datetime(2025, 1, 24, 12, tzinfo=UTC)
FLOW = InstanceKey("warehouse", "analytics", "20250124073421123gflow0001")
PREPARE, TRAIN = "20250124073422123gprep0001", "20250124073423123gtrain001"
TEXT = "ODPS-0130131:[1,15] Table not found - made-up"


def key(id_: str) -> InstanceKey:
    return InstanceKey(FLOW.source, FLOW.project, id_)


def steps(*named: tuple[str, str], kind: str = "Instance") -> Answer:
    """An `?xresult` of these (step, id), after a step that the service did itself."""
    actions = "".join(
        f'<Action NodeType="{kind}"><InstanceId>{id_}</InstanceId><Name>{name}</Name></Action>' for name, id_ in named
    )
    local = '<Action NodeType="Local"><InstanceId></InstanceId><Name>start</Name></Action>'
    return Answer(f"<Xinstance><Actions>{local}{actions}</Actions></Xinstance>")


def flow(status: str, how: str) -> Answer:
    """A `?taskstatus` of a workflow."""
    return Answer(instance(status, task(how, "AppendID")).replace('Type="SQL"', 'Type="Xflow"'))


async def inspect(source: MaxComputeSource, of: InstanceKey = FLOW, want: Detail = Detail.OUTCOME) -> Seen:
    seen = await source.inspect(of, want, Priority.WATCHED)
    assert isinstance(seen, Seen)
    return seen


def told(service: Service, of: str, status: str, how: str, text: str = "") -> None:
    """How an ordinary instance stands, and what it left."""
    service.on(f"{of}?curr_project=analytics&taskstatus", Answer(instance(status, task(how))))
    service.on(f"{of}?curr_project=analytics&result", Answer(results(AnonymousSQLTask=text)))


@pytest.mark.asyncio
async def test_a_running_workflow_names_its_steps() -> None:
    """One request more; its tasks are its steps, which nobody has heard of yet, so nothing is known of its progress."""
    async with serving() as service, watching(service) as source:
        service.on("taskstatus", flow("Running", "Running"))
        service.on("xresult", steps(("prepare", PREPARE)), steps(("prepare", PREPARE), ("train", TRAIN)))
        seen = await inspect(source, want=Detail.STAGES)
        assert (seen.phase, seen.children, seen.stages_read) == (Phase.RUNNING, (("prepare", PREPARE),), True)
        assert (seen.tasks, seen.progress) == ((Task("prepare"),), None)
        assert (await inspect(source)).children == (("prepare", PREPARE), ("train", TRAIN))
    assert [asked.target.rpartition("&")[2] for asked in service.asked] == ["taskstatus", "xresult"] * 2


@pytest.mark.asyncio
async def test_steps_are_remembered_from_wherever_they_are_heard_of() -> None:
    """An inspection of one and a listing of the other are the tasks and the progress of their workflow, without a
    request for either; both say whose steps they are."""
    async with serving() as service, watching(service) as source:
        service.on("taskstatus", flow("Running", "Running"))
        service.on("xresult", steps(("prepare", PREPARE), ("train", TRAIN)))
        told(service, PREPARE, "Terminated", "Success")
        service.on("instanceprogress", Answer(stages((0, 4, 4, 100))))
        row = f'[{{"instanceId":"{TRAIN}","status":"Running","instanceProgress":0.5,"waitPos":0}}]'
        service.on("cachedinstances", Answer(queueing(row)))
        await inspect(source)
        step = await inspect(source, key(PREPARE), Detail.STAGES)
        (listed,) = [seen async for page in source.sweep("analytics") for seen in page.seen]
        before = len(service.asked)
        seen = await inspect(source)
        assert len(service.asked) == before + 2
    assert [(one.parent, one.step) for one in (step, listed, seen)] == [
        (FLOW.id, "prepare"),
        (FLOW.id, "train"),
        ("", ""),
    ]
    prepare, train = seen.tasks or ()
    assert (prepare.name, prepare.type, prepare.phase) == ("prepare", "SQL", Phase.SUCCEEDED)
    assert [(stage.terminated, stage.total) for stage in prepare.stages] == [(4, 4)]
    assert (train.name, train.phase) == ("train", Phase.RUNNING)
    assert seen.progress == 0.75


@pytest.mark.asyncio
async def test_a_workflow_fails_with_the_text_of_its_step() -> None:
    """Which it names. What nobody has heard the end of is asked about: the workflow has ended, and so have they."""
    async with serving() as service, watching(service) as source:
        service.on("taskstatus", flow("Terminated", "Failed"))
        service.on("xresult", steps(("prepare", PREPARE), ("train", TRAIN)))
        told(service, PREPARE, "Terminated", "Success")
        told(service, TRAIN, "Terminated", "Failed", TEXT)
        seen = await inspect(source)
        assert seen.failure is not None
        assert (seen.failure.task, seen.failure.code) == ("train", "ODPS-0130131")
        assert seen.failure.message == f"train ({TRAIN}): {TEXT}"
        assert [(it.name, it.phase) for it in seen.tasks or ()] == [
            ("prepare", Phase.SUCCEEDED),
            ("train", Phase.FAILED),
        ]
        assert not service.asked_for(f"{FLOW.id}?curr_project=analytics&result")
        before = len(service.asked)
        assert (await inspect(source)).failure == seen.failure
        assert len(service.asked) == before + 2


@pytest.mark.asyncio
async def test_a_workflow_whose_steps_are_not_to_blame() -> None:
    """It failed by itself, or its step is gone by now: its own text is told."""
    async with serving() as service, watching(service) as source:
        service.on("taskstatus", flow("Terminated", "Failed"))
        service.on("xresult", steps(("prepare", PREPARE)))
        service.on(PREPARE, error("NoSuchObject", status=404))
        service.on(f"{FLOW.id}?curr_project=analytics&result", Answer(results(AppendID="ODPS-1202005:no right")))
        seen = await inspect(source)
    assert seen.failure is not None
    assert (seen.failure.task, seen.failure.message) == ("AppendID", "ODPS-1202005:no right")


@pytest.mark.asyncio
async def test_a_reason_that_cannot_be_had_now_is_worth_another_try() -> None:
    """Of a failed workflow; one that succeeded does not wait for the end of a step."""
    async with serving() as service, watching(service) as source:
        service.on("xresult", steps(("prepare", PREPARE)))
        service.on("taskstatus", flow("Terminated", "Failed"))
        service.on(PREPARE, error("InternalServerError", status=500))
        with pytest.raises(SourceError) as caught:
            await inspect(source)
        assert caught.value.reason is Reason.UNAVAILABLE
        service.on(f"{FLOW.id}?curr_project=analytics&taskstatus", flow("Terminated", "Success"))
        seen = await inspect(source)
        assert (seen.phase, seen.tasks) == (Phase.SUCCEEDED, (Task("prepare"),))


@pytest.mark.asyncio
async def test_workflows_within_workflows() -> None:
    """The inner one is a step that has steps, whatever its task is called; one that names those above it does not lead
    in circles."""
    async with serving() as service, watching(service) as source:
        inner = key(PREPARE)
        told(service, PREPARE, "Terminated", "Failed", "the emptiest of texts")
        told(service, TRAIN, "Terminated", "Failed", TEXT)
        service.on(f"{FLOW.id}?curr_project=analytics&taskstatus", flow("Terminated", "Failed"))
        service.on(f"{FLOW.id}?curr_project=analytics&xresult", steps(("sub", PREPARE), kind="SubWorkflow"))
        service.on(f"{PREPARE}?curr_project=analytics&xresult", steps(("train", TRAIN), ("above", FLOW.id)))
        seen = await inspect(source)
        assert seen.failure is not None
        assert (seen.failure.task, seen.failure.message) == ("sub", f"sub ({PREPARE}): train ({TRAIN}): {TEXT}")
        assert (await inspect(source, inner)).children == (("train", TRAIN), ("above", FLOW.id))
    assert len(service.asked_for(FLOW.id)) == 2


@pytest.mark.parametrize("answer", [error("InvalidParameter", "not a workflow"), error("NoSuchObject", status=404)])
@pytest.mark.asyncio
async def test_what_is_no_workflow_is_asked_once(answer: Answer) -> None:
    """A task of a kind that nobody knows: the service says no, and its stages are read as those of any other."""
    async with serving() as service, watching(service) as source:
        service.on("taskstatus", flow("Running", "Running"))
        service.on("xresult", answer)
        service.on("instanceprogress", Answer(stages((1, 3, 4, 75))))
        for _ in range(2):
            seen = await inspect(source, want=Detail.STAGES)
            assert (seen.children, [task.name for task in seen.tasks or ()]) == (None, ["AppendID"])
    assert len(service.asked_for("xresult")) == 1


@pytest.mark.asyncio
async def test_sql_is_never_asked_for_steps() -> None:
    """Nearly everything is SQL: it costs no request more. Who wants no more than the phase of a workflow gets that."""
    async with serving() as service, watching(service) as source:
        told(service, PREPARE, "Running", "Running")
        service.on(f"{FLOW.id}?curr_project=analytics&taskstatus", flow("Running", "Running"))
        await inspect(source, key(PREPARE))
        assert (await inspect(source, want=Detail.PHASE)).tasks is None
    assert len(service.asked) == 2


def _seen(id_: str, at: int, phase: Phase | None, **more: object) -> Seen:
    return Seen(key=key(id_), at=NOON + timedelta(seconds=at), kind="maxcompute", phase=phase, **more)  # type: ignore[arg-type]


def test_the_last_word_about_a_step_stays() -> None:
    """An older answer and a listing that lingers take nothing back; what an answer leaves out is as it was."""
    workflows = Workflows()
    workflows.note(_seen(TRAIN, 0, Phase.RUNNING))
    assert workflows.last(key(TRAIN)) is None  # of no workflow that is known
    workflows.learn(FLOW, (Step("train", TRAIN, is_workflow=False),))
    staged = (Task("A", "SQL", Phase.RUNNING, stages=(Stage("M1", 1, 1, 4),)),)
    workflows.note(_seen(TRAIN, 1, Phase.RUNNING, tasks=staged))
    workflows.note(_seen(TRAIN, 2, None, progress=0.25))
    last = workflows.last(key(TRAIN))
    assert last is not None
    assert (last.phase, last.progress, last.tasks) == (Phase.RUNNING, 0.25, staged)
    failure = Failure("A", "", TEXT)
    workflows.note(_seen(TRAIN, 3, Phase.FAILED, failure=failure, tasks=(Task("A", "SQL", Phase.FAILED),)))
    workflows.read(Page(NOON, (), (_seen(TRAIN, 4, Phase.RUNNING), _seen(TRAIN, 2, Phase.SUCCEEDED))))
    last = workflows.last(key(TRAIN))
    assert last is not None
    assert (last.phase, last.failure) == (Phase.FAILED, failure)
    assert [task.stages for task in last.tasks or ()] == [staged[0].stages]


def test_a_long_text_still_names_its_step() -> None:
    """It is cut at its end."""
    failure = step_failure(Step("train", TRAIN, is_workflow=False), Failure("A", "ODPS-0123055", "x" * 20_000))
    assert failure.message.startswith(f"train ({TRAIN}): xxx")
    assert (failure.task, failure.code, len(failure.message)) == ("train", "ODPS-0123055", 8_000)


def test_steps_without_number_are_forgotten_from_the_oldest() -> None:
    """Memory is bounded; who is forgotten is learned again with the next look at its workflow."""
    workflows = Workflows()
    for number in range(21_000):
        workflows.learn(FLOW, (Step(f"s{number}", f"i{number}", is_workflow=True),))
    row = (TaskRow("A", "SQL", "Running", None, None),)
    assert workflows.may_be(key("i20999"), row)
    assert not workflows.may_be(key("i0"), row)
