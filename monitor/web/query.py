"""Reads the query string: every parameter is known, every value allowed, or the answer says what would have been."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from aiohttp import web

from monitor.core.filter import Filter
from monitor.core.model import InstanceKey, Phase
from monitor.web.errors import bad_request

WordT = TypeVar("WordT", bound=StrEnum)

FILTERS = ("source", "project", "phase", "owner", "key", "q")


class Query:
    """One request's parameters. Lists may be repeated or written with commas; an empty value is as good as none."""

    def __init__(self, request: web.Request, *, allowed: Iterable[str] = ()) -> None:
        self._values = request.query
        names = tuple(allowed)
        for name in self._values:
            if name not in names:
                known = f"use {', '.join(names)}" if names else "none is read here"
                raise bad_request(f"unknown parameter {name[:100]!r}: {known}")

    def words(self, name: str) -> frozenset[str]:
        """Every value of a list."""
        return frozenset(word for text in self._values.getall(name, ()) for word in text.split(",") if word)

    def text(self, name: str) -> str | None:
        """The value of a parameter that is given at most once."""
        given = [text for text in self._values.getall(name, ()) if text]
        if len(given) > 1:
            raise bad_request(f"{name} is given {len(given)} times: give it once")
        return given[0] if given else None

    def number(self, name: str, *, default: int, least: int, most: int) -> int:
        """A whole number within bounds."""
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
            raise bad_request(f"{name} is {text[:100]!r}: give a whole number from {least} to {most}")
        return int(text)

    def flag(self, name: str) -> bool:
        """Whether a switch is on: `?name` and `?name=true` are, `?name=false` is not."""
        text = self._values.get(name)
        if text is None or text in {"0", "false"}:
            return False
        if text in {"", "1", "true"}:
            return True
        raise bad_request(f"{name} is {text[:100]!r}: give true or false")

    def word(self, name: str, kind: type[WordT]) -> WordT | None:
        """One word out of an enum."""
        text = self.text(name)
        return None if text is None else _word(name, text, kind)

    def key(self, name: str) -> InstanceKey | None:
        """A whole key."""
        text = self.text(name)
        try:
            return None if text is None else InstanceKey.parse(text)
        except ValueError as error:
            raise bad_request(str(error)) from None

    def filter(self) -> Filter:
        """Which instances are asked for."""
        return Filter(
            source=self.words("source"),
            project=self.words("project"),
            phase=frozenset(_word("phase", word, Phase) for word in self.words("phase")),
            owner=self.words("owner"),
            key=self.words("key"),
            q=self.text("q") or "",
        )


def _word(name: str, text: str, kind: type[WordT]) -> WordT:
    try:
        return kind(text)
    except ValueError:
        raise bad_request(f"{name} is {text[:100]!r}: use {', '.join(kind)}") from None
