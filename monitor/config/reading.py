"""The config file: YAML in, the checked model out, or every fault at once with file, line, key and reason."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct
from pydantic import ValidationError

from monitor.config.model import Config


class Fault(Struct, frozen=True):
    """One thing that is wrong: `key` is the path to it, like `sources[0].endpoint`; empty for the file itself."""

    file: str
    line: int | None
    key: str
    reason: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.reason}" if self.key else f"{where}: {self.reason}"


class ConfigError(Exception):
    """The config cannot be used; `faults` are all that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line or 0))
        super().__init__("\n".join(map(str, self.faults)))


def load(path: Path, env: Mapping[str, str]) -> Config:
    """Read and check a config file; `${NAME}` in any text is taken from `env`. Raises ConfigError with every fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError([Fault(str(path), None, "", f"cannot read the config file: {why}")]) from None
    return parse(text, file=str(path), env=env)


def parse(text: str, *, file: str, env: Mapping[str, str]) -> Config:
    """`load` for text that is already here."""
    reader = _Reader(file, env)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise ConfigError([Fault(file, None, "", "the config file is empty: it needs at least `sources`")])
        data = reader.read(root, ())
    except RecursionError:
        raise ConfigError([Fault(file, None, "", "not valid YAML: it is nested too deeply")]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it cannot be read"
        line = mark.line + 1 if mark else None
        raise ConfigError([Fault(file, line, "", f"not valid YAML: {problem}")]) from None
    faults = [*reader.faults, *_faults_of_store(data, reader)]
    known = {fault.key for fault in faults}  # what was said of a key is enough
    try:
        config = Config.model_validate(data, context={"env": env})
    except ValidationError as error:
        found = [reader.fault(fault) for fault in error.errors(include_url=False)]
        raise ConfigError([*faults, *(fault for fault in found if fault.key not in known)]) from None
    if faults:
        raise ConfigError(faults)
    return config


KeyPath = tuple[str | int, ...]
MOST_NODES = 100_000


class _Reader:
    """YAML nodes to plain values, remembering on which line each key stands."""

    def __init__(self, file: str, env: Mapping[str, str]) -> None:
        self._file = file
        self._env = env
        self._lines: dict[KeyPath, int] = {}
        self._nodes = 0
        self.faults: list[Fault] = []

    def read(self, node: yaml.Node, path: KeyPath) -> Any:  # Any: what YAML holds
        self._lines.setdefault(path, node.start_mark.line + 1)
        self._nodes += 1
        if self._nodes > MOST_NODES:  # also an alias that leads back to itself
            raise yaml.YAMLError
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, number)) for number, item in enumerate(node.value)]
        try:
            value = yaml.constructor.SafeConstructor().construct_document(node)
        except ValueError as error:  # 2016-99-99 looks like a date to YAML
            self.faults.append(self.at(path, f"cannot be read: {error}; put it in quotes if it is a text"))
            return node.value
        return self._expand(value, path) if isinstance(value, str) else value

    def _read_mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*path, key)
            if key in data:
                self.faults.append(
                    Fault(self._file, key_node.start_mark.line + 1, _dotted(here), "stands here twice: keep one")
                )
            self._lines[here] = key_node.start_mark.line + 1
            data[key] = self.read(value_node, here)
        return data

    def _expand(self, text: str, path: KeyPath) -> str:
        def value_of(match: re.Match[str]) -> str:
            name = match[1]
            value = self._env.get(name)
            if value is None:
                self.faults.append(self.at(path, f"environment variable {name} is not set: set it, or write the value"))
                return match[0]  # so that the rest of the file can be checked, too
            return value

        return _VARIABLE.sub(value_of, text)

    def fault(self, error: Mapping[str, Any]) -> Fault:  # a pydantic error
        path = tuple(part for part in error["loc"] if part not in _TAGS)
        reason = _REASONS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
        if error["type"] == "missing" and path:
            return Fault(self._file, self._line(path[:-1]), _dotted(path), f"is missing: write `{path[-1]}: ...`")
        return self.at(path, reason)

    def at(self, path: KeyPath, reason: str) -> Fault:
        return Fault(self._file, self._line(path), _dotted(path), reason)

    def _line(self, path: KeyPath) -> int | None:
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# pydantic puts the chosen type into a path
_TAGS = frozenset({"sqlite", "memory", "maxcompute", "batchcompute", "webhook", "alertmanager"})
_REASONS = {
    "extra_forbidden": "no such key: see config/stagewatch.example.yaml for all of them",
    "tuple_type": "write a list, like [one, another]",
    "list_type": "write a list, like [one, another]",
    "frozen_set_type": "write a list, like [one, another]",
    "model_type": "write keys and values under it",
    "model_attributes_type": "write keys and values under it",
}


def _dotted(path: KeyPath) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _faults_of_store(data: Any, reader: _Reader) -> Iterator[Fault]:  # Any: what YAML holds
    """Asked of the plain values, so that other faults do not hide it."""
    storage = data.get("storage") if isinstance(data, dict) else None
    if isinstance(storage, dict) and storage.get("type", "sqlite") == "sqlite":
        path = storage.get("path")
    else:
        path = None if storage is not None else Config.model_fields["storage"].default.path
    if isinstance(path, str | Path) and (why := _unusable(Path(path))):
        yield reader.at(("storage", "path"), why)


def _unusable(path: Path) -> str | None:
    """Why a database cannot be kept at `path`; None if it can."""
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"the folder {folder} does not exist: create it, or name another one"
    if path.exists():
        if not path.is_file():
            return f"{path} is not a file"
        return None if os.access(path, os.R_OK | os.W_OK) else f"no right to read and write {path}"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"no right to create a file in {folder}"
