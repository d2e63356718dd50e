"""What every section of the config file is made of: a strict model, secrets that do not print, spans of time.

Each driver keeps its own section beside its code; `config.py` puts them together.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema


class Section(BaseModel):
    """Unknown keys are errors, nothing changes after reading, and an error never repeats the value it complains of."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Secret:
    """A value that does not print. In YAML: the text itself, `{env: NAME}` or `{file: PATH}`.

    The environment is an input: `Model.model_validate(data, context={"env": os.environ})`.
    Whoever hides secrets from people listens to each: what it is renewed to must be hidden as well.
    Two secrets are equal if they are of one file, whatever that held when each was read, or else by their values:
    whoever uses one from a file reads it again.
    """

    __slots__ = ("_file", "_renewed", "_value")

    def __init__(self, value: str, file: Path | None = None, renewed: Callable[[str], None] | None = None) -> None:
        self._value = value
        self._file = file
        self._renewed = renewed

    def reveal(self) -> str:
        """The value, for signing and for headers only."""
        return self._value

    @property
    def may_change(self) -> bool:
        """Whether it stands in a file, where somebody may renew it."""
        return self._file is not None

    def reread(self) -> "Secret":
        """As its file holds it now; who listens hears of it first. Itself where it is from none, or where that holds no
        line of text at this moment: whoever writes a new secret may have only begun."""
        if self._file is None:
            return self
        try:
            text = _read_secret_file(self._file)
        except ValueError:
            return self
        if text == self._value or not text.isprintable():
            return self
        if self._renewed is not None:
            self._renewed(text)
        return Secret(text, self._file, self._renewed)

    def listen(self, renewed: Callable[[str], None]) -> None:
        """Call `renewed` with each new value that this one and those read after it find, in whatever thread reads."""
        self._renewed = renewed

    def __reduce__(self) -> tuple[type["Secret"], tuple[str, Path | None]]:
        return Secret, (self._value, self._file)  # whoever listens is not copied, and does not hear of the copy

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._origin == self._origin

    def __hash__(self) -> int:
        return hash(self._origin)

    @property
    def _origin(self) -> Path | str:
        return self._file or self._value

    @classmethod
    def read(cls, value: Any, env: Mapping[str, str]) -> "Secret":  # Any: whatever YAML holds
        """Follow `{env: NAME}` and `{file: PATH}`; raise ValueError that names the variable or file, not the value."""
        match value:
            case Secret():
                return value
            case str() if value:
                return cls(value)
            case {"env": str(name), **rest} if not rest:
                text = env.get(name, "")
                if not text:
                    raise ValueError(f"environment variable {name} is not set: set it, or name another one")
                return cls(text)
            case {"file": str(path), **rest} if not rest:
                file = Path(path)
                return cls(_read_secret_file(file), file)
            case _:
                raise ValueError("write the secret as text, as {env: NAME} or as {file: PATH}")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any, info: ValidationInfo) -> "Secret":
            return cls.read(value, (info.context or {}).get("env", {}))

        return core_schema.with_info_plain_validator_function(
            validate, serialization=core_schema.to_string_ser_schema()
        )


def _read_secret_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig").strip()  # some editors put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"cannot read secret file {path}: {why}") from None
    if not text:
        raise ValueError(f"secret file {path} is empty")
    return text


_SPAN = re.compile(
    r"(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m(?!s))?(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+)ms)?", re.ASCII
)
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SHORTEST, _LONGEST = 0.001, 1e9  # seconds


def read_span(value: Any) -> timedelta:  # Any: whatever YAML holds
    """Read `10s`, `1h30m`, `250ms`, `7d` or a number of seconds; raise ValueError that shows the form."""
    seconds = 0.0
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str) and (match := _SPAN.fullmatch(value)):
        seconds = sum(float(text) * _UNITS[unit] for unit, text in match.groupdict().items() if text)
    if not _SHORTEST <= seconds < _LONGEST:
        raise ValueError("write a span of time like 10s, 5m, 1h30m or 7d, at least 1ms")
    return timedelta(seconds=seconds)


Span = Annotated[timedelta, BeforeValidator(read_span)]
