"""What an operator may decide: the root model, made of each driver's section.

A section lives beside its driver; this file puts them together and checks what no section can see alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from monitor.core.alerting import Rule, Rules, Trigger
from monitor.core.schedule import Pace
from monitor.core.tracker import Policy
from monitor.core.verdicts import Limits
from monitor.engine.patience import Patience
from monitor.logs import LogSection
from monitor.notify.alertmanager import AlertmanagerSection
from monitor.notify.webhook import WebhookSection
from monitor.section import Secret, Section, Span
from monitor.sources.batchcompute import BatchComputeSection
from monitor.sources.ingest import IngestSection
from monitor.sources.maxcompute import MaxComputeSection
from monitor.storage.section import MemorySection, SqliteSection

StorageSection = Annotated[SqliteSection | MemorySection, Field(discriminator="type")]
PolledSection = MaxComputeSection | BatchComputeSection  # of services that can be asked
SourceSection = Annotated[PolledSection | IngestSection, Field(discriminator="type")]
ChannelSection = Annotated[WebhookSection | AlertmanagerSection, Field(discriminator="type")]


def _refuse(faults: Iterable[str]) -> None:
    """All of them at once, if there are any."""
    if text := "; ".join(faults):
        raise ValueError(text)


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
        there = ", ".join(sorted(known)) or "none"
        faults: list[str] = []
        for rule in self.rules:
            faults += (
                f"rule {rule.name} names channel {name!r}, which is not defined; defined: {there}"
                for name in sorted({*(rule.channels or ()), *rule.fallback} - known)
            )
            faults += (
                f"rule {rule.name} falls back to {name!r}, which it tells anyway: write `channels` without it"
                for name in sorted(set(rule.fallback) & (known if rule.channels is None else set(rule.channels)))
            )
        _refuse(faults)
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
    lost_within: Span = timedelta(seconds=30)
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
        return Policy(lost_after=self.lost_after, lost_within=self.lost_within, limits=limits)


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
        _refuse(
            f"rule {rule.name} can never fire: {word} {name!r} is not configured; "
            f"configured: {', '.join(sorted(there))}"
            for rule in self.alerts.rules
            for word, named, there in (("source", rule.sources, sources), ("project", rule.projects, projects))
            for name in sorted(named - there)
        )
        return self

    @model_validator(mode="after")
    def _what_is_forgotten_is_not_found_again(self) -> Self:
        kept = self.storage.retention
        listed = {source.name: Pace().overlap + source.reconcile_every + source.sweep_every for source in self.polled}
        source, longest = max(listed.items(), key=lambda one: one[1], default=("", timedelta()))
        _refuse(
            f"storage.retention.{key} must be at least {longest.total_seconds():g}s: for so long source {source!r} "
            f"lists again what has ended, and would find, and alert, what was forgotten"
            for key, span in (("successes", kept.successes), ("failures", kept.failures))
            if span < longest
        )
        return self

    @property
    def polled(self) -> list[PolledSection]:
        """The sources that are asked."""
        return [source for source in self.sources if not isinstance(source, IngestSection)]

    @property
    def heard(self) -> list[IngestSection]:
        """The sources that are only heard of."""
        return [source for source in self.sources if isinstance(source, IngestSection)]

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

    def notes(self) -> Iterator[str]:
        """What is allowed, and hardly meant."""
        if self.alerts.rules and not self.alerts.channels:
            yield "no channel is defined, so no alert will reach anybody"
        host, _ = read_address(self.listen)
        if host in {"0.0.0.0", "::"} and self.external_url is None:  # noqa: S104 - compared with, not bound to
            yield f"links in alerts will lead to {host}: set `external_url` to the address that people open"

    def secrets(self) -> Iterator[Secret]:
        """Every secret in it, for the log's mask. An access id is none: it names an account and proves nothing, and
        masked it would take every project of the same name out of the log."""
        yield from _secrets(self)


def _secrets(section: Any) -> Iterator[Secret]:  # Any: whatever a section holds
    match section:
        case Secret():
            yield section
        case Section():
            for name in type(section).model_fields.keys() - {"access_id", "app_access_id"}:
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
    names = Counter(part.name for part in parts)
    _refuse(
        f"two {word}s are named {name!r}: names are how people tell them apart"
        for name, times in names.items()
        if times > 1
    )
    return parts


def read_address(text: str) -> tuple[str, int]:
    """Read `HOST:PORT` (also `[::1]:PORT`); raise ValueError that shows the form."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not an address: write HOST:PORT, like 127.0.0.1:9690")
    return host, int(port)
