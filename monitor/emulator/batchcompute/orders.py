"""What the jobs order and what comes of it: the seam between the book of jobs and the processes that do the work."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run of one instance of a task.

    `attempt` is 0 for the first run. `env` is EnvVars as given. The mappings are those of the description: input from
    `oss://` to local path, output and log from local path to `oss://`. `stdout_dir` and `stderr_dir` are `oss://`
    directories or "". `timeout` is seconds of run time.
    """

    job_id: str
    task: str
    instance: int
    attempt: int
    command_line: str
    package_path: str
    env: Mapping[str, str]
    input_mapping: Mapping[str, str]
    output_mapping: Mapping[str, str]
    log_mapping: Mapping[str, str]
    stdout_dir: str
    stderr_dir: str
    timeout: float
    cluster_id: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `error_code` is "" for success and nothing else; `detail` is the end of stderr."""

    exit_code: int
    error_code: str
    error_message: str
    detail: str

    @property
    def failed(self) -> bool:
        """Whether the run counts as a failure of the instance."""
        return self.error_code != ""


def redirect_path(directory: str, stream: str, job_id: str, task: str, instance: int) -> str:
    """The object that holds an instance's `stdout` or `stderr`; "" if the task names no directory for it."""
    if not directory:
        return ""
    return f"{directory.rstrip('/')}/{stream}.{job_id}.{task}.{instance}"


class OrderError(Exception):
    """What keeps a run from success other than its program: the error code of its ending, and the message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Executor(Protocol):
    """Does what is ordered."""

    async def run(self, order: Order) -> Ending:
        """Runs the order to its end. Failures of any kind are endings, not exceptions.

        Cancelling it kills the program and all that it has started; it returns only when none of them is left.
        """
        ...
