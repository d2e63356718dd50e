"""Why a job failed."""

from typing import Any

import msgspec
import pytest

from monitor.core.model import Category, Failure
from monitor.sources.base import Priority, Reason, SourceError
from monitor.sources.batchcompute.documents import InstanceRow, JobRow, TaskRow
from monitor.sources.batchcompute.driver import BatchComputeSource
from monitor.sources.batchcompute.failures import Failures, describe, end_of
from monitor.sources.batchcompute.instances import Instances
from monitor.sources.batchcompute.words import Vocabulary
from tests.sources.batchcompute.jobs import KEY, Answer, error, instance, job, page, task, watching
from tests.sources.scripted import serving

FAILED = task("count", "Failed", (0, 0, 0, 1, 2))


async def explain(
    source: BatchComputeSource, *tasks: dict[str, Any], counts: Any = (0, 0, 0, 1, 2), **told: Any
) -> Failure:
    """The reason that is found for a failed job with these tasks."""
    words = Vocabulary("render")
    instances = Instances(api=source._api, calls=source._calls, words=words)
    failures = Failures(instances=instances, objects=None, words=words)
    row = msgspec.convert(job("Failed", counts, **told), JobRow)
    return await failures.explain(KEY, row, [msgspec.convert(one, TaskRow) for one in tasks], Priority.OUTCOME)


@pytest.mark.asyncio
async def test_the_instance_that_failed() -> None:
    """Which one, how it ended, what the service calls it, and the end of what its program said."""
    broken = instance(
        1, "Failed", exit_code=7, retries=2, ErrorCode="ProgramFailed", ErrorMessage="exit code 7", Detail="bad input\n"
    )
    async with serving() as service, watching(service) as source:
        service.on("/tasks/count/instances", page(broken))
        failure = await explain(source, task("split", "Finished", (0, 0, 1)), FAILED, Message="Job failed.")
    assert failure == Failure(
        task="count",
        code="ProgramFailed",
        message="instance 1: exit code 7 (after 2 retries)\nbad input\nJob failed.",
        category=Category.CODE,
    )
    assert len(service.asked) == 1


@pytest.mark.asyncio
async def test_the_first_of_several() -> None:
    """The one that failed first is told in full, and how many more there are; also those of other tasks."""
    first = instance(2, "Failed", exit_code=1, ErrorCode="E", ErrorMessage="no memory", Detail="first")
    later = instance(5, "Failed", exit_code=2, ErrorCode="F", ErrorMessage="killed", Detail="later")
    early = task("count", "Failed", (0, 0, 0, 2), EndTime="2025-01-24T07:31:00.000001Z")
    late = task("merge", "Failed", (0, 0, 0, 1), EndTime="2025-01-24T07:32:00.000001Z")
    async with serving() as service, watching(service) as source:
        service.on("/tasks/count/instances", page(later, first))
        failure = await explain(source, late, early, counts=(0, 0, 0, 3))
    assert failure.message == "instance 2: exit code 1: no memory\nfirst\nand 2 more instances failed"
    assert (failure.task, failure.code) == ("count", "E")


@pytest.mark.asyncio
async def test_what_the_job_says_of_the_same_instance_is_no_news() -> None:
    """It is not told twice."""
    broken = instance(1, "Failed", exit_code=7, ErrorCode="ProgramFailed", ErrorMessage="table missing")
    async with serving() as service, watching(service) as source:
        service.on("/instances", page(broken))
        failure = await explain(source, FAILED, Message="Instance 1 of count failed: table missing")
    assert failure.message == "instance 1: exit code 7: table missing"


@pytest.mark.parametrize(
    ("message", "expected"), [("Cluster cls-1 is gone.", "Cluster cls-1 is gone."), ("", "the service left no text")]
)
@pytest.mark.asyncio
async def test_no_instance_failed(message: str, expected: str) -> None:
    """Then the job's own sentence is all there is, if it has one; without tasks nobody is asked."""
    async with serving() as service, watching(service) as source:
        service.on("/instances", page())
        failure = await explain(source, FAILED, Message=message)
        nameless = await explain(source, counts=(), Message=message)
    assert failure.message.startswith(expected)
    assert (failure.task, nameless.task, nameless.message) == ("count", "", failure.message)
    assert len(service.asked) == 1


