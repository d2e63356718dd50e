"""Who is looking at what: the instances that somebody watches get their stages read first."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from monitor.core.model import InstanceKey


class Attention:
    """Counts the watchers of each key and tells when one gets its first."""

    def __init__(self) -> None:
        self._watchers: Counter[InstanceKey] = Counter()
        self._on_first: list[Callable[[InstanceKey], None]] = []

    def when_watched(self, call: Callable[[InstanceKey], None]) -> None:
        """Call with every key that gets its first watcher; on the loop, so it must return at once."""
        self._on_first.append(call)

    def __contains__(self, key: InstanceKey) -> bool:
        return key in self._watchers

    @contextmanager
    def on(self, key: InstanceKey) -> Iterator[None]:
        """Count one watcher of `key` while the block runs."""
        self.add(key)
        try:
            yield
        finally:
            self.discard(key)

    def add(self, key: InstanceKey) -> None:
        """One watcher more. Whoever adds must discard."""
        self._watchers[key] += 1
        if self._watchers[key] == 1:
            for call in self._on_first:
                call(key)

    def discard(self, key: InstanceKey) -> None:
        """One watcher less."""
        self._watchers[key] -= 1
        if self._watchers[key] <= 0:
            del self._watchers[key]
