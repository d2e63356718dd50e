"""What a program writes: the beginning of it goes to a file, the end of it stays at hand, the rest is dropped."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

from monitor.emulator.batchcompute.unbroken import in_thread

_TAIL_BYTES = 2048
_CHUNK = 64 * 1024


class Spool:
    """Takes in one stream. The file, if there is one, gets at most `limit` bytes, and a note if there were more."""

    def __init__(self, file: IO[bytes] | None, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._room = limit
        self._tail = b""
        self.fault = ""  # why the file does not hold what it should

    @property
    def keeping(self) -> bool:
        """Whether the file still gets what comes; if not, nothing here blocks."""
        return self._file is not None and self._room >= 0

    def take(self, chunk: bytes) -> None:
        """Takes in what comes next. Blocks as the file does."""
        self._tail = (self._tail + chunk[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        if self._file is None or self._room < 0:
            return
        try:
            self._file.write(chunk[: self._room])
            self._room -= len(chunk)
            if self._room < 0:
                self._file.write(
                    f"\n[the emulator keeps {self._limit} bytes of output and dropped the rest]\n".encode()
                )
        except OSError as error:  # such as a full disk: the program goes on, and its run will be a failure
            self.fault = error.strerror or str(error)
            self._room = -1

    def tail(self) -> str:
        """The last two kilobytes, as text."""
        return self._tail.decode(errors="replace")


@asynccontextmanager
async def piped() -> AsyncIterator[tuple[IO[bytes], asyncio.StreamReader]]:
    """A pipe: the end for a program, to be closed here once it has started, and the reader of what it writes."""
    reader = asyncio.StreamReader(limit=_CHUNK)
    outlet, inlet = os.pipe()
    with os.fdopen(inlet, "wb", buffering=0) as entry:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(outlet, "rb", buffering=0)
        )
        try:
            yield entry, reader
        finally:
            transport.close()


async def pump(reader: asyncio.StreamReader, spool: Spool) -> None:
    """Moves what is read into the spool, until nobody can write any more."""
    while chunk := await reader.read(_CHUNK):
        if spool.keeping:
            await in_thread(spool.take, chunk)
        else:
            spool.take(chunk)