@pytest.mark.asyncio
async def test_instances_that_cannot_be_read() -> None:
    """The failure is told all the same, with the reason for that; the next task may tell more."""
    async with serving() as service, watching(service) as source:
        service.on("/tasks/count/instances", error("Forbidden.RAM", "no right", 403))
        service.on("/tasks/merge/instances", page(instance(0, "Failed", exit_code=3, ErrorCode="E")))
        one = await explain(source, FAILED, Message="Job failed.")
        other = await explain(source, FAILED, task("merge", "Failed", (0, 0, 0, 1)))
    assert one.task == "count"
    assert "Job failed." in one.message
    assert "could not be read" in one.message
    assert "no right" in one.message
    assert (other.task, other.code, other.message) == ("merge", "E", "instance 0: exit code 3")


@pytest.mark.asyncio
async def test_trouble_is_no_reason() -> None:
    """What passes is told to who asked: the reason is worth another try."""
    async with serving() as service, watching(service) as source:
        service.on("/instances", Answer(status=500))
        with pytest.raises(SourceError) as caught:
            await explain(source, FAILED)
    assert caught.value.reason is Reason.UNAVAILABLE


@pytest.mark.parametrize(
    ("exit_code", "code", "said", "detail", "category"),
    [
        (1, "ProgramFailed", "exit code 1", "Traceback ..\nValueError: x", Category.CODE),
        (1, "ProgramFailed", "exit code 1", "MemoryError", Category.RESOURCES),
        (1, "ProgramFailed", "exit code 1", "[Errno 28] No space left on device", Category.RESOURCES),
        (1, "ProgramFailed", "exit code 1", "open: Permission denied", Category.PERMISSION),
        (137, "ProgramFailed", "exit code 137", "", Category.RESOURCES),
        (0, "Timeout", "The instance ran longer than 60 seconds.", "", Category.RESOURCES),
        (0, "TimedOut", "", "", Category.RESOURCES),
        (0, "PackageFailed", "AccessDenied: oss://bkt/x", "", Category.PERMISSION),
        (0, "PackageFailed", "NoSuchKey: oss://bkt/x", "", Category.DATA),
        (0, "InternalError", "", "", Category.SYSTEM),
        (7, "ProgramFailed", "exit code 7 on node i-1", "", Category.CODE),
        (0, "Odd", "", "", Category.UNKNOWN),
    ],
)
@pytest.mark.asyncio
async def test_who_has_to_act(exit_code: int, code: str, said: str, detail: str, category: Category) -> None:
    """From the exit code, and from what service and program say."""
    broken = instance(0, "Failed", exit_code=exit_code, ErrorCode=code, ErrorMessage=said, Detail=detail)
    async with serving() as service, watching(service) as source:
        service.on("/instances", page(broken))
        assert (await explain(source, FAILED)).category is category


@pytest.mark.asyncio
async def test_texts_without_end() -> None:
    """Of a long detail the end is kept: there stands why. Everything is bounded."""
    broken = instance(0, "Failed", ErrorCode="C" * 9_999, ErrorMessage="m" * 9_999, Detail="x" * 99_999 + "THE END")
    async with serving() as service, watching(service) as source:
        service.on("/instances", page(broken))
        failure = await explain(source, FAILED, Message="j" * 9_999)
    assert "THE END" in failure.message
    assert len(failure.message) < 8_000
    assert len(failure.code) == 256


def test_a_line_about_an_instance() -> None:
    """As far as there is something to say."""
    assert describe(msgspec.convert(instance(3, "Failed", exit_code=1, retries=1), InstanceRow)) == (
        "instance 3: exit code 1 (after 1 retry)"
    )
    assert describe(InstanceRow(instance_id="4")) == "instance 4"
    late = instance(5, "Failed", ErrorCode="Timeout", ErrorMessage="too long")
    assert describe(msgspec.convert(late, InstanceRow)) == "instance 5: too long"
    assert end_of("  abc \n", 10) == "abc"
    assert end_of("abcdef", 4) == "…def"
