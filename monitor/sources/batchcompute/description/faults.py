"""What pydantic found, in the words of the person who wrote the description."""

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from monitor.sources.base import Remark
from monitor.sources.batchcompute.description.places import Place, place

# Values under these keys may be secrets, and are not repeated
_SECRET = frozenset({"EnvVars", "OSS", "UserData", "Inputs"})
_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text in double quotes",
    "bool_type": "true or false",
    "dict_type": "an object {...}",
    "model_type": "an object {...}",
    "tuple_type": "a list [...]",
}
_BOUNDS = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}


def remarks(error: ValidationError, job: type[BaseModel]) -> Iterator[Remark]:
    """One remark for each fault of a `job`."""
    return (_remark(fault, job) for fault in error.errors(include_url=False))


def _remark(fault: Mapping[str, Any], job: type[BaseModel]) -> Remark:  # Any: pydantic's own
    path: Place = fault["loc"]
    kind, limits, value = fault["type"], fault.get("ctx", {}), fault["input"]
    if path and path[-1] == "[key]":  # pydantic's mark of a fault in the key itself
        path = path[:-1]
    secret = not _SECRET.isdisjoint(path)
    if kind == "missing":
        what = "is missing"
    elif kind == "extra_forbidden":
        what = _unknown(path, job)
    elif kind in _KINDS:
        what = f"must be {_KINDS[kind]}, not {_shown(value, secret=secret)}"
    elif kind in _BOUNDS:
        words, limit = _BOUNDS[kind]
        what = f"must be {words} {limits[limit]:g}, not {_shown(value, secret=secret)}"
    elif kind == "literal_error":
        what = f"must be {_choice(path, job)}, not {_shown(value, secret=secret)}"
    elif kind == "string_too_long":
        what = f"is {len(value)} letters long: at most {limits['max_length']} are allowed"
    elif kind == "too_long":
        what = f"holds {len(value)} entries: at most {limits['max_length']} are allowed"
    elif kind in {"string_too_short", "too_short"}:
        what = "must not be empty"
    else:
        what = str(fault["msg"]).removeprefix("Value error, ")
    return Remark(place(path), what)


def _shown(value: object, *, secret: bool) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case str() if secret:
            return "a text"
        case bool() | None:
            return json.dumps(value)
        case int() | float() if secret:
            return "a number"
        case str() | float():
            text = json.dumps(value)
            return text if len(text) <= 40 else f"{text[:36]}..."
        case int():
            return str(value) if abs(value) < 10**30 else "so large a number"
        case _:
            return f"a {type(value).__name__}"


# --- what would have been right ---


def _unknown(path: Place, job: type[BaseModel]) -> str:
    name = str(path[-1])
    if name == "Id" and len(path) == 1:
        return "a job gets its id from the service: take this out"
    known = _keys(job, path[:-1])
    near = _nearest(name, known)
    if near is not None:
        return f"is no key that the service knows: is {near} meant?"
    if elsewhere := _homes(job).get(name):
        return f"is not known here: it belongs to {elsewhere}"
    return f"is no key that the service knows: here it knows {', '.join(sorted(known))}"


def _nearest(name: str, known: Mapping[str, Any]) -> str | None:
    plain = {key.lower(): key for key in known}
    found = difflib.get_close_matches(name.lower(), plain, n=1, cutoff=0.7)
    return plain[found[0]] if found else None


def _choice(path: Place, job: type[BaseModel]) -> str:
    *_, last = _steps(job, path)
    words = [word for word in _words(last) if word]
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _words(kind: Any) -> Iterator[str]:  # Any: a type
    for inner in get_args(kind):
        if isinstance(inner, str):
            yield inner
        else:
            yield from _words(inner)


def _keys(job: type[BaseModel], path: Place) -> dict[str, Any]:  # Any: the type of each
    """The keys of the object at a place."""
    *_, last = _steps(job, path)
    return _fields(last)


def _steps(job: type[BaseModel], path: Place) -> Iterator[Any]:  # Any: types
    """The type at each step of the way."""
    kind: Any = job
    yield kind
    for part in path:
        kind = _bare(kind)
        if fields := _fields(kind):
            kind = fields.get(str(part))
        else:  # of a dict the values, of a tuple the items
            inner = get_args(kind)
            kind = inner[0 if isinstance(part, int) else -1] if inner else None
        yield kind


def _fields(kind: Any) -> dict[str, Any]:  # Any: types
    kind = _bare(kind)
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return {}
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def _bare(kind: Any) -> Any:  # Any: types
    """A type without its limits and without None."""
    while True:
        inner = [one for one in get_args(kind) if one is not NoneType]
        if hasattr(kind, "__metadata__") or (inner and NoneType in get_args(kind)):
            kind = inner[0]
        else:
            return kind


@cache
def _homes(job: type[BaseModel]) -> dict[str, str]:
    """For each key of a description, the object it stands in, where it is only one."""
    homes: dict[str, set[str]] = {}

    def visit(kind: Any, path: str) -> None:  # Any: types
        kind = _bare(kind)
        for name, inner in _fields(kind).items():
            homes.setdefault(name, set()).add(path)
            visit(inner, f"{path}.{name}" if path else name)
        if not _fields(kind) and getattr(kind, "__origin__", None) is dict:
            visit(get_args(kind)[1], f"{path}.*")

    visit(job, "")
    return {name: next(iter(paths)) or "the job itself" for name, paths in homes.items() if len(paths) == 1}
