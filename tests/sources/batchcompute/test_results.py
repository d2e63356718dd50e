"""What instances left behind, for people."""

import pytest

from monitor.sources.base import NotOfferedError, Reason, SourceError
from tests.sources.batchcompute.jobs import ID, KEY, error, instance, page, task, watching
from tests.sources.scripted import serving


@pytest.mark.asyncio
async def test_a_text_for_each_task() -> None:
    """How each instance ended, what it said last, and where the rest is."""
    broken = instance(
        1, "Failed", exit_code=7, retries=1, ErrorCode="ProgramFailed", ErrorMessage="bad", Detail="a\nb\n"
    )
    async with serving() as service, watching(service) as source:
        service.on("/tasks?", page(task("count", "Failed", (0, 0, 1, 1)), task("merge", "Stopped", (0, 0, 0, 0, 1))))
        service.on("/tasks/count/instances", page(instance(0, "Finished"), broken))
        service.on("/tasks/merge/instances", page())
        texts = await source.results(KEY)
    assert texts["count"].splitlines() == [
        "instance 0: exit code 0 - Finished",
        f"  stdout: oss://bkt/logs/stdout.{ID}.count.0",
        f"  stderr: oss://bkt/logs/stderr.{ID}.count.0",
        "instance 1: exit code 7: bad (after 1 retry) - Failed",
        "  error: ProgramFailed",
        "  | a",
        "  | b",
        f"  stdout: oss://bkt/logs/stdout.{ID}.count.1",
        f"  stderr: oss://bkt/logs/stderr.{ID}.count.1",
    ]
    assert texts["merge"] == "and 1 more instance"


@pytest.mark.asyncio
async def test_a_task_of_many_thousands() -> None:
    """A thousand instances are told, and how many there are besides."""
    async with serving() as service, watching(service) as source:
        service.on("/tasks?", page(task("count", "Finished", (0, 0, 5_000))))
        for start in range(0, 5_000, 100):
            rows = (instance(number, "Finished") for number in range(start, start + 100))
            service.on(f"Marker={start}&" if start else "instances?Marker&", page(*rows, marker=start + 100))
        text = (await source.results(KEY))["count"]
    assert text.count("Finished") == 1_000
    assert text.endswith("and 4000 more instances")
    assert len(service.asked) == 11


@pytest.mark.asyncio
async def test_where_the_output_of_what_failed_is() -> None:
    """There is no page to open: the refusal leads to the failed instances' output."""
    async with serving() as service, watching(service) as source:
        service.on("/tasks?", page(task("split", "Finished", (0, 0, 1)), task("count", "Failed", (0, 0, 0, 9))))
        service.on("/tasks/split/instances", page(instance(0, "Finished")))
        service.on("/tasks/count/instances", page(*(instance(number, "Failed") for number in range(9))))
        with pytest.raises(NotOfferedError) as caught:
            await source.logview(KEY, 1)
    text = str(caught.value)
    assert f"instance 4 of count: stdout oss://bkt/logs/stdout.{ID}.count.4, stderr oss://" in text
    assert "instance 5" not in text
    assert "split" not in text


@pytest.mark.asyncio
async def test_where_the_output_is_when_nothing_failed() -> None:
    """Of the first instances; before there are any, that is said."""
    silent = instance(1, "Running") | {"StdoutRedirectPath": "", "StderrRedirectPath": None}
    async with serving() as service, watching(service) as source:
        service.on("/tasks?", page(task("count", "Running")))
        service.on("/instances", page(instance(0, "Running"), silent), page(silent))
        with pytest.raises(SourceError, match=r"instance 0 of count: stdout oss://.*stderr oss://[^;]*$"):
            await source.logview(KEY, 1)
        with pytest.raises(SourceError, match="no instance has any yet"):
            await source.logview(KEY, 1)


@pytest.mark.asyncio
async def test_no_such_job() -> None:
    """Neither has results nor output."""
    async with serving() as service, watching(service) as source:
        service.on(ID, error("InvalidResource.NotFound", status=404))
        with pytest.raises(SourceError) as caught:
            await source.results(KEY)
        with pytest.raises(SourceError) as again:
            await source.logview(KEY, 1)
    assert (caught.value.reason, again.value.reason) == (Reason.NOT_FOUND, Reason.NOT_FOUND)
