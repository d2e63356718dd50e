"""The JSON documents of the service, as values. Each reader raises SourceError(MALFORMED) and nothing else.

Unknown fields and absent ones do not matter, except the few without which the answer says nothing. A page is decoded in
one go; where that fails, entry by entry and field by field, so that one wrong value costs no more than itself.
"""

from collections.abc import Callable, Sized
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from monitor.core.text import clip
from monitor.sources.base import Reason, SourceError
from monitor.sources.batchcompute.description.order import predecessors
from monitor.sources.surrogates import replace_halves

_MOST_ROWS = 10_000  # of a page: some tens of milliseconds
_MOST_DEPENDENCIES = 10_000  # of a job: nobody can read more, and they are kept and sent with all that is told of it

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)

Count = Annotated[int, Meta(ge=0, le=2**53)]
Text = str | None
Marker = str | int | None


class Metrics(Struct, frozen=True, gc=False, rename="pascal"):
    """How many tasks or instances are in each state."""

    waiting_count: Count = 0
    running_count: Count = 0
    finished_count: Count = 0
    failed_count: Count = 0
    stopped_count: Count = 0

    @property
    def over(self) -> int:
        """Those that have ended, however they did."""
        return self.finished_count + self.failed_count + self.stopped_count

    @property
    def total(self) -> int:
        """All of them."""
        return self.waiting_count + self.running_count + self.over


class JobRow(Struct, frozen=True, gc=False, rename="pascal", kw_only=True):
    """A job, in a listing or alone, as far as we read it. Two equal rows say the same."""

    id: str
    state: str
    name: Text = None
    owner_id: str | int | None = None
    owner: Text = None  # where the service says no `OwnerId`
    message: Text = None
    creation_time: Text = None
    start_time: Text = None
    end_time: Text = None
    task_metrics: Metrics | None = None  # compared only: a task that moved makes another row
    instance_metrics: Metrics | None = None


class TaskRow(Struct, frozen=True, gc=False, rename="pascal", kw_only=True):
    """A task of a job."""

    task_name: str
    state: str = ""
    start_time: Text = None
    end_time: Text = None
    instance_metrics: Metrics | None = None


class Result(Struct, frozen=True, gc=False, rename="pascal"):
    """How the program of an instance ended. `error_code` is empty unless it failed."""

    exit_code: int | None = None
    error_code: Text = None
    error_message: Text = None
    detail: Text = None


class InstanceRow(Struct, frozen=True, gc=False, rename="pascal", kw_only=True):
    """An instance of a task."""

    instance_id: int | str
    state: str = ""
    start_time: Text = None
    end_time: Text = None
    retry_count: Count = 0
    stdout_redirect_path: Text = None
    stderr_redirect_path: Text = None
    result: Result | None = None


R = TypeVar("R", bound=Struct)


class Listing(Struct, Generic[R], frozen=True):
    """A page; `marker` leads to the next one and is empty on the last. Of `skipped` entries something could not be
    read, and of some of them nothing."""

    marker: str
    rows: list[R]
    skipped: int = 0


class PlannedTask(Struct, frozen=True, gc=False):
    """A task as it was submitted."""

    name: str
    instances: int = 1
    retries: int = 0  # how often one instance may be run again
    depends_on: tuple[str, ...] = ()


class Plan(Struct, frozen=True, gc=False):
    """A job as it was submitted. `tasks` are empty where it does not name them; `released` says that the service
    deletes it once it has succeeded."""

    tasks: tuple[PlannedTask, ...] = ()
    released: bool = False

    @property
    def size(self) -> int:
        """How many values it holds."""
        return 1 + len(self.tasks) + sum(len(task.depends_on) for task in self.tasks)


def malformed(text: str) -> SourceError:
    """An answer that is not what the protocol says."""
    return SourceError(Reason.MALFORMED, text)


def read_time(text: Text) -> datetime | None:
    """`2026-01-02T03:04:05.000006Z`, aware and in UTC, or None of an empty or odd text."""
    if not text or len(text) > 40:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class _Page(Struct, Generic[R], frozen=True, rename="pascal"):
    items: list[R]
    next_marker: Marker = None


class _Pieces(Struct, frozen=True, rename="pascal"):
    items: list[msgspec.Raw]
    next_marker: Marker = None


_PIECES = msgspec.json.Decoder(_Pieces)


