"""The end of a log object, as it is asked for and as it is shown."""

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from monitor.core.events import Seen
from monitor.emulator.server import EmulatorOptions, serve
from monitor.sources.base import Detail, Priority, RequestReport, SourceError
from monitor.sources.batchcompute import BatchComputeSource
from monitor.sources.batchcompute.objects import signature
from tests.sources.batchcompute.jobs import (
    ID,
    KEY,
    SECRETS,
    Answer,
    Asked,
    instance,
    job,
    one,
    page,
    plan,
    section,
    watching,
)
from tests.sources.scripted import Service, serving

STDERR = f"stderr.{ID}.count.0"


def reading(service: Service, **changes: Any) -> AbstractAsyncContextManager[BatchComputeSource]:
    """A source that reads logs from the same server."""
    return watching(service, oss_endpoint=service.endpoint.removesuffix("/api"), **changes)


def test_a_published_signature() -> None:
    """The example of the service's own documentation."""
    signed = signature(
        b"OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV",
        "PUT",
        "/oss-example/nelson",
        "Thu, 17 Nov 2005 18:49:58 GMT",
        content_type="text/html",
        content_md5="ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
        own={"x-oss-meta-author": "foo@bar.com", "x-oss-magic": "abracadabra"},
    )
    assert signed == "26NBxoKdsyly4EDv6inkoDft/yA="


def fails(service: Service, *, detail: str = "", stderr: str | None = f"oss://bkt/logs/{STDERR}") -> None:
    """A job with one failed instance."""
    broken = instance(0, "Failed", exit_code=7, ErrorCode="E", Detail=detail) | {"StderrRedirectPath": stderr}
    service.on(f"/jobs/{ID}", one(job("Failed", (0, 0, 0, 1))))
    service.on("?description", plan("count"))
    service.on("/instances?", page(broken))


async def message(source: BatchComputeSource) -> str:
    """What is told of the failure."""
    seen = await source.inspect(KEY, Detail.OUTCOME, Priority.OUTCOME)
    assert isinstance(seen, Seen)
    assert seen.failure is not None
    return seen.failure.message


@pytest.mark.parametrize("sts_token", [None, SECRETS["sts_token"]])
@pytest.mark.asyncio
async def test_the_last_words_of_a_program(sts_token: str | None) -> None:
    """Two kilobytes from the end, signed; nothing of the other service's headers goes along."""
    async with serving() as service, reading(service, sts_token=sts_token) as source:
        fails(service)
        service.on("/bkt/logs/", Answer("x" * 3_000 + "Traceback: THE END", 206))
        told = await message(source)
    (asked,) = service.asked_for("/bkt/")
    own = {} if sts_token is None else {"x-oss-security-token": sts_token}
    signed = signature(
        SECRETS["access_key"].encode(), "GET", f"/bkt/logs/{STDERR}", "Fri, 24 Jan 2025 07:34:21 GMT", own=own
    )
    assert (asked.target, asked.headers["Range"]) == (f"/bkt/logs/{STDERR}", "bytes=-2048")
    assert asked.headers["Authorization"] == f"OSS testAccessId:{signed}"
    assert asked.headers.get("x-oss-security-token") == sts_token
    assert not any(name.lower().startswith("x-acs-") or name == "Content-Type" for name in asked.headers)
    assert told.startswith("instance 0: exit code 7\nxxx")
    assert told.endswith("Traceback: THE END")
    assert len(told) < 2_100


@pytest.mark.parametrize(
    "answer",
    [
        Answer("<Error><Code>NoSuchKey</Code></Error>", 404),
        Answer("", 416),
        Answer("<Error><Code>AccessDenied</Code></Error>", 403),
        Answer(status=500),
        Answer("x" * 100, cut=10),
    ],
)
@pytest.mark.asyncio
async def test_a_log_that_cannot_be_had(answer: Answer) -> None:
    """The failure is told without it, and none of a refusal's own text is taken for it."""
    async with serving() as service, reading(service) as source:
        fails(service)
        service.on("/bkt/", answer)
        assert await message(source) == "instance 0: exit code 7"


