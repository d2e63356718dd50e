"""What clients submit: a job description, checked against every published limit before anything runs."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from monitor.emulator.batchcompute.bodies import read_object
from monitor.emulator.batchcompute.dependencies import predecessors
from monitor.emulator.batchcompute.refusals import invalid, missing
from monitor.emulator.errors import ServiceError

MAX_PRIORITY = 1000
MOST = 2**31 - 1  # of seconds and re-runs
MAX_INSTANCES = 50_000  # of one job: nothing is published, but this machine ends somewhere
_NAME = re.compile(r"[A-Za-z_-][A-Za-z0-9_-]{0,63}", re.ASCII)
_TASK_NAME = re.compile(r"[A-Za-z_-][A-Za-z0-9_-]{0,31}", re.ASCII)
_ENV_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_STORES = ("oss://", "nas://")

Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One task of a description. `after` names the tasks that must be finished before; `timeout` is in seconds."""

    name: str
    after: tuple[str, ...]
    instances: int
    timeout: int
    max_retries: int
    cluster_id: str
    command_line: str
    package_path: str
    env: Mapping[str, str]
    input_mapping: Mapping[str, str]
    output_mapping: Mapping[str, str]
    log_mapping: Mapping[str, str]
    stdout_dir: str
    stderr_dir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A job as it was submitted; `source` is the description itself."""

    name: str
    priority: int
    fail_on_instance: bool
    auto_release: bool
    tasks: tuple[TaskSpec, ...]
    source: Json


def read_description(body: bytes) -> Description:
    """Takes in a submission. Raises ServiceError with the parameter that is missing or wrong, and how it is wanted."""
    return check_description(read_object(body, "a job description: one JSON object"))


def check_description(source: Json) -> Description:
    """The same for a description that has been decoded."""
    job = _Fields(source, "")
    name = _matching("Name", job.text("Name", required=True), _NAME, 64)
    kind = job.text("Type", required=True)
    if kind != "DAG":
        raise invalid("Type", f"This service runs jobs of type DAG, not '{kind[:50]}'.")
    if len(job.text("Description")) > 1000:
        raise invalid("Description", "It must be at most 1000 characters long.")
    job.inner("Notification").table("Topic")
    dag = _Fields(job.table("DAG", required=True), "DAG.")
    tasks = dag.table("Tasks", required=True)
    if not tasks:
        raise invalid("Tasks", "DAG.Tasks must hold at least one task.")
    for task, fields in tasks.items():
        _matching("TaskName", task, _TASK_NAME, 32)
        if not isinstance(fields, dict):
            raise invalid("Tasks", f"The task '{task}' must be an object.")
    before = predecessors(tuple(tasks), dag.table("Dependencies"))
    specs = tuple(_task(task, before[task], dag.inner("Tasks", task)) for task in tasks)
    if sum(spec.instances for spec in specs) > MAX_INSTANCES:
        raise invalid("InstanceCount", f"The tasks of a job have at most {MAX_INSTANCES} instances in all.")
    return Description(
        name=name,
        priority=priority_of(source),
        fail_on_instance=job.flag("JobFailOnInstanceFail", required=True),
        auto_release=job.flag("AutoRelease"),
        tasks=specs,
        source=source,
    )


def priority_of(source: Json) -> int:
    """The priority in a description, or in a request to change it. Raises ServiceError."""
    return _Fields(source, "").whole("Priority", 0, MAX_PRIORITY, None)


class _Fields:
    """The fields of one object; `path` stands before their names in messages. Null is the same as absent."""

    def __init__(self, fields: Json, path: str) -> None:
        self._fields = fields
        self._path = path

    def text(self, name: str, *, required: bool = False) -> str:
        value = self._get(name, required=required)
        if value is None or _is_text(value):
            return value or ""
        raise self._wrong(name, "a string without NUL", value)

    def flag(self, name: str, *, required: bool = False) -> bool:
        value = self._get(name, required=required)
        if value is None or isinstance(value, bool):
            return value or False
        raise self._wrong(name, "true or false", value)

    def whole(self, name: str, lowest: int, highest: int, otherwise: int | None) -> int:
        value = self._get(name, required=otherwise is None)
        if value is None and otherwise is not None:
            return otherwise
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return value
        raise self._wrong(name, f"an integer in [{lowest}, {highest}]", value)

    def table(self, name: str, *, required: bool = False) -> Json:
        value = self._get(name, required=required)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._wrong(name, "an object", value)
        return value

    def texts(self, name: str) -> Mapping[str, str]:
        table = self.table(name)
        for key, value in table.items():
            if not (_is_text(key) and _is_text(value)):
                raise self._wrong(name, "an object of strings without NUL", {key: value})
        return table

    def inner(self, *names: str) -> "_Fields":
        """The object at that path below this one; empty if there is none."""
        found = self
        for name in names:
            found = _Fields(found.table(name), f"{found._path}{name}.")
        return found

    def wrong(self, name: str, why: str) -> ServiceError:
        """The field is not allowed like that."""
        return invalid(name, f"{self._path}{name} {why}.")

    def _wrong(self, name: str, wanted: str, value: object) -> ServiceError:
        return self.wrong(name, f"must be {wanted}, not {json.dumps(value)[:80]}")

    def _get(self, name: str, *, required: bool) -> Any:
        value = self._fields.get(name)
        if required and (value is None or value == ""):
            raise missing(name)
        return value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


def _task(name: str, after: tuple[str, ...], task: _Fields) -> TaskSpec:
    _check_machines(task)
    parameters = task.inner("Parameters")
    task.table("Parameters", required=True)
    command = parameters.inner("Command")
    parameters.table("Command", required=True)
    command_line = command.text("CommandLine", required=True)
    inputs, outputs, logs = (task.texts(f"{kind}Mapping") for kind in ("Input", "Output", "Log"))
    _check_stores(task, "InputMapping", inputs.keys())
    _check_stores(task, "OutputMapping", outputs.values())
    _check_stores(task, "LogMapping", logs.values())
    if both := set(outputs.values()) & inputs.keys():
        raise task.wrong("OutputMapping", f"must not write what InputMapping reads: '{min(both)[:80]}'")
    return TaskSpec(
        name=name,
        after=after,
        instances=task.whole("InstanceCount", 1, MAX_INSTANCES, 1),
        timeout=task.whole("Timeout", 1, MOST, 3600),
        max_retries=task.whole("MaxRetryCount", 0, MOST, 0),
        cluster_id=task.text("ClusterId"),
        command_line=command_line,
        package_path=_oss_path(command, "PackagePath"),
        env=_env(command),
        input_mapping=inputs,
        output_mapping=outputs,
        log_mapping=logs,
        stdout_dir=_oss_path(parameters, "StdoutRedirectPath"),
        stderr_dir=_oss_path(parameters, "StderrRedirectPath"),
    )


def _env(command: _Fields) -> Mapping[str, str]:
    env = command.texts("EnvVars")
    if len(env) > 50:
        raise command.wrong("EnvVars", f"must have at most 50 entries, not {len(env)}")
    for key, value in env.items():
        if not _ENV_NAME.fullmatch(key):
            raise command.wrong("EnvVars", f"must have names of 1 to 100 of [A-Za-z0-9_-], not '{key[:110]}'")
        if len(value) > 1000:
            raise command.wrong("EnvVars", f"must have values of at most 1000 characters, unlike '{key}'")
    return env


def _check_machines(task: _Fields) -> None:
    """A task runs either on a cluster that exists or on one made for it; `""` and `{}` stand for neither, and so does
    what the released client makes of `{}`: an AutoCluster whose fields are all empty."""
    cluster, auto = task.text("ClusterId"), any(task.table("AutoCluster").values())
    if cluster and auto:
        raise task.wrong("ClusterId", "and AutoCluster exclude each other: give one of them")
    if not cluster and not auto:
        raise missing("AutoCluster")
    disks = task.inner("AutoCluster", "Configs", "Disks")
    for kind, lowest, highest in (("SystemDisk", 40, 500), ("DataDisk", 5, 2000)):
        disk = disks.inner(kind)
        if disk.whole("Size", 0, MOST, 0):  # clients send 0 for no wish
            disk.whole("Size", lowest, highest, 0)


def _oss_path(fields: _Fields, name: str) -> str:
    """A path in OSS, or "" for none."""
    path = fields.text(name)
    if path and not path.startswith("oss://"):
        raise fields.wrong(name, f"must begin with oss://, not '{path[:80]}'")
    return path


def _check_stores(task: _Fields, name: str, paths: Iterable[str]) -> None:
    for path in paths:
        if not path.startswith(_STORES):
            raise task.wrong(name, f"must have paths that begin with oss://, not '{path[:80]}'")


def _matching(param: str, name: str, pattern: re.Pattern[str], longest: int) -> str:
    if not pattern.fullmatch(name):
        wanted = f"1 to {longest} of [A-Za-z0-9_-] that do not begin with a digit"
        raise invalid(param, f"It must be {wanted}, not '{name[:80]}'.")
    return name
