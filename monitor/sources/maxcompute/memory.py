"""Answers kept with what was made of them, so that an answer equal to the last one is not read again."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import Struct

LARGEST = 32 * 1024  # bytes of an answer; a larger one is read every time

T = TypeVar("T")


class _Kept(Struct, Generic[T]):
    answer: tuple[bytes | str, ...]
    size: int
    value: T


class Memory(Generic[T]):
    """The last answer to each question, within a number of bytes; what was not asked for longest goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[str, ...], _Kept[T]] = OrderedDict()
        self._size = 0

    def read(self, question: tuple[str, ...], answer: tuple[bytes | str, ...], make: Callable[[], T]) -> T:
        """What was made of this answer last time, or what `make` makes of it now."""
        kept = self._kept.get(question)
        if kept is not None:
            if kept.answer == answer:
                self._kept.move_to_end(question)
                return kept.value
            self.forget(question)
        value = make()
        size = sum(map(len, answer))
        if size <= LARGEST:
            self._kept[question] = _Kept(answer, size, value)
            self._size += size
            while self._size > self._limit:
                self._size -= self._kept.popitem(last=False)[1].size
        return value

    def forget(self, question: tuple[str, ...]) -> None:
        """Nobody will ask this again."""
        kept = self._kept.pop(question, None)
        if kept is not None:
            self._size -= kept.size
