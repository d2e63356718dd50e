"""What a source promises, and the one error it raises.

A driver speaks its service's words and answers in ours: `Phase` goes on from here, native words stop.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, Protocol

from msgspec import Struct

from monitor.core.events import Gone, Seen
from monitor.core.model import InstanceKey


class Reason(StrEnum):
    """Why a request gave no answer: the log field, the metric label and the word on the page."""

    UNREACHABLE = "unreachable"  # no connection, reset, name not found
    TIMEOUT = "timeout"
    THROTTLED = "throttled"  # 429, flow control: slower, and not before `retry_after`
    UNAVAILABLE = "unavailable"  # 5xx
    UNAUTHORIZED = "unauthorized"  # wrong key or signature, expired token
    FORBIDDEN = "forbidden"  # the key is right, a right is missing
    SKEWED = "skewed"  # our clock and the service's disagree, even after correction
    NOT_FOUND = "not_found"  # of a project; of an instance it is the observation `Gone`
    CONFLICT = "conflict"  # the instance is not in a state that allows it, such as stopping one that ended
    MALFORMED = "malformed"  # the body is not what the protocol says
    REJECTED = "rejected"  # any other refusal


class SourceError(Exception):
    """A request gave no usable answer. `retry_after` is in seconds where the service named a time."""

    def __init__(self, reason: Reason, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


class NotOfferedError(SourceError):
    """This kind of service never has anything of the sort. The message says what there is instead."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.REJECTED, message)


class Remark(Struct, frozen=True, gc=False):
    """What there is to say of one place in a job description. `path` is like `DAG.Tasks.count.Timeout`, or, where the
    text is no JSON, the line and column; it is empty for the whole."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}" if self.path else self.what


class BadJobError(SourceError):
    """A job description has faults: `faults` are all of them, and nothing was sent."""

    def __init__(self, faults: Sequence[Remark]) -> None:
        super().__init__(Reason.REJECTED, "\n".join(map(str, faults)))
        self.faults = tuple(faults)


class Detail(StrEnum):
    """How much an inspection should learn."""

    PHASE = "phase"  # how it stands; of a failure only that it failed
    OUTCOME = "outcome"  # and, if it failed, why
    STAGES = "stages"  # and the stages of each task


class Priority(IntEnum):
    """Who goes first when requests are scarce: the smaller number."""

    SWEEP = 0
    OUTCOME = 1
    WATCHED = 2
    ATTENTION = 3


class RequestReport(Struct, frozen=True, gc=False):
    """What one HTTP request was for and how it went, for metrics: retries and pages are requests of their own."""

    source: str
    operation: str  # a driver's own bounded set of words, such as "sweep" or "inspect"
    result: str  # "ok", or the Reason that the answer came to
    seconds: float  # from the first byte sent to the answer read; waiting for the budget is not in it
    throttled_seconds: float = 0.0  # by how much this answer lengthened the pause of the whole source
    skipped: int = 0  # elements of a listing that could not be read and were left out


class Page(Struct, frozen=True, gc=False):
    """A part of a listing. `ids` names every instance on the page; `seen` holds those whose entry changed since this
    source last reported them (an entry equal to the last one makes no observation)."""

    at: datetime
    ids: tuple[str, ...]
    seen: tuple[Seen, ...]


class Check(Struct, frozen=True, gc=False, kw_only=True):
    """One thing that was looked at in an examination. `ok` is None of what was not or cannot be tried; `fix` says what
    to do where it is False."""

    name: str
    ok: bool | None
    detail: str
    fix: str = ""


class Heard(Struct, frozen=True, gc=False, kw_only=True):
    """What a batch of lines told. `key` is the instance that the lines behind it are about, None where nobody knows.

    telling    lines that told something
    unclaimed  of these, lines before the first that named an instance: they are lost
    malformed  words that look like progress and are not
    ended      of the instances that were told of, those that had ended before
    """

    key: InstanceKey | None
    seen: tuple[Seen, ...]
    telling: int
    unclaimed: int
    malformed: int
    ended: frozenset[InstanceKey] = frozenset()


class Intake(Protocol):
    """A source that is not asked but told, in lines of text. An instance of which nothing is heard for `silent_after`
    is lost."""

    name: str
    kind: str
    projects: tuple[str, ...]
    silent_after: timedelta

    def read(self, lines: Sequence[str], *, project: str, instance: str | None, at: datetime) -> Heard:
        """What they tell, whatever they hold. They are about `instance` until one of them names another one."""
        ...


class Source(Protocol):
    """One configured account on one service. Every method raises SourceError and nothing else. A kind of service that
    restarts nothing, takes no jobs or has no pages answers these wishes with NotOfferedError."""

    name: str
    kind: str
    projects: tuple[str, ...]

    def sweep(self, project: str) -> AsyncIterator[Page]:
        """List the live instances, a page at a time; ending without an error means that the listing was complete."""
        ...

    def ended(self, project: str, since: datetime) -> AsyncIterator[Page]:
        """List what has ended, at least everything submitted or ended after `since`. `seen` holds every entry."""
        ...

    def discovers(self, seen: Seen) -> bool:
        """Whether a listed instance that nobody registered is to be tracked, as the section's `discover` says."""
        ...

    async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
        """Ask about one instance."""
        ...

    async def stop(self, key: InstanceKey) -> None:
        """Ask the service to end it; the end itself is observed later. CONFLICT if it had already ended."""
        ...

    async def restart(self, key: InstanceKey) -> None:
        """Run again what did not finish, under the same key. CONFLICT unless it failed or was stopped."""
        ...

    async def submit(self, project: str, job: Mapping[str, Any], token: str) -> InstanceKey:  # Any: JSON
        """Submit a job description; the same token again gives the same instance, and "" is none. BadJobError before
        anything is sent if it has faults."""
        ...

    async def results(self, key: InstanceKey) -> dict[str, str]:
        """The result text of each task, by task name."""
        ...

    async def logview(self, key: InstanceKey, hours: int | None) -> str:
        """A fresh address of the service's own page about it, good for so many hours, or for as many as its section
        says; may hold a token, so it is never stored or logged."""
        ...

    def examine(self, project: str) -> AsyncIterator[Check]:
        """Look whether everything is there that watching a project takes: the way to the service, the clock, the key,
        and each right by its name. Ends early where nothing behind a failed check can be tried; raises nothing."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...
