"""The XML documents of the instance API, as values. Each reader raises SourceError(MALFORMED) and nothing else.

Order of elements, unknown elements and absent ones do not matter, except the few without which the answer says nothing.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from datetime import datetime

import msgspec
from msgspec import Struct

from monitor.core.model import Stage
from monitor.core.text import clip
from monitor.sources.base import SourceError
from monitor.sources.dates import read_http_date
from monitor.sources.maxcompute.envelope import open_envelope
from monitor.sources.maxcompute.markup import malformed, parse, text_of
from monitor.sources.maxcompute.words import stage_status

LONGEST_NAME = 256
_LONGEST_ID = 128
_MOST_STEPS = 1_000
_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{_LONGEST_ID}}}")
_COUNT = re.compile(r"[0-9]{1,15}")


class TaskRow(Struct, frozen=True, gc=False):
    """A task as `?taskstatus` tells it. `name` is whole: it goes back to the service in questions about the task."""

    name: str
    type: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None


class TaskStatus(Struct, frozen=True, gc=False):
    """`?taskstatus`. `status` is empty where the answer did not hold it."""

    status: str
    tasks: tuple[TaskRow, ...]


class Progress(Struct, frozen=True, gc=False):
    """`?instanceprogress` of a task. `skipped` stages told nothing and were left out."""

    stages: tuple[Stage, ...]
    skipped: int


class Step(Struct, frozen=True, gc=False):
    """An instance that a workflow started. `is_workflow`: it starts others itself."""

    name: str
    id: str
    is_workflow: bool


class Row(Struct, frozen=True, gc=False):
    """An instance in a listing."""

    id: str
    owner: str
    status: str
    created_at: datetime | None
    ended_at: datetime | None


class Listing(Struct, frozen=True, gc=False):
    """A page of instances; `marker` leads to the next one and is empty on the last."""

    marker: str
    rows: tuple[Row, ...]
    skipped: int


def is_instance_id(text: str) -> bool:
    """Whether the service could have made this id. Others would not survive a URL or a key of ours."""
    return (text.isalnum() and text.isascii() and len(text) <= _LONGEST_ID) or _ID.fullmatch(text) is not None


def split_id(text: str) -> tuple[str, str]:
    """The two parts of the id in a key: the instance, and the number of a query within it, empty as a rule.

    All queries of a session (MCQA v1) run in one instance: `SESSION:3` is the third of them. Raises ValueError.
    """
    instance, colon, number = text.partition(":")
    if not is_instance_id(instance) or (colon and not _COUNT.fullmatch(number)):
        raise ValueError(f"{clip(text, 80)!r} cannot be an id of an instance")
    return instance, number


def read_task_status(body: bytes) -> TaskStatus:
    """`?taskstatus`, and the plain status, which has no tasks."""
    root = parse(body, "Instance")
    tasks = root.find("Tasks")
    return TaskStatus(
        text_of(root, "Status"),
        ()
        if tasks is None
        else tuple(
            TaskRow(
                text_of(task, "Name"),
                task.get("Type", ""),
                text_of(task, "Status"),
                read_http_date(text_of(task, "StartTime")),
                read_http_date(text_of(task, "EndTime")),
            )
            for task in tasks.iterfind("Task")
        ),
    )


def read_progress(body: bytes) -> Progress:
    """`?instanceprogress`. A stage without a name or without its three counts is left out and counted."""
    stages = []
    skipped = 0
    for element in parse(body, "Progress").iterfind("Stage"):
        name = element.get("ID", "").strip()
        running = _count(text_of(element, "RunningWorkers"))
        terminated = _count(text_of(element, "TerminatedWorkers"))
        total = _count(text_of(element, "TotalWorkers"))
        if not name or running is None or terminated is None or total is None:
            skipped += 1
            continue
        percent = _count(text_of(element, "FinishedPercentage"))
        stages.append(
            Stage(
                name=clip(name, LONGEST_NAME),
                running=running,
                terminated=terminated,
                total=total,
                backups=_count(text_of(element, "BackupWorkers")) or 0,
                percent=percent if percent is not None and percent <= 100 else None,
                status=stage_status(text_of(element, "Status")),
            )
        )
    return Progress(tuple(stages), skipped)


def read_results(body: bytes) -> dict[str, str]:
    """`?result`: the result text of each task, by its whole name. Of a failed task it is the failure text."""
    tasks = parse(body, "Instance").find("Tasks")
    if tasks is None:
        return {}
    texts = {}
    for task in tasks.iterfind("Task"):
        result = task.find("Result")
        text = "" if result is None else result.text or ""
        if result is not None and result.get("Transform", "").lower() == "base64":
            text = _decode(text)
        texts[text_of(task, "Name")] = text
    return texts


def read_steps(body: bytes) -> tuple[Step, ...] | None:
    """`?xresult`: the steps so far that are instances, each id once and each under a name of its own. None where the
    answer tells of no step at all, also of none that the service did itself."""
    actions = parse(body, "Xinstance").find("Actions")
    if actions is None or actions.find("Action") is None:
        return None
    steps: dict[str, Step] = {}
    names: set[str] = set()
    for action in actions.iterfind("Action"):
        kind, id_ = action.get("NodeType", "").lower(), text_of(action, "InstanceId")
        if kind not in {"instance", "subworkflow"} or not is_instance_id(id_) or id_ in steps:
            continue
        name = clip(text_of(action, "Name"), LONGEST_NAME) or id_
        if name in names:
            name = f"{clip(name, LONGEST_NAME - 10)} ({len(steps) + 1})"
        names.add(name)
        steps[id_] = Step(name, id_, kind == "subworkflow")
        if len(steps) == _MOST_STEPS:
            break
    return tuple(steps.values())


def read_listing(body: bytes) -> Listing:
    """`instances`. A row without a usable id is left out and counted."""
    root = parse(body, "Instances")
    rows = []
    skipped = 0
    for element in root.iterfind("Instance"):
        name = text_of(element, "Name")
        if not is_instance_id(name):
            skipped += 1
            continue
        rows.append(
            Row(
                name,
                clip(text_of(element, "Owner"), LONGEST_NAME),
                text_of(element, "Status"),
                read_http_date(text_of(element, "StartTime")),
                read_http_date(text_of(element, "EndTime")),
            )
        )
    return Listing(text_of(root, "Marker"), tuple(rows), skipped)


def read_queueing(body: bytes) -> tuple[str, str]:
    """The envelope of `cachedinstances`: the marker, and the content, which is JSON in some wrapping."""
    root, content = open_envelope(body, "Instances")
    if content is None:
        raise malformed("the listing has no <Content>")
    return text_of(root, "Marker"), content


def read_job_name(body: bytes) -> str:
    """`?source`: the name that the job was submitted with, empty if it has none."""
    return text_of(parse(body, "Job"), "Name")


def read_token(body: bytes) -> str:
    """The token that a request for one answers with."""
    token = text_of(parse(body, "Authorization"), "Result")
    if not token:
        raise malformed("the answer holds no token")
    return token


class _Connection(Struct, rename="camel"):
    conn_info: str = ""


def read_connection(body: bytes) -> str:
    """What the query acceleration (MCQA v2) wants to hear in a header; empty if nothing."""
    try:
        text = msgspec.json.decode(body, type=_Connection).conn_info
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise malformed("the answer about the connection is no JSON object with connInfo") from None
    return text if text.isprintable() and text.isascii() else ""


class QueryState(Struct, frozen=True, gc=False, rename="camel"):
    """`?info&key=result_N`: how a query of a session (MCQA v1) stands. Of a failed one `result` says why."""

    status: int = -1
    result: str | None = None


def read_query(body: bytes) -> QueryState | None:
    """None where the session does not know the query: its answer is empty."""
    if not body.strip():
        return None
    try:
        return msgspec.json.decode(body, type=QueryState)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise malformed("the answer about the query is no JSON object with its status") from None


class _JsonError(Struct, rename="pascal"):
    code: str = ""
    message: str = ""


def read_error(body: bytes) -> tuple[str, str]:
    """Code and message of an error document, XML or JSON; both empty where the body is something else."""
    if body.lstrip()[:1] == b"{":
        try:
            error = msgspec.json.decode(body, type=_JsonError)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return "", ""
        return error.code, error.message
    try:
        root = parse(body, "Error")
    except SourceError:
        return "", ""  # a gateway's page, most likely: the status says enough
    return text_of(root, "Code"), text_of(root, "Message")


def _count(text: str) -> int | None:
    return int(text) if _COUNT.fullmatch(text) else None


def _decode(text: str) -> str:
    """Base64 text. What is not Base64 after all is shown as it came."""
    try:
        return b64decode("".join(text.split()), validate=True).decode(errors="replace")
    except (Base64Error, ValueError):
        return text
