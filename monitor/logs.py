"""How the daemon logs: structlog on stderr, one line an event, logfmt or JSON, with secrets masked."""

import logging
import re
import sys
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TextIO
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, WrappedLogger

from monitor.core.text import clip
from monitor.section import Secret, Section

Form = Literal["logfmt", "json", "console"]
Level = Literal["debug", "info", "warning", "error"]


class LogSection(Section):
    """The `log` section of the config file."""

    level: Level = "info"
    format: Form = "logfmt"


RENEWED_KEPT = 256  # values of secrets that were renewed, the newest: those before them have expired
LONGEST_TEXT = 2000  # characters of a value; tracebacks are kept whole

# What a token looks like in an address, in a header or in JSON, whoever put it there.
_NAMED = re.compile(
    r"""(?ix) ( (?: token | secret | signature | password | access_?key ) ["']? \s*
    (?: = | (?<=["']) \s* : ) \s* ["']? ) [^&\s"',;}]+"""
)
_HEADER = re.compile(r"""(?ix) ( authorization ["']? \s* [:=] \s* ["']? ) (?: [a-z0-9_-]+ \s+ )? [^\s"',;}]+""")

# Controls, and marks that change the direction of what follows: a name must not look like a second event, nor move
# a reader's cursor.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_WHOLE = frozenset({"exception", "stack"})  # texts of many lines that we write ourselves


class Mask:
    """A processor that takes secrets out of everything that is logged: those that it learned, what they were renewed to
    since, and what looks like a token."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._learned: set[str] = set()
        self._renewed: deque[str] = deque(maxlen=RENEWED_KEPT)
        self._learning = threading.Lock()  # files are read in threads
        self._secrets: list[str] = []
        self.learn(secrets)

    def learn(self, secrets: Iterable[Secret]) -> None:
        """Hide these from now on, as they are and as they will be renewed."""
        with self._learning:
            for secret in secrets:
                self._learned.add(secret.reveal())
                secret.listen(self._renew)
            self._prepare()

    def _renew(self, value: str) -> None:
        with self._learning:
            if value not in self._renewed:
                self._renewed.append(value)
                self._prepare()

    def _prepare(self) -> None:
        known = {secret for secret in (*self._learned, *self._renewed) if len(secret) >= 4}
        known |= {written for secret in known for written in (quote(secret, safe=""), repr(secret)[1:-1])}
        self._secrets = sorted(known, key=len, reverse=True)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: self._value(value) for key, value in event.items()}

    def text(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "<secret>")
        return _HEADER.sub(r"\1<secret>", _NAMED.sub(r"\1<secret>", text))

    def _value(self, value: Any) -> Any:  # Any: whatever somebody wants logged
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(str(key)): self._value(inner) for key, inner in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._value(inner) for inner in value]
            case BaseException():
                return self.text(repr(value))
            case _:
                return self.text(str(value))


def set_up(*, level: Level, form: Form, mask: Mask, to: TextIO | None = None) -> None:
    """Send everything, also what libraries log, through one list of processors."""
    to = to or sys.stderr
    before: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(to)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask,
                _one_line if form != "console" else _one_line_each,
                _renderer(form, to),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _renderer(form: Form, to: TextIO) -> structlog.typing.Processor:
    match form:
        case "json":
            return structlog.processors.JSONRenderer()
        case "logfmt":
            return structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
        case "console":
            # the mask wants tracebacks as text, so they are formatted already
            plain = structlog.dev.plain_traceback
            return structlog.dev.ConsoleRenderer(colors=to.isatty(), exception_formatter=plain)


def _one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Every event on one line, and no text that is longer than anybody reads."""
    return {key: _shown(value, whole=key in _WHOLE) for key, value in event.items()}


def _one_line_each(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The same for a person at a terminal: a traceback keeps its lines."""
    return {key: value if key in _WHOLE else _shown(value, whole=False) for key, value in event.items()}


def _shown(value: Any, *, whole: bool) -> Any:  # Any: whatever the mask left
    if not isinstance(value, str):
        return value
    return _UNSEEN.sub(
        lambda found: _ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}"), value if whole else clip(value, LONGEST_TEXT)
    )


_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