def page_reader(row: type[R]) -> Callable[[bytes], Listing[R]]:
    """A reader of pages of such rows."""
    whole = msgspec.json.Decoder(_Page[row])  # type: ignore[valid-type] # the class is a value here
    pick = row_reader(row)

    def read(body: bytes) -> Listing[R]:
        try:
            page = whole.decode(body)
        except _UNREADABLE:
            return _read_one_by_one(body, pick)
        _require_a_page(page.items)
        return Listing(_marker(page.next_marker), page.items)

    return read


def row_reader(row: type[R]) -> Callable[[bytes | msgspec.Raw], tuple[R, bool]]:
    """A reader of one such row; the flag says that something in it was left out."""
    decoder = msgspec.json.Decoder(row)

    def read(body: bytes | msgspec.Raw) -> tuple[R, bool]:
        try:
            return decoder.decode(body), False
        except _UNREADABLE:
            pass
        try:
            return _convert(msgspec.json.decode(_text(bytes(body))), row), True
        except _UNREADABLE as error:
            raise malformed(f"the body is not what the protocol says: {clip(str(error), 200)}") from None

    return read


def read_plan(body: bytes) -> Plan:
    """`?description`. What is of another shape than the protocol says is left out; jobs of an app name no tasks."""
    job = _object(body)
    dag = _mapping(job.get("DAG"))
    tasks = _mapping(dag.get("Tasks"))
    before = predecessors(tasks, {first: _names(said) for first, said in _mapping(dag.get("Dependencies")).items()})
    legible = sum(map(len, before.values())) <= _MOST_DEPENDENCIES
    planned = (
        PlannedTask(
            name,
            _count(_mapping(task).get("InstanceCount"), 1),
            _count(_mapping(task).get("MaxRetryCount"), 0),
            before[name] if legible else (),
        )
        for name, task in tasks.items()
    )
    return Plan(tuple(planned), job.get("AutoRelease") is True)


def read_id(body: bytes) -> str:
    """The id of a job that was submitted."""
    answer = _object(body)
    made = answer.get("Id") or answer.get("Name")
    if not isinstance(made, str):
        raise malformed("the answer holds no Id of the job: look whether it was taken before submitting it again")
    return made


def read_error(body: bytes) -> tuple[str, str]:
    """Code and message of a refusal; empty where the body is none of the service's."""
    try:
        error = _object(body)
    except SourceError:
        return "", ""
    code, message = error.get("Code"), error.get("Message")
    return code if isinstance(code, str) else "", message if isinstance(message, str) else ""


def _read_one_by_one(body: bytes, pick: Callable[[msgspec.Raw], tuple[R, bool]]) -> Listing[R]:
    try:
        pieces = _PIECES.decode(_text(body))
    except _UNREADABLE as error:
        raise malformed(f"the body is not a listing: {clip(str(error), 200)}") from None
    _require_a_page(pieces.items)
    rows: list[R] = []
    skipped = 0
    for piece in pieces.items:
        try:
            row, maimed = pick(piece)
        except SourceError:
            skipped += 1
            continue
        rows.append(row)
        skipped += maimed
    return Listing(_marker(pieces.next_marker), rows, skipped)


def _require_a_page(items: Sized) -> None:
    if len(items) > _MOST_ROWS:
        raise malformed(f"the page holds more than {_MOST_ROWS} entries, where a hundred were asked for")


def _convert(value: Any, row: type[R]) -> R:  # Any: JSON
    """The row without those of its fields that are not what they should be."""
    try:
        return msgspec.convert(value, row, strict=False)
    except msgspec.ValidationError:
        if not isinstance(value, dict):
            raise
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(row):
        if field.encode_name in value:
            try:
                fields[field.name] = msgspec.convert(value[field.encode_name], field.type, strict=False)
            except msgspec.ValidationError:
                continue  # what cannot be read was not said
    try:
        return row(**fields)
    except TypeError as error:
        raise msgspec.ValidationError(str(error)) from None


def _text(body: bytes) -> str:
    return replace_halves(body.decode(errors="replace"))


def _object(body: bytes) -> dict[str, Any]:  # Any: JSON
    try:
        value = msgspec.json.decode(_text(body))
    except _UNREADABLE as error:
        raise malformed(f"the body is not JSON: {clip(str(error), 200)}") from None
    if not isinstance(value, dict):
        raise malformed("the body is not a JSON object")
    return value


def _mapping(value: Any) -> dict[str, Any]:  # Any: JSON
    return value if isinstance(value, dict) else {}


def _names(value: Any) -> list[str]:  # Any: JSON
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _count(value: Any, default: int) -> int:  # Any: JSON
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2**53 else default


def _marker(value: Marker) -> str:
    return str(value) if value else ""
