"""Tells whoever listens what has happened, in order, and remembers enough of it for those who were away briefly."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice

from monitor.storage.base import Record

Listener = Callable[[Sequence[Record]], None]

REMEMBERED = 20_000  # records: minutes of a busy system, a few megabytes


class Bus:
    """Published to by the follower only. A listener is called on the loop and must return at once: it queues for
    itself and drops or closes when it cannot keep up."""

    def __init__(self, epoch: str, seq: int) -> None:
        self.epoch = epoch
        self.seq = seq
        self._forgotten = seq  # the highest sequence number that can no longer be replayed
        self._recent: deque[Record] = deque(maxlen=REMEMBERED)
        self._listeners: dict[object, Listener] = {}

    def publish(self, records: Sequence[Record]) -> None:
        """Pass on one batch."""
        if not records:
            return
        self.seq = records[-1].seq
        leaving = len(self._recent) + len(records) - REMEMBERED
        if leaving > 0:
            self._forgotten = next(islice(chain(self._recent, records), leaving - 1, None)).seq
        self._recent.extend(records)
        for token, listener in tuple(self._listeners.items()):
            if token in self._listeners:  # one listener may have made another one leave
                listener(records)

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Call `listener` with every batch while the block runs. No await between reading the board and entering
        means that nothing is missed."""
        token = object()
        self._listeners[token] = listener
        try:
            yield
        finally:
            del self._listeners[token]

    def since(self, epoch: str, seq: int) -> tuple[Record, ...] | None:
        """What happened after `seq`; None if that cannot be told any more (or never could: other epoch, future)."""
        if epoch != self.epoch or not self._forgotten <= seq <= self.seq:
            return None
        return tuple(record for record in self._recent if record.seq > seq)
