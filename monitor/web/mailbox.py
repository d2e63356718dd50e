"""What waits for one reader of the feed: in order, and bounded by count and by bytes."""

import asyncio
from itertools import islice

from monitor.core.model import InstanceKey
from monitor.web.frames import Frame
from monitor.web.parts import FeedLimits
from monitor.web.subscription import Subscription


class FullError(Exception):
    """The reader cannot keep up, and nothing more can be left out."""


class Mailbox:
    """Frames to write, and subscriptions to answer.

    As long as the reader keeps up, everything is kept. Once `crowded` frames wait, progress of an instance takes the
    place of its older progress: the newest one goes to the end, so that numbers never fall.
    """

    def __init__(self, limits: FeedLimits) -> None:
        self._limits = limits
        self._frames: dict[int, Frame] = {}  # by a ticket that only grows
        self._tickets = 0
        self._size = 0
        self._progress: dict[InstanceKey, int] = {}  # the ticket of its newest progress
        self._asked: list[Subscription] = []
        self._filled = asyncio.Event()

    def put(self, frame: Frame, progress_of: InstanceKey | None = None) -> None:
        """Queue a frame; raise FullError if that goes over the bound."""
        if progress_of is not None:
            older = self._progress.get(progress_of)
            if older in self._frames and len(self._frames) >= self._limits.crowded:
                self._size -= len(self._frames.pop(older).body)
            self._progress[progress_of] = self._tickets
        self._frames[self._tickets] = frame
        self._tickets += 1
        self._size += len(frame.body)
        if len(self._frames) > self._limits.frames or self._size > self._limits.size:
            raise FullError
        self._filled.set()

    def ask(self, subscription: Subscription) -> None:
        """Queue a question; raise FullError if the reader asks faster than it reads the answers."""
        self._asked.append(subscription)
        if len(self._asked) > self._limits.subscriptions:
            raise FullError
        self._filled.set()

    async def take(self) -> list[Frame] | list[Subscription]:
        """Wait for something: the subscriptions that wait, or else a chunk of frames."""
        await self._filled.wait()
        if self._asked:
            asked, self._asked = self._asked, []
            self._settle()
            return asked
        room = self._limits.chunk
        count = 0
        for frame in self._frames.values():
            room -= len(frame.body)
            if room < 0 and count:
                break
            count += 1
        return self._pop(count)

    def drain(self) -> list[Frame]:
        """Every frame that waits."""
        return self._pop(len(self._frames))

    def _pop(self, count: int) -> list[Frame]:
        frames = [self._frames.pop(ticket) for ticket in tuple(islice(self._frames, count))]
        self._size -= sum(len(frame.body) for frame in frames)
        self._settle()
        return frames

    def _settle(self) -> None:
        if not self._frames:
            self._progress.clear()
            if not self._asked:
                self._filled.clear()
