"""Requests over a real socket: what is repeated, what is cut, what is heeded, and what is reported."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from monitor.sources.base import Priority, Reason, RequestReport, SourceError
from monitor.sources.budget import Budget
from monitor.sources.http import LARGEST_BODY, RefusedError, Reply, Request, Transport
from tests.sources.scripted import NOW, Answer, Service, serving

GET = "GET"


@asynccontextmanager
async def transport(
    reports: list[RequestReport], *, limit: float = 10.0, rate: float = 1000.0, concurrency: int = 8
) -> AsyncIterator[Transport]:
    """A transport, closed when the block ends."""
    opened = Transport(
        "warehouse",
        headers={"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "test"},
        budget=Budget(rate=rate, concurrency=concurrency, patience=limit, clock=time.monotonic),
        concurrency=concurrency,
        timeout=limit,
        now=lambda: NOW,
        clock=time.monotonic,
        jitter=lambda: 0.0,
        report=reports.append,
    )
    try:
        yield opened
    finally:
        await opened.aclose()


def read(reply: Reply) -> bytes:
    """The body, or a refusal with what the headers say."""
    if reply.status == 200:
        return reply.body
    reason = {429: Reason.THROTTLED, 404: Reason.NOT_FOUND}.get(reply.status, Reason.UNAVAILABLE)
    wait = reply.headers.get("Retry-After")
    raise RefusedError(reason, "no", status=reply.status, retry_after=None if wait is None else float(wait))


def asking(url: str, method: str = GET) -> Callable[[], Request]:
    """Makes a request."""
    return lambda: Request(method, url, {"Date": "today"})


async def send(opened: Transport, service: Service, *, method: str = GET) -> bytes:
    """Ask for `/x` and return the body."""
    return await opened.send(
        "inspect", Priority.SWEEP, asking(f"{service.endpoint}/x", method), read, repeatable=method == GET
    )


@pytest.mark.asyncio
async def test_one_request_one_report() -> None:
    """The body comes back, the headers on the wire are those that were named, and the report says ok."""
    reports: list[RequestReport] = []
    async with serving() as service, transport(reports) as opened:
        service.on("/x", Answer("hello"))
        assert await send(opened, service) == b"hello"
    assert [(it.source, it.operation, it.result, it.throttled_seconds) for it in reports] == [
        ("warehouse", "inspect", "ok", 0.0)
    ]
    assert reports[0].seconds > 0
    assert set(service.asked[0].headers) == {"Host", "Accept", "Accept-Encoding", "User-Agent", "Date"}


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.asyncio
async def test_a_gateways_hiccup_is_asked_again_twice(status: int) -> None:
    """The third answer is good: three requests, three reports, one result."""
    reports: list[RequestReport] = []
    async with serving() as service, transport(reports) as opened:
        service.on("/x", Answer(status=status), Answer(status=status), Answer("hello"))
        assert await send(opened, service) == b"hello"
    assert [it.result for it in reports] == [Reason.UNAVAILABLE, Reason.UNAVAILABLE, "ok"]


@pytest.mark.asyncio
async def test_a_lasting_outage_is_told_after_three_tries() -> None:
    """Three requests and not one more."""
    async with serving() as service, transport([]) as opened:
        service.on("/x", Answer(status=503))
        with pytest.raises(RefusedError) as caught:
            await send(opened, service)
    assert caught.value.status == 503
    assert len(service.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500])
@pytest.mark.asyncio
async def test_other_refusals_are_not_repeated(status: int) -> None:
    """What the service meant is not asked twice."""
    async with serving() as service, transport([]) as opened:
        service.on("/x", Answer(status=status))
        with pytest.raises(RefusedError):
            await send(opened, service)
    assert len(service.asked) == 1


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.asyncio
async def test_what_changes_something_is_sent_once(method: str) -> None:
    """A stop whose connection broke may have been carried out: it is not sent again."""
    async with serving() as service, transport([]) as opened:
        service.on("/x", Answer("half", cut=2))
        with pytest.raises(SourceError) as caught:
            await send(opened, service, method=method)
    assert caught.value.reason is Reason.UNREACHABLE
    assert len(service.asked) == 1


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.asyncio
async def test_a_reset_in_the_middle_of_a_body(chunked: bool) -> None:
    """Half an answer is no answer: it is asked for again on another connection."""
    reports: list[RequestReport] = []
    async with serving() as service, transport(reports) as opened:
        service.on("/x", Answer("x" * 100_000, cut=50_000, chunked=chunked), Answer("whole"))
        assert await send(opened, service) == b"whole"
    assert [it.result for it in reports] == [Reason.UNREACHABLE, "ok"]


@pytest.mark.asyncio
async def test_nobody_listens() -> None:
    """Three tries, then a message that names the source and what to check."""
    reports: list[RequestReport] = []
    async with serving() as service:
        pass
    async with transport(reports) as opened:
        with pytest.raises(SourceError, match=r"warehouse: inspect: connection failed: .*check `endpoint`") as caught:
            await send(opened, service)
    assert caught.value.reason is Reason.UNREACHABLE
    assert [it.result for it in reports] == [Reason.UNREACHABLE] * 3


OK = b"HTTP/1.1 200 OK\r\n"
NOT_HTTP = {
    "another protocol": b"SSH-2.0-made-up\r\n\r\n",
    "binary": bytes(range(256)) * 4,
    "a status that is no number": b"HTTP/1.1 fine OK\r\n\r\n",
    "a header line of a megabyte": OK + b"X: " + b"x" * 2**20 + b"\r\n\r\n",
    "ten thousand headers": OK + b"X: x\r\n" * 10_000 + b"\r\n",
    "a length that is no number": OK + b"Content-Length: many\r\n\r\n",
    "a negative length": OK + b"Content-Length: -5\r\n\r\nhello",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a length beyond all bounds": OK + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "a chunk that is no chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    "an unfinished chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\nhello",
    "nothing": b"",
    "half a header": OK + b"Content-Le",
    "less than promised": OK + b"Content-Length: 50\r\n\r\nhello",
    "NUL in a header": OK + b"X: \x00\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("said", NOT_HTTP.values(), ids=NOT_HTTP.keys())
@pytest.mark.asyncio
async def test_something_that_is_not_http(said: bytes) -> None:
    """Whatever answers at that port, it is the one error with one of two reasons, never a crash."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, transport([]) as opened:
        with pytest.raises(SourceError, match="warehouse: inspect: ") as caught:
            await opened.send("inspect", Priority.SWEEP, asking(f"http://127.0.0.1:{port}/"), read, repeatable=True)
    assert caught.value.reason in {Reason.MALFORMED, Reason.UNREACHABLE}
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.asyncio
async def test_a_huge_body_is_cut_off(chunked: bool) -> None:
    """More than the largest body is not kept, whether its length is told or not; the next request is fine."""
    reports: list[RequestReport] = []
    async with serving() as service, transport(reports) as opened:
        service.on("/x", Answer(b"x" * (LARGEST_BODY + 1), chunked=chunked), Answer("small"))
        with pytest.raises(SourceError, match="larger than 16 MiB") as caught:
            await send(opened, service)
        assert await send(opened, service) == b"small"
    assert caught.value.reason is Reason.MALFORMED
    assert [it.result for it in reports] == [Reason.MALFORMED, "ok"]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.asyncio
