"""The live part of `follow`: every batch to every follower, in order, none skipped.

A driver asks for room *before* it writes, and publishes after it has written without waiting. So there is no moment
between the two at which it could be cancelled: what was kept is published.
"""

from collections import deque

from anyio import Event
from anyio.lowlevel import checkpoint

from monitor.storage.base import Batch

BOUND = 64  # batches a follower may lag behind before commits wait for it


class Follower:
    """One reader of a tail. It leaves the tail when an error or a cancellation ends a read, or by `aclose`."""

    def __init__(self, tail: "Tail") -> None:
        self._tail = tail
        self._batches: deque[Batch] = deque()
        self._more = Event()

    def __aiter__(self) -> "Follower":
        return self

    async def __anext__(self) -> Batch:
        try:
            await checkpoint()
            while not self._batches:
                if not self._tail.feeds(self):
                    raise StopAsyncIteration
                self._more = Event()
                await self._more.wait()
        except BaseException:
            await self.aclose()
            raise
        batch = self._batches.popleft()
        self._tail.make_room()
        return batch

    async def aclose(self) -> None:
        """Stop following: nobody waits for this reader any more."""
        self._batches.clear()
        self._tail.leave(self)

    @property
    def lag(self) -> int:
        """How many batches wait to be read."""
        return len(self._batches)

    def put(self, batch: Batch) -> None:
        """Add a batch; the tail has made sure that there is room."""
        self._batches.append(batch)
        self._more.set()

    def wake(self) -> None:
        """Look again whether anything more will come."""
        self._more.set()


class Tail:
    """Hands batches from one publisher to any number of followers, each at most `bound` batches behind."""

    def __init__(self, bound: int = BOUND) -> None:
        self._bound = bound
        self._followers: list[Follower] = []
        self._room = Event()
        self._sealed = False

    @property
    def is_sealed(self) -> bool:
        """Whether the last batch has been published."""
        return self._sealed

    def follow(self) -> Follower:
        """Everything that is published from this call on."""
        follower = Follower(self)
        if not self._sealed:
            self._followers.append(follower)
        return follower

    async def room(self) -> None:
        """Wait until every follower can take one more batch."""
        while any(follower.lag >= self._bound for follower in self._followers):
            self._room = Event()
            await self._room.wait()

    def publish(self, batch: Batch) -> None:
        """Hand it to all followers. Call after `room`, with nothing published in between."""
        for follower in self._followers:
            follower.put(batch)

    def seal(self) -> None:
        """Nothing more will come: followers end after what they have."""
        self._sealed = True
        followers, self._followers = self._followers, []
        for follower in followers:
            follower.wake()
        self.make_room()

    def feeds(self, follower: Follower) -> bool:
        """Whether this follower will get more."""
        return follower in self._followers

    def leave(self, follower: Follower) -> None:
        """Forget a follower, and wait for it no longer."""
        if follower in self._followers:
            self._followers.remove(follower)
        self.make_room()

    def make_room(self) -> None:
        """Let the publisher look again."""
        self._room.set()
