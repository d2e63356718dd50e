"""Plans are asked for once, and tell what a vanished job came to."""

import threading

import pytest

from monitor.core.model import Phase
from monitor.sources.base import Priority, Reason, RequestReport, SourceError
from monitor.sources.batchcompute.documents import Plan, PlannedTask
from monitor.sources.batchcompute.plans import Plans
from tests.sources.batchcompute.jobs import KEY, NOT_FOUND, Answer, error, plan, watching
from tests.sources.scripted import serving


@pytest.mark.asyncio
async def test_a_plan_is_asked_for_once() -> None:
    """However often it is wanted; a job that was forgotten is asked for again."""
    async with serving() as service, watching(service) as source:
        service.on("?description", plan("count"))
        plans = Plans(api=source._api, calls=source._calls)
        assert plans.known(KEY.id) is None
        for _ in range(3):
            assert await plans.learn(KEY, Priority.WATCHED) == Plan((PlannedTask("count", 2),))
        assert plans.known(KEY.id) is not None
        assert len(service.asked) == 1
        plans.forget(KEY.id)
        await plans.learn(KEY, Priority.WATCHED)
    assert len(service.asked) == 2


@pytest.mark.parametrize("answer", [error("Forbidden.RAM", status=403), error("InvalidParameter")])
@pytest.mark.asyncio
async def test_a_plan_that_cannot_be_had(answer: Answer) -> None:
    """It is empty, and not asked for again: the answer would be the same."""
    async with serving() as service, watching(service) as source:
        service.on("?description", answer)
        plans = Plans(api=source._api, calls=source._calls)
        for _ in range(2):
            assert await plans.learn(KEY, Priority.WATCHED) == Plan()
    assert len(service.asked) == 1


@pytest.mark.parametrize("answer", [Answer("<html/>"), Answer('{"DAG": {"Tas'), Answer("[]")])
@pytest.mark.asyncio
async def test_a_plan_that_cannot_be_read(answer: Answer) -> None:
    """It is empty for now: what stood between us and the service may be gone the next time."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports) as source:
        service.on("?description", answer, plan("count"))
        plans = Plans(api=source._api, calls=source._calls)
        assert await plans.learn(KEY, Priority.WATCHED) == Plan()
        assert await plans.learn(KEY, Priority.WATCHED) == Plan((PlannedTask("count", 2),))
    assert [report.result for report in reports] == [Reason.MALFORMED, "ok"]


@pytest.mark.asyncio
async def test_a_large_plan_keeps_nobody_waiting() -> None:
    """It is read in a thread of its own; one that no job can have is not read at all."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports) as source:
        plans = Plans(api=source._api, calls=source._calls)
        for names in (["count"], [f"t{number}" for number in range(2000)]):
            assert not _threads()
            service.on("?description", plan(*names))
            assert [task.name for task in (await plans.learn(KEY, Priority.WATCHED)).tasks] == names
            plans.forget(KEY.id)
        assert _threads()
        service.on("?description", Answer(" " * 5_000_000 + "{}"))
        assert await plans.learn(KEY, Priority.WATCHED) == Plan()
    assert [report.result for report in reports] == ["ok", "ok", Reason.MALFORMED]


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("asyncio")]


@pytest.mark.asyncio
async def test_a_job_that_is_gone_has_no_plan() -> None:
    """For now: nothing is remembered of it."""
    async with serving() as service, watching(service) as source:
        service.on("?description", NOT_FOUND)
        plans = Plans(api=source._api, calls=source._calls)
        assert await plans.learn(KEY, Priority.WATCHED) == Plan()
        assert plans.known(KEY.id) is None


@pytest.mark.asyncio
async def test_trouble_is_no_plan() -> None:
    """What passes is told to who asked, and the plan is asked for again."""
    async with serving() as service, watching(service) as source:
        service.on("?description", Answer(status=500), plan("count"))
        plans = Plans(api=source._api, calls=source._calls)
        with pytest.raises(SourceError) as caught:
            await plans.learn(KEY, Priority.WATCHED)
        assert caught.value.reason is Reason.UNAVAILABLE
        assert (await plans.learn(KEY, Priority.WATCHED)).tasks


@pytest.mark.parametrize(
    ("released", "last", "expected"),
    [
        (True, Phase.RUNNING, True),
        (True, Phase.WAITING, False),
        (True, Phase.FAILED, False),
        (True, None, False),
        (False, Phase.RUNNING, False),
    ],
)
@pytest.mark.asyncio
async def test_what_a_vanished_job_came_to(released: bool, last: Phase | None, expected: bool) -> None:
    """Only one that was to go when it has succeeded, and ran when it was seen last, has succeeded."""
    async with serving() as service, watching(service) as source:
        service.on("?description", plan("count", AutoRelease=released))
        plans = Plans(api=source._api, calls=source._calls)
        plans.saw(KEY.id, Phase.RUNNING)
        assert not plans.was_released(KEY.id)  # nobody knows its plan
        await plans.learn(KEY, Priority.WATCHED)
        plans.saw(KEY.id, last)
        assert plans.was_released(KEY.id) is expected
        plans.forget(KEY.id)
        assert not plans.was_released(KEY.id)