async def test_the_largest_body_is_read(chunked: bool) -> None:
    """Exactly the bound is within it."""
    async with serving() as service, transport([]) as opened:
        service.on("/x", Answer(b"x" * LARGEST_BODY, chunked=chunked))
        assert len(await send(opened, service)) == LARGEST_BODY


@pytest.mark.asyncio
async def test_silence_ends_in_a_timeout() -> None:
    """A service that takes the request and says nothing is given up; it is not asked again at once."""
    reports: list[RequestReport] = []
    async with serving() as service, transport(reports, limit=0.1) as opened:
        never = asyncio.Event()
        service.on("/x", Answer("late", hold=never))
        with pytest.raises(SourceError, match=r"no answer within 0\.1 s") as caught:
            await send(opened, service)
        never.set()
    assert caught.value.reason is Reason.TIMEOUT
    assert [it.result for it in reports] == [Reason.TIMEOUT]


@pytest.mark.asyncio
async def test_a_cancelled_request_is_cancelled() -> None:
    """Whoever cancels the caller gets a cancellation, no report, and the place back."""
    reports: list[RequestReport] = []
    async with serving() as service, transport(reports, concurrency=1) as opened:
        never = asyncio.Event()
        service.on("/x", Answer("late", hold=never), Answer("next"))
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(send(opened, service))
            await service.arrived.wait()
            task.cancel()
        never.set()
        assert task.cancelled()
        assert reports == []
        assert await send(opened, service) == b"next"


