"""The config file: YAML in, one checked model out, or every fault at once with file, line, key and reason.

Each driver's section lives beside its driver; this file only puts them together.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar

import yaml
from msgspec import Struct
from pydantic import Field, ValidationError, field_validator, model_validator

from monitor.core.alerting import Rule, Rules, Trigger
from monitor.core.tracker import Policy
from monitor.core.verdicts import Limits
from monitor.engine.patience import Patience
from monitor.logs import LogSection
from monitor.notify.alertmanager import AlertmanagerSection
from monitor.notify.webhook import WebhookSection
from monitor.section import Secret, Section, Span
from monitor.sources.maxcompute import MaxComputeSection
from monitor.storage.section import MemorySection, SqliteSection

StorageSection = Annotated[SqliteSection | MemorySection, Field(discriminator="type")]
SourceSection = MaxComputeSection
ChannelSection = Annotated[WebhookSection | AlertmanagerSection, Field(discriminator="type")]


class RuleSection(Section):
    """One rule. Without `channels` it goes to all of them; without `sources` or `projects` it covers all. The channels
    of `fallback` get what one of `channels` does not take."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="an alertname: letters, digits, underscores")
    when: Trigger
    severity: Literal["critical", "warning", "info"] = "warning"
    channels: list[str] | None = None
    fallback: list[str] = []
    sources: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()


DEFAULT_RULES = (
    RuleSection(name="InstanceFailed", when=Trigger.FAILED, severity="critical"),
    RuleSection(name="SourceDown", when=Trigger.SOURCE_DOWN, severity="critical"),
)


class DeliverySection(Section):
    """How patient the courier is with a receiver that does not take an alert."""

    timeout: Span = timedelta(seconds=15)
    first_retry: Span = timedelta(seconds=2)
    longest_retry: Span = timedelta(minutes=5)
    give_up_after: Span = timedelta(hours=24)
    fallback_after: Span = timedelta(minutes=5)

    def patience(self) -> Patience:
        """As the courier wants it."""
        return Patience(
            timeout=self.timeout,
            first=self.first_retry,
            longest=self.longest_retry,
            give_up_after=self.give_up_after,
            fallback_after=self.fallback_after,
        )


class AlertsSection(Section):
    """Where alerts go, and what makes one."""

    channels: list[ChannelSection] = []
    rules: list[RuleSection] = list(DEFAULT_RULES)
    delivery: DeliverySection = DeliverySection()

    @field_validator("channels")
    @classmethod
    def _channels_are_distinct(cls, channels: list[ChannelSection]) -> list[ChannelSection]:
        return _distinct(channels, "channel")

    @field_validator("rules")
    @classmethod
    def _rules_are_distinct(cls, rules: list[RuleSection]) -> list[RuleSection]:
        return _distinct(rules, "rule")

    @model_validator(mode="after")
    def _rules_name_channels_that_exist(self) -> Self:
        known = {channel.name for channel in self.channels}
        for rule in self.rules:
            unknown = sorted({*(rule.channels or ()), *rule.fallback} - known)
            if unknown:
                there = ", ".join(sorted(known)) or "none"
                raise ValueError(
                    f"rule {rule.name} names channel {unknown[0]!r}, which is not defined; defined: {there}"
                )
            both = sorted(set(rule.fallback) & (known if rule.channels is None else set(rule.channels)))
            if both:
                raise ValueError(
                    f"rule {rule.name} falls back to {both[0]!r}, which it tells anyway: write `channels` without it"
                )
        return self

    @model_validator(mode="after")
    def _fallback_comes_in_time(self) -> Self:
        late = self.delivery.fallback_after >= self.delivery.give_up_after
        if late and any(rule.fallback for rule in self.rules):
            raise ValueError("delivery.fallback_after must be shorter than delivery.give_up_after: then it is too late")
        return self


