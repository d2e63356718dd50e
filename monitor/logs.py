"""How the daemon logs: structlog on stderr, one line an event, logfmt or JSON, with secrets masked."""

import logging
import re
import sys
from collections.abc import Iterable
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

Form = Literal["logfmt", "json", "console"]
Level = Literal["debug", "info", "warning", "error"]

# What a token looks like in an address or a header, whoever put it there.
_TOKENS = re.compile(r"(?i)\b(token|authorization_token|access_?key|secret|signature|password)=[^&\s\"']+")


class Mask:
    """A processor that takes secrets out of every text: those known from the config, and what looks like a token."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({secret for secret in secrets if len(secret) >= 4}, key=len, reverse=True)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: self.text(value) if isinstance(value, str) else value for key, value in event.items()}

    def text(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "<secret>")
        return _TOKENS.sub(r"\1=<secret>", text)


def set_up(*, level: Level, form: Form, mask: Mask, to: TextIO | None = None) -> None:
    """Send everything, also what libraries log, through one list of processors."""
    to = to or sys.stderr
    before: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if form == "console":
        last: list[structlog.typing.Processor] = [mask, structlog.dev.ConsoleRenderer(colors=to.isatty())]
    else:
        renderer = (
            structlog.processors.JSONRenderer()
            if form == "json"
            else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
        )
        last = [structlog.processors.format_exc_info, _one_line, mask, renderer]
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A name with a newline in it must not look like a second event."""
    return {
        key: value.replace("\r", "\\r").replace("\n", "\\n") if isinstance(value, str) else value
        for key, value in event.items()
    }
