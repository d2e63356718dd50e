"""Takes a submitted text apart: `set key=value;` lines, then statements, each of one kind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from monitor.emulator.sql.errors import Place, parse_error
from monitor.emulator.sql.lexer import Token, end_of, tokenize


class Verb(Enum):
    """What a statement does."""

    QUERY = auto()
    INSERT = auto()
    CHANGE = auto()  # delete, update
    CREATE = auto()
    DROP = auto()
    TRUNCATE = auto()
    DESCRIBE = auto()
    SHOW_TABLES = auto()


@dataclass(frozen=True, slots=True)
class Statement:
    """`stop` is the token after the last one, if any, for failures at the end."""

    verb: Verb
    tokens: tuple[Token, ...]
    stop: Token | None

    @property
    def end(self) -> tuple[str, Place]:
        """What stands where the statement ends: text and place."""
        return (self.stop.raw, self.stop.place) if self.stop else ("<EOF>", end_of(self.tokens))


@dataclass(frozen=True, slots=True)
class Script:
    """A whole submission. Raises nothing: it has been read."""

    settings: Mapping[str, str]
    statements: tuple[Statement, ...]


_VERBS = {
    "select": Verb.QUERY,
    "with": Verb.QUERY,
    "values": Verb.QUERY,
    "insert": Verb.INSERT,
    "delete": Verb.CHANGE,
    "update": Verb.CHANGE,
    "create": Verb.CREATE,
    "drop": Verb.DROP,
    "truncate": Verb.TRUNCATE,
    "desc": Verb.DESCRIBE,
    "describe": Verb.DESCRIBE,
}


def read_script(text: str) -> Script:
    """Reads a submission. Raises SqlError for a statement of no known kind, or if there is none."""
    settings: dict[str, str] = {}
    statements = []
    for tokens, stop in _split(tokenize(text)):
        if tokens[0].says("set") and any(token.says("=") for token in tokens):
            key, _, value = text[tokens[0].end : tokens[-1].end].partition("=")
            settings[key.strip()] = value.strip()
        else:
            statements.append(Statement(_verb(tokens), tokens, stop))
    if not statements:
        raise parse_error("<EOF>", end_of(tokenize(text)))
    return Script(settings, tuple(statements))


def _split(tokens: Sequence[Token]) -> Iterator[tuple[tuple[Token, ...], Token | None]]:
    part: list[Token] = []
    for token in tokens:
        if not token.says(";"):
            part.append(token)
        elif part:
            yield tuple(part), token
            part = []
    if part:
        yield tuple(part), None


def _verb(tokens: Sequence[Token]) -> Verb:
    first = tokens[0]
    if first.says("show") and len(tokens) > 1 and tokens[1].says("tables"):
        return Verb.SHOW_TABLES
    verb = _VERBS.get(first.raw.lower()) if first.says(*_VERBS) else None
    if first.says("("):
        verb = Verb.QUERY
    if verb is None:
        raise parse_error(first.raw, first.place)
    return verb
