"""Lines cut from what a pipe gives, in batches that fit into one request."""

import asyncio
import re
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.client.inbox import LINES_A_BATCH, LONGEST_LINE, WAITING, Inbox
from tests.e2e.eventually import eventually


async def filled(chunks: Iterable[bytes]) -> Inbox:
    """With all of these, and closed."""
    inbox = Inbox()
    for chunk in chunks:
        await inbox.put(chunk)
    await inbox.close()
    return inbox


async def emptied(inbox: Inbox) -> list[list[str]]:
    """Every batch until the last."""
    batches: list[list[str]] = []
    while (batch := await inbox.batch()) is not None:
        batches.append(list(batch))
    return batches


def lines(chunks: Iterable[bytes]) -> list[str]:
    async def run() -> list[str]:
        return [line for batch in await emptied(await filled(chunks)) for line in batch]

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\nb", ["a", "b"]),
        (b"10%\r20%\r30%\n", ["10%", "20%", "30%"]),
        (b"\n\n  \n", []),
        (b"", []),
        ("数据\n".encode(), ["数据"]),
        ("数据\n".encode("gbk"), ["����"]),
        (b"nul \0 inside\n", ["nul \0 inside"]),
    ],
)
def test_lines_end_in_every_way(text: bytes, cut: list[str]) -> None:
    """Also the last one, which has none, and those that a terminal draws over each other. No UTF-8 is no fault."""
    assert lines([text]) == cut


PARTS = st.lists(st.sampled_from((b"OK", b"\r", b"\n", b"\r\n", " 数".encode(), b"<long>", b"\xff")), max_size=12)


@given(PARTS, st.lists(st.integers(0, 2 * LONGEST_LINE), max_size=5))
@example([b"<long>", b"\r"], [])
def test_a_text_may_be_cut_anywhere(parts: list[bytes], cuts: list[int]) -> None:
    """Chunks end where the pipe wants: in the middle of a line, of its end, or of a letter."""
    text = b"".join(parts).replace(b"<long>", b"x" * LONGEST_LINE)  # hypothesis shows only short parts
    ends = sorted(cut % (len(text) + 1) for cut in cuts)
    chunks = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    expected = [line for line in re.split(rb"\r\n|\r|\n", text) if len(line) <= LONGEST_LINE]
    assert lines(chunks) == [it for line in expected if (it := line.decode("utf-8", "replace").strip())]


def test_a_line_that_is_too_long_is_dropped_whole() -> None:
    """Half of it might tell something else; it is counted, and those around it are kept."""

    async def run() -> None:
        long = b"M1:0/1/1 " * 100_000
        inbox = await filled([b"before\n", *(long[at : at + 5000] for at in range(0, len(long), 5000)), b"\nafter"])
        assert await emptied(inbox) == [["before", "after"]]
        assert inbox.dropped == 1

    asyncio.run(run())


@pytest.mark.parametrize("line", ["x" * 40_000, "\x01" * 40_000, "数" * 20_000, "x"])
def test_a_batch_fits_into_a_request(line: str) -> None:
    """A mebibyte is what a daemon takes, and what control characters become in JSON is six times as long."""

    async def run() -> None:
        count = max(60, 3_000 // len(line))
        batches = await emptied(await filled([f"{line}\n".encode() * count]))
        assert sum(map(len, batches)) == count
        assert max(map(len, batches)) <= LINES_A_BATCH
        assert max(len(msgspec.json.encode({"lines": batch})) for batch in batches) < (1 << 20) - 1000

    asyncio.run(run())


@pytest.mark.asyncio
async def test_who_writes_waits_while_too_much_waits() -> None:
    """Memory stays bounded; a batch that is taken lets the writer go on, and so does the end of all interest."""
    inbox = Inbox()
    chunk = b"x" * 60_000 + b"\n"

    async def size() -> int:
        return inbox._size

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:

        async def write() -> int:
            for _ in range(2 * WAITING // len(chunk)):
                await inbox.put(chunk)
            return 1

        writing = group.create_task(write())
        await eventually(size, lambda now: now >= WAITING)
        assert not writing.done()
        assert await inbox.batch() is not None
        await inbox.close()
        assert await writing == 1
    assert inbox._size < WAITING + len(chunk)