@pytest.mark.asyncio
async def test_retry_after_holds_everybody_back() -> None:
    """After a 429 with a time nothing is sent before it, and the report says how long the source stands still."""
    reports: list[RequestReport] = []
    async with serving() as service, transport(reports, limit=10.0) as opened:
        service.on("/x", Answer(status=429, headers={"Retry-After": "0.2"}), Answer("hello"))
        with pytest.raises(RefusedError) as caught:
            await send(opened, service)
        refused_at = time.monotonic()
        assert await send(opened, service) == b"hello"
        assert time.monotonic() - refused_at >= 0.19
    assert caught.value.retry_after == 0.2
    assert [it.result for it in reports] == [Reason.THROTTLED, "ok"]
    assert [it.throttled_seconds for it in reports] == pytest.approx([0.2, 0.0])


@pytest.mark.asyncio
async def test_a_long_pause_is_told_instead_of_waited_for() -> None:
    """With minutes to go the caller is told how many, and nothing is sent."""
    async with serving() as service, transport([], limit=10.0) as opened:
        service.on("/x", Answer(status=503, headers={"Retry-After": "600"}))
        with pytest.raises(RefusedError):
            await send(opened, service)
        with pytest.raises(SourceError, match="asked for a pause, of which 600 s are left") as caught:
            await send(opened, service)
    assert caught.value.reason is Reason.THROTTLED
    assert caught.value.retry_after == pytest.approx(600, abs=1)
    assert len(service.asked) == 1


@pytest.mark.asyncio
async def test_retries_take_tokens_too() -> None:
    """At four a second the two retries come a quarter of a second apart, though the back-off is nothing."""
    async with serving() as service, transport([], rate=4.0) as opened:
        service.on("/x", Answer(status=503))
        began = time.monotonic()
        with pytest.raises(RefusedError):
            await send(opened, service)
        assert time.monotonic() - began >= 0.49


@pytest.mark.asyncio
async def test_no_more_connections_than_places() -> None:
    """With two places a third request is not even sent until one of them has its answer."""
    async with serving() as service, transport([], concurrency=2) as opened:
        go = asyncio.Event()
        service.on("/x", Answer("hello", hold=go))
        async with asyncio.TaskGroup() as tasks:
            sent = [tasks.create_task(send(opened, service)) for _ in range(3)]
            while len(service.asked) < 2:
                service.arrived.clear()
                await service.arrived.wait()
            assert not any(task.done() for task in sent)
            assert len(service.asked) == 2
            go.set()
    assert len(service.asked) == 3


@pytest.mark.asyncio
async def test_redirects_are_not_followed() -> None:
    """A signed request goes where it was signed for; the redirect is an answer like any other."""
    async with serving() as service, transport([]) as opened:
        service.on("/x", Answer(status=302, headers={"Location": "/y"}))
        with pytest.raises(RefusedError) as caught:
            await send(opened, service)
    assert caught.value.status == 302
    assert len(service.asked) == 1
