"""What the sections of all sources share."""

import re
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from monitor.section import Secret, Section, Span, read_span


def _name(text: str) -> str:
    if not text or len(text) > 128 or "/" in text or not text.isprintable() or any(map(str.isspace, text)):
        raise ValueError(f"{text!r} cannot stand in a key: use 1 to 128 letters, digits, '-', '_' or '.', and no '/'")
    return text


def _endpoint(text: str) -> str:
    hint = "write it like https://service.example/api"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"this is not an address: {hint}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError(f"it needs http:// or https:// and a host: {hint}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"it must not hold a user or a password: {hint}")
    if parts.query or parts.fragment or "?" in text or "#" in text or not text.isascii() or not text.isprintable():
        raise ValueError(f"it must end with the path, without '?' or '#', in plain ASCII: {hint}")
    return text.rstrip("/")


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"named twice: {', '.join(twice)}")
    return names


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


def _header(secret: Secret) -> Secret:
    text = secret.reveal()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it must be plain ASCII on one line without spaces: it is sent in an HTTP header")
    return secret


Name = Annotated[str, AfterValidator(_name)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Names = Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(_different)]
Pattern = Annotated[str, AfterValidator(_pattern)]
HeaderSecret = Annotated[Secret, AfterValidator(_header)]


def _default(text: str) -> Any:  # Any: pydantic's Field has no type of its own
    return Field(default_factory=lambda: read_span(text))


EVERY_JOB = ".*"


class Discover(Section):
    """What is tracked without being registered. `jobs` must match the whole job name."""

    jobs: Pattern = EVERY_JOB

    def pattern(self) -> re.Pattern[str]:
        """For the whole name, which may hold a newline."""
        return re.compile(self.jobs, re.DOTALL)


def none_for_false(form: str) -> Callable[[object], object]:
    """Reads `discover`: false in the file is None here. `form` is how it is written otherwise."""

    def read(value: object) -> object:
        if value is False:
            return None
        if isinstance(value, dict | Discover):
            return value
        raise ValueError(f"write {form}, or false to track only what is registered")

    return read


class SourceSection(Section):
    """Where a source is, and how often and how hard it may be asked."""

    name: Name
    endpoint: Endpoint
    sweep_every: Span = _default("10s")
    reconcile_every: Span = _default("30s")
    look_back: Span = _default("10m")
    requests_per_second: float = Field(default=20.0, gt=0, le=10_000, allow_inf_nan=False)
    concurrency: int = Field(default=8, ge=1, le=1_000)
    timeout: Span = _default("30s")
