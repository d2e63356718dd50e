"""Lines that wait to be sent: cut from what a pipe gives, in batches that fit into one request."""

import asyncio
import re
from collections import deque
from collections.abc import Sequence

LONGEST_LINE = 64 << 10  # bytes: a longer one tells nothing, and half of it might tell something wrong
LINES_A_BATCH = 1000
BATCH = 128 << 10  # characters: six times as many bytes at worst, as JSON
WAITING = 32 << 20  # characters: then whoever writes into the pipe has to wait

# In bytes, because there an end cannot be mistaken for a part of a letter. A line that a terminal draws anew ends where
# it begins again; whether the last "\r" is such an end, only the next chunk tells.
_ENDS = re.compile(rb"\r\n|\n|\r(?!\Z)")


class Inbox:
    """Filled by one, emptied by another. `dropped` counts lines that were too long."""

    def __init__(self) -> None:
        self.dropped = 0
        self._lines: deque[str] = deque()
        self._size = 0
        self._rest = b""
        self._overlong = False  # what comes next belongs to a line that is dropped already
        self._closed = False
        self._changed = asyncio.Condition()

    async def put(self, chunk: bytes) -> None:
        """Take some of the text, cut anywhere. Waits while too much of it waits."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._size < WAITING or self._closed)
            if not self._closed:
                self._cut(chunk)
                self._changed.notify_all()

    async def close(self) -> None:
        """Nothing more comes, or nothing more is wanted: what follows is thrown away."""
        async with self._changed:
            if not self._closed:
                self._closed = True
                self._take(self._rest.removesuffix(b"\r"))
            self._changed.notify_all()

    async def batch(self) -> Sequence[str] | None:
        """The lines that come next, at least one; None after the last."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._lines or self._closed)
            batch: list[str] = []
            size = 0
            while self._lines and len(batch) < LINES_A_BATCH and (not batch or size + len(self._lines[0]) <= BATCH):
                batch.append(self._lines.popleft())
                size += len(batch[-1])
            self._size -= size
            self._changed.notify_all()
        return batch or None

    def _cut(self, chunk: bytes) -> None:
        *whole, rest = _ENDS.split(self._rest + chunk)
        for line in whole:
            self._take(line)
            self._overlong = False
        self._rest = rest
        if len(rest) > LONGEST_LINE + 1:  # the last byte may be half of an end
            self._take(rest)
            self._rest, self._overlong = b"", True

    def _take(self, raw: bytes) -> None:
        if self._overlong:
            return
        if len(raw) > LONGEST_LINE:
            self.dropped += 1
        elif line := raw.decode("utf-8", "replace").strip():
            self._lines.append(line)
            self._size += len(line)