class TrackingSection(Section):
    """When an instance is judged. `null` switches a verdict off."""

    lost_after: int = Field(default=3, ge=1, le=100)
    stalled_after: Span | None = timedelta(minutes=30)
    straggling_after: Span | None = timedelta(minutes=10)
    queued_too_long_after: Span | None = timedelta(minutes=30)
    late_after: Span | None = None

    def policy(self) -> Policy:
        """As the tracker wants it."""
        limits = Limits(
            stalled=self.stalled_after,
            straggling=self.straggling_after,
            queued=self.queued_too_long_after,
            late=self.late_after,
        )
        return Policy(lost_after=self.lost_after, limits=limits)


class Config(Section):
    """Everything that an operator decides."""

    listen: str = "127.0.0.1:9690"
    external_url: str | None = None
    log: LogSection = LogSection()
    storage: StorageSection = SqliteSection(path=Path("stagewatch.db"))
    sources: list[SourceSection] = Field(min_length=1)
    alerts: AlertsSection = AlertsSection()
    tracking: TrackingSection = TrackingSection()

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        read_address(value)
        return value

    @field_validator("external_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"https?://[^/\s]+", value):
            raise ValueError("write the address under which people reach this daemon, like https://stagewatch.example")
        return value.rstrip("/") if value else None

    @field_validator("sources")
    @classmethod
    def _sources_are_distinct(cls, sources: list[SourceSection]) -> list[SourceSection]:
        return _distinct(sources, "source")

    @model_validator(mode="after")
    def _rules_cover_what_exists(self) -> Self:
        sources = {source.name for source in self.sources}
        projects = {project for source in self.sources for project in source.projects}
        for rule in self.alerts.rules:
            for word, named, there in (("source", rule.sources, sources), ("project", rule.projects, projects)):
                if unknown := sorted(named - there):
                    raise ValueError(
                        f"rule {rule.name} can never fire: {word} {unknown[0]!r} is not configured; "
                        f"configured: {', '.join(sorted(there))}"
                    )
        return self

    def rules(self, external_url: str) -> Rules:
        """As `decide` wants them."""
        every = tuple(channel.name for channel in self.alerts.channels)
        return Rules(
            rules=tuple(
                Rule(
                    name=rule.name,
                    when=rule.when,
                    severity=rule.severity,
                    channels=every if rule.channels is None else tuple(rule.channels),
                    sources=rule.sources,
                    projects=rule.projects,
                    fallback=tuple(rule.fallback),
                )
                for rule in self.alerts.rules
            ),
            external_url=external_url,
        )

    def secrets(self) -> Iterator[str]:
        """Every secret in it, for the log's mask."""
        yield from _secrets(self)


def _secrets(section: Any) -> Iterator[str]:  # Any: whatever a section holds
    match section:
        case Secret():
            yield section.reveal()
        case Section():
            for name in type(section).model_fields:
                yield from _secrets(getattr(section, name))
        case list() | tuple():
            for part in section:
                yield from _secrets(part)
        case dict():
            for part in section.values():
                yield from _secrets(part)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def _distinct(parts: list[N], word: str) -> list[N]:
    names = [part.name for part in parts]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two {word}s are named {name!r}: names are how people tell them apart")
    return parts


def read_address(text: str) -> tuple[str, int]:
    """Read `HOST:PORT` (also `[::1]:PORT`); raise ValueError that shows the form."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not an address: write HOST:PORT, like 127.0.0.1:9690")
    return host, int(port)


# --- reading --------------------------------------------------------------------------------------------------------


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
    if reader.faults:
        raise ConfigError(reader.faults)
    try:
        config = Config.model_validate(data, context={"env": env})
    except ValidationError as error:
        raise ConfigError([reader.fault(fault) for fault in error.errors(include_url=False)]) from None
    if isinstance(config.storage, SqliteSection) and (why := _unusable(config.storage.path)):
        raise ConfigError([reader.at(("storage", "path"), why)])
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
        value = yaml.constructor.SafeConstructor().construct_document(node)
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
                return ""
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
_TAGS = frozenset({"sqlite", "memory", "maxcompute", "webhook", "alertmanager"})
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
