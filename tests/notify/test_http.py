"""Posting against a real server: every kind of answer, no secret in a word."""

import asyncio
import socket
import struct
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import TypeAdapter, ValidationError
from yarl import URL

from monitor.notify.base import NotifyError, Reason
from monitor.notify.http import Address, Headers, Place, refusal, refuse_two_users
from monitor.section import Secret
from tests.notify.receiver import Answer, answering, receiving


@asynccontextmanager
async def place(url: str, **headers: str) -> AsyncIterator[Place]:
    """This address with these headers, closed in the end."""
    secrets = {name.replace("_", "-"): Secret(value) for name, value in headers.items()}
    it = Place(URL(url), secrets, version="1.2.3")
    try:
        yield it
    finally:
        await it.aclose()
        await asyncio.sleep(0)


async def refused(answer: Answer, **headers: str) -> NotifyError:
    """What `post` raises at this answer."""
    async with receiving(answer) as receiver, place(receiver.url, **headers) as it:
        with pytest.raises(NotifyError) as caught:
            await it.post(b"{}", {})
        return caught.value


@pytest.mark.asyncio
async def test_a_header_from_a_file_is_as_new_as_the_file(tmp_path: Path) -> None:
    """A token that was renewed goes with the next alert, and is hidden where the receiver repeats it."""
    file = tmp_path / "token"
    said: list[str] = []

    async def echo(request: web.Request) -> web.StreamResponse:
        said.append(request.headers["Authorization"])
        return web.Response(text=f"you said {said[-1]}")

    def write(token: str) -> Secret:
        file.write_text(f"Bearer {token}\n")
        return Secret.read({"file": str(file)}, {})

    async with receiving(echo) as receiver:
        it = Place(URL(receiver.url), {"Authorization": write("old-token")}, version="1.2.3")
        receipts = [await it.post(b"{}", {})]
        write("new-token")
        receipts.append(await it.post(b"{}", {}))
        await it.aclose()
    assert said == ["Bearer old-token", "Bearer new-token"]
    assert [receipt.detail for receipt in receipts] == ["you said <secret>"] * 2


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_taken(status: int) -> None:
    """The receipt holds the status."""
    async with receiving(answering(status)) as receiver, place(receiver.url) as it:
        assert (await it.post(b"{}", {})).status == status


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "reason", "permanent"),
    [
        (302, Reason.REFUSED, True),
        (400, Reason.REFUSED, True),
        (401, Reason.REFUSED, True),
        (404, Reason.REFUSED, True),
        (408, Reason.THROTTLED, False),
        (425, Reason.THROTTLED, False),
        (429, Reason.THROTTLED, False),
        (500, Reason.UNAVAILABLE, False),
        (503, Reason.UNAVAILABLE, False),
    ],
)
async def test_what_other_answers_mean(status: int, reason: Reason, permanent: bool) -> None:
    """4xx stays refused, 5xx and "slower" may pass; the receiver's words are kept for people."""
    location = {"Location": "http://elsewhere.example/"} if status == 302 else {}
    error = await refused(answering(status, "no such team", **location))
    assert (error.reason, error.permanent, error.status) == (reason, permanent, status)
    assert str(error) == f"the receiver answered {status}: no such team"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        (" 7 ", 7.0),
        ("999999999999", 86_400.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("-5", None),
        ("x", None),
    ],
)
async def test_retry_after_is_handed_on(header: str, seconds: float | None) -> None:
    """In seconds, where it is given in seconds."""
    for status in (429, 503):
        error = await refused(answering(status, Retry_After=header))
        assert error.retry_after == seconds


def test_a_number_in_other_digits_is_no_number() -> None:
    """Digits that a header cannot hold are not guessed at."""
    assert refusal(429, "", "٣٠").retry_after is None


@pytest.mark.asyncio
async def test_a_receiver_that_hangs_is_left_when_the_courier_says_so() -> None:
    """The courier bounds the try: cancelling it leaves no connection behind."""

    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError

    async with receiving(hang) as receiver, place(receiver.url) as it:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await it.post(b"{}", {})
        assert it._session is not None
        assert not it._session.connector._acquired


@pytest.mark.asyncio
async def test_a_status_is_an_answer_though_its_body_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 200 whose body hangs was taken: sending it again would be a second alert."""
    monkeypatch.setattr("monitor.notify.http._DETAIL_WITHIN", 0.05)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"tha")
        await asyncio.sleep(3600)
        return response

    async with receiving(endless) as receiver, place(receiver.url) as it:
        receipt = await it.post(b"{}", {})
    assert (receipt.status, receipt.detail) == (200, "")


@pytest.mark.asyncio
async def test_a_large_answer_is_not_read_to_its_end() -> None:
    """Its beginning is kept, on one hand's breadth."""
    async with receiving(answering(200, "x" * 10_000_000)) as receiver, place(receiver.url) as it:
        receipt = await it.post(b"{}", {})
    assert receipt.detail == "x" * 199 + "…"


