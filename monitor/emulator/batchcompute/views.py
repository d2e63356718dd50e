"""What can be seen of a job at one moment.

Jobs that run programs and jobs that follow a plan look the same from outside. All times are epoch seconds, None as long
as they have not come.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Of jobs, tasks and instances alike, in the words of the service."""

    WAITING = "Waiting"
    RUNNING = "Running"
    FINISHED = "Finished"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def final(self) -> bool:
        """Whether it stays like that, unless a job is started again."""
        return self not in LIVE


LIVE = (State.WAITING, State.RUNNING)


class Metrics(NamedTuple):
    """How many tasks or instances are in each state."""

    waiting: int = 0
    running: int = 0
    finished: int = 0
    failed: int = 0
    stopped: int = 0

    @classmethod
    def of(cls, states: Iterable[State]) -> "Metrics":
        """Counts them."""
        given = list(states)
        return cls(*(given.count(state) for state in State))

    @classmethod
    def total(cls, parts: Iterable["Metrics"]) -> "Metrics":
        """Adds them up."""
        return cls(*map(sum, zip(cls(), *parts, strict=True)))


@dataclass(frozen=True, slots=True)
class Result:
    """What an instance ended with. `code` is empty unless it failed."""

    exit_code: int = 0
    code: str = ""
    message: str = ""
    detail: str = ""


NO_RESULT = Result()


class TaskView(NamedTuple):
    """A task at one moment."""

    name: str
    state: State
    started: float | None
    ended: float | None
    instances: Metrics


class InstanceView(NamedTuple):
    """An instance at one moment; `progress` in percent, `stdout` and `stderr` its logs in OSS or ""."""

    number: int
    state: State
    started: float | None
    ended: float | None
    retries: int
    progress: int
    stdout: str
    stderr: str
    result: Result


class JobView(NamedTuple):
    """A job at one moment; `message` says why it failed."""

    state: State
    message: str
    started: float | None
    ended: float | None
    tasks: Sequence[TaskView]
