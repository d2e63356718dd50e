"""Where the output of programs goes."""

import asyncio
import io
from typing import IO

import pytest

from monitor.emulator.batchcompute.output import Spool, piped, pump


def test_the_beginning_is_kept_and_the_end_is_at_hand() -> None:
    """The file stops at its bound, with a note; the tail is that of all there was."""
    file = io.BytesIO()
    spool = Spool(file, 10)
    for chunk in (b"0123456", b"789", b"", b"ab" * 2000, b"the end \xff"):
        spool.take(chunk)
    assert file.getvalue() == b"0123456789\n[the emulator keeps 10 bytes of output and dropped the rest]\n"
    assert spool.tail().endswith("abthe end \ufffd")
    assert len(spool.tail()) == 2048
    assert not spool.keeping


def test_output_that_just_fits_has_no_note() -> None:
    """A note would be wrong."""
    file = io.BytesIO()
    Spool(file, 4).take(b"full")
    assert file.getvalue() == b"full"


def test_without_a_file_only_the_tail_is_kept() -> None:
    """For a task that redirects nothing."""
    spool = Spool(None, 10)
    spool.take(b"bad input\n")
    assert (spool.tail(), spool.keeping) == ("bad input\n", False)


def test_a_full_disk_is_remembered() -> None:
    """The program goes on; the tail still follows it."""

    class Full(io.BytesIO):
        def write(self, _chunk: object) -> int:
            raise OSError(28, "No space left on device")

    spool = Spool(Full(), 10)
    spool.take(b"one")
    spool.take(b"two")
    assert (spool.fault, spool.tail()) == ("No space left on device", "onetwo")


@pytest.mark.asyncio
async def test_a_pipe_is_read_until_nobody_writes() -> None:
    """More than a pipe or a reader holds arrives whole and in order."""
    file = io.BytesIO()
    content = b"".join(b"%07d\n" % n for n in range(50_000))
    async with piped() as (entry, reader), asyncio.TaskGroup() as group:
        group.create_task(pump(reader, Spool(file, 10**6)))
        writing = group.create_task(asyncio.to_thread(_write_all, entry, content))
        await writing
        entry.close()
    assert file.getvalue() == content


def _write_all(entry: IO[bytes], content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[entry.write(left) :]