@pytest.mark.asyncio
async def test_a_connection_is_not_kept() -> None:
    """Each alert has its own: one that was kept may be closed by the receiver just as the next alert is written."""
    async with receiving() as receiver, place(receiver.url) as it:
        for _ in range(3):
            await it.post(b"{}", {})
        assert len(receiver.connections) == 3


@pytest.mark.asyncio
async def test_nobody_listens() -> None:
    """A refused connection may pass, and the error names where it was tried."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        async with place(f"http://127.0.0.1:{port}/hook") as it:
            with pytest.raises(NotifyError, match=f"127.0.0.1:{port}") as caught:
                await it.post(b"{}", {})
    assert (caught.value.reason, caught.value.permanent) == (Reason.UNREACHABLE, False)


async def _rudely(words: bytes, *, reset: bool) -> NotifyError:
    """What `post` raises when a server says this and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(words)
        await writer.drain()
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with place(f"http://127.0.0.1:{port}/T0/s3cr3t-s3cr3t-s3cr3t?token=q-s3cr3t") as it:
            with pytest.raises(NotifyError) as caught:
                await it.post(b"{}", {})
    return caught.value


@pytest.mark.asyncio
@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"SSH-2.0-dropbear\r\n"])
@pytest.mark.parametrize("reset", [True, False])
async def test_a_server_that_hangs_up(words: bytes, reset: bool) -> None:
    """Reset, closed, half an answer, another protocol: unreachable, tried again, and no part of the address is told."""
    error = await _rudely(words, reset=reset)
    assert (error.reason, error.permanent) == (Reason.UNREACHABLE, False)
    assert "s3cr3t" not in "".join(traceback.format_exception(error))


@pytest.mark.asyncio
@pytest.mark.parametrize("padding", [0, 3, 190, 4080])
@pytest.mark.parametrize("has_user", [True, False])
async def test_an_echo_tells_no_secret(padding: int, has_user: bool) -> None:
    """A receiver that answers with all it got, in pieces, gives away neither headers nor what the address holds."""

    async def echo(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        told = "." * padding + f"{dict(request.headers)} {request.path_qs} {request.url}"
        for start in range(0, len(told), 7):
            await response.write(told[start : start + 7].encode())
        return response

    async with receiving(echo) as receiver:
        address = f"{receiver.url}/T00000000/XXXXXXXXXXXXXXXXXXXX?key=qu3ry-k3y"
        headers = {"X_Key": "an0ther-s3cr3t"}
        if has_user:
            address = address.replace("http://", "http://me:p4ssw0rd@")
        else:
            headers["Authorization"] = "Bearer t0k3n-t0k3n"
        async with place(address, **headers) as it:
            with pytest.raises(NotifyError) as caught:
                await it.post(b"{}", {})
    text = str(caught.value)
    assert "500" in text
    for part in ("t0k3n", "an0ther", "p4ssw0rd", "bWU6", "qu3ry", "XXXX"):
        assert part not in text


@pytest.mark.asyncio
async def test_a_secret_that_is_cut_is_not_told_in_part() -> None:
    """Where only the beginning of an answer is read, a secret that begins in it and ends beyond is hidden, too."""
    secret = "".join(f"{number:04}" for number in range(150))
    error = await refused(answering(500, secret * 20), X_Key=secret)
    assert str(error).startswith("the receiver answered 500")
    assert not any(secret[start : start + 8] in str(error) for start in range(len(secret) - 8))


def test_addresses_and_headers_are_checked_before_anything_is_sent() -> None:
    """An address that is none, a header that cannot be sent: named, without the value."""
    for url in ("", "ops", "ftp://files.example/", "http://"):
        with pytest.raises(ValidationError, match="URL"):
            TypeAdapter(Address).validate_python(url)
    for headers, says in (
        ({"X Key": "s3cr3t"}, "'X Key' is not the name of a header"),
        ({"X-Key": "s3cr3t\nX-Other: s3cr3t"}, "the value of X-Key must be one line"),
    ):
        with pytest.raises(ValidationError, match=says):
            TypeAdapter(Headers).validate_python(headers)


def test_nobody_is_named_twice() -> None:
    """A user in the address and an Authorization header contradict each other; each alone is good."""
    header = {"authorization": Secret("Bearer t0k3n")}
    with pytest.raises(ValueError, match="either a user in `url` or the header Authorization, not both"):
        refuse_two_users("http://me:p4ss@ops.example/", header, "url")
    refuse_two_users("http://me:p4ss@ops.example/", {"X-Key": Secret("t0k3n")}, "url")
    refuse_two_users("http://ops.example/", header, "url")


def test_a_place_is_named_without_its_secrets() -> None:
    """Scheme, host and port, whatever else the address holds."""
    assert (
        str(Place(URL("http://me:p4ss@ops.example:81/T0/s3cr3t?key=k3y"), {}, version="1")) == "http://ops.example:81"
    )