@pytest.mark.parametrize(
    ("detail", "stderr"),
    [
        ("said", f"oss://bkt/{STDERR}"),
        ("", ""),
        ("", None),
        ("", "oss://evil.example/x"),
        ("", "http://bkt/x"),
        ("", "x"),
    ],
)
@pytest.mark.asyncio
async def test_when_no_log_is_read(detail: str, stderr: str | None) -> None:
    """Where the service tells it, and where the place is none: no name in a path leads to another host."""
    async with serving() as service, reading(service) as source:
        fails(service, detail=detail, stderr=stderr)
        assert detail in await message(source)
    assert len(service.asked) == 3


@pytest.mark.asyncio
async def test_without_the_key_in_the_config_nothing_is_read() -> None:
    """It is an option."""
    async with serving() as service, watching(service) as source:
        fails(service)
        await message(source)
    assert len(service.asked) == 3


@pytest.mark.asyncio
async def test_a_token_that_was_renewed_between_two_requests(tmp_path: Path) -> None:
    """The store is the first to refuse the old one: the log is read with the new one, and the service is asked so."""
    file = tmp_path / "token"
    file.write_text("old-token")

    def store(asked: Asked) -> Answer:
        if asked.headers["x-oss-security-token"] == "new-token":
            return Answer("THE END", 206)
        file.write_text("new-token")
        return Answer("<Error><Code>SecurityTokenExpired</Code></Error>", 403)

    async with serving() as service, reading(service, sts_token={"file": str(file)}) as source:
        fails(service)
        service.on("/bkt/", store)
        assert (await message(source)).endswith("THE END")
        await message(source)
    old, new, last = service.asked_for("/bkt/")
    assert [one.headers["x-oss-security-token"] for one in (old, new, last)] == ["old-token", "new-token", "new-token"]
    assert old.headers["Authorization"] != new.headers["Authorization"]
    assert service.asked_for("/jobs/")[-1].headers["x-acs-security-token"] == "new-token"


@pytest.mark.asyncio
async def test_a_bucket_is_part_of_the_hosts_name() -> None:
    """Where the host has a name: nobody answers under this one, and the failure is told."""
    reports: list[RequestReport] = []
    async with (
        serving() as service,
        watching(service, oss_endpoint="http://oss-local.invalid", reports=reports) as source,
    ):
        fails(service)
        assert await message(source) == "instance 0: exit code 7"
    assert [report.result for report in reports if report.operation == "log"] == ["unreachable"]


@pytest.mark.asyncio
async def test_a_signature_that_somebody_else_verifies() -> None:
    """The emulated store shares no code with us: with the right key it gives the object, with another nothing."""
    key = "logs/ü ~%2F+&=?.txt"
    async with serve(EmulatorOptions()) as emulator, ClientSession() as session:
        date = "Fri, 24 Jan 2025 07:34:21 GMT"
        signed = signature(b"demo-secret", "PUT", "/bucket/plain", date, content_type="text/plain")
        put = {"Date": date, "Content-Type": "text/plain", "Authorization": f"OSS me:{signed}"}
        async with session.put(f"{emulator.url}/bucket/plain", data=b"why", headers=put) as answer:
            assert answer.status == 200, await answer.text()
        ends: list[str] = []
        for secret in ("demo-secret", "another"):
            read = section(emulator.url, access_key=secret, oss_endpoint=emulator.url, sts_token="a-token")
            source = BatchComputeSource(read, now=lambda: datetime.now(UTC), report=lambda _: None)  # noqa: TID251
            objects = source._inspections._failures._objects
            assert objects is not None
            for place in ("oss://bucket/plain", f"oss://bucket/{key}"):
                try:
                    ends.append(await objects.end_of(place, Priority.OUTCOME))
                except SourceError as refused:
                    ends.append(str(refused))
            await source.aclose()
    assert ends == ["why", "", *["the log object was refused (HTTP 403)"] * 2]
