"""Says in sqlite's SQL what was said in MaxCompute's, token by token, so that every piece knows where it came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from monitor.emulator.sql.errors import parse_error, table_not_found
from monitor.emulator.sql.lexer import Kind, Token

# Words after which a table is named.
BEFORE_TABLE = ("from", "join", "into", "table", "overwrite", "update", "desc", "describe")

_FUNCTIONS = {"tolower": "lower", "toupper": "upper", "nvl": "ifnull", "if": "iif", "get_json_object": "json_extract"}
_WORDS = {"rlike": "REGEXP"}
_SYMBOLS = {"<=>": "IS", "/": "* 1.0 /"}  # a quotient of whole numbers has decimals
_HIDDEN = ("sqlite_", "pragma_")  # the engine's own tables


class Piece(NamedTuple):
    """A bit of sqlite's SQL, and the token that it says."""

    text: str
    token: Token


@dataclass(frozen=True, slots=True)
class Translation:
    """A statement for sqlite. `sql` may be cut after any piece to see how far it can be parsed."""

    pieces: tuple[Piece, ...]

    @property
    def sql(self) -> str:
        """The whole text."""
        return self.upto(len(self.pieces))

    def upto(self, count: int) -> str:
        """The text of the first `count` pieces."""
        return " ".join(piece.text for piece in self.pieces[:count])


def translate(tokens: Sequence[Token], project: str) -> Translation:
    """The statement in sqlite's words.

    Raises SqlError where the text names a table outside of `project`, or asks for what the emulator does not have.
    """
    return Translation(tuple(_Translator(_without_project(tokens, project)).pieces()))


class _Translator:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._out: list[Piece] = []
        self._casts: list[bool] = []  # for each open parenthesis: whether it is that of a cast

    def pieces(self) -> list[Piece]:
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind is Kind.WORD:
                self._word(token)
            elif token.kind is Kind.SYMBOL:
                self._symbol(token)
            else:
                self._emit(token, quoted(token))
        return self._out

    def _word(self, token: Token) -> None:
        after = self._peek(1)
        called = after is not None and after.says("(")
        word = token.raw.lower()
        if called and word == "cast":
            self._emit(token, "odps_cast")
        elif called and word in _FUNCTIONS:
            self._emit(token, _FUNCTIONS[word])
        elif word == "as" and self._casts and self._casts[-1]:
            self._cast_type(token)
        elif word in ("date", "datetime", "timestamp") and after is not None and after.kind is Kind.TEXT:
            self._at += 1  # a typed literal: dates are texts here
        elif word in ("distribute", "sort", "cluster") and after is not None and after.says("by"):
            self._redistribution(token, word)
        else:
            self._emit(token, _WORDS.get(word, token.raw))

    def _symbol(self, token: Token) -> None:
        if token.raw == "(":
            before = self._tokens[self._at - 1] if self._at else None
            self._casts.append(before is not None and before.says("cast"))
        elif token.raw == ")" and self._casts:
            self._casts.pop()
        self._emit(token, _SYMBOLS.get(token.raw, token.raw))

    def _cast_type(self, token: Token) -> None:
        """`as decimal(10, 2))` becomes `, 'decimal(10,2)')`."""
        self._at += 1
        depth, words = 0, []
        while (current := self._peek(0)) is not None and not (depth == 0 and current.says(")")):
            depth += current.says("(") - current.says(")")
            words.append(current.raw.lower())
            self._at += 1
        self._out.append(Piece(f", '{''.join(words)}'", token))

    def _redistribution(self, token: Token, word: str) -> None:
        """Workers are not real here: `sort by` and `cluster by` order the whole, `distribute by` does nothing."""
        if word != "distribute":
            self._emit(token, "ORDER")
            return
        depth = 0
        while (current := self._peek(0)) is not None:
            if depth == 0 and current.says("sort", "limit", "union", ")"):
                return
            depth += current.says("(") - current.says(")")
            self._at += 1

    def _emit(self, token: Token, text: str) -> None:
        self._out.append(Piece(text, token))
        self._at += 1

    def _peek(self, ahead: int) -> Token | None:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else None


def quoted(token: Token) -> str:
    """The token as sqlite writes it. Backticks stay: unknown names in double quotes would turn into texts."""
    if token.kind is Kind.TEXT:
        if "\0" in token.value:  # sqlite's texts of SQL end at NUL
            return f"cast(x'{token.value.encode().hex()}' as text)"
        return "'" + token.value.replace("'", "''") + "'"
    return token.value if token.kind is Kind.NUMBER else token.raw


def _without_project(tokens: Sequence[Token], project: str) -> list[Token]:
    """Drops `demo.` before its tables; a table of another project is not there."""
    kept: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.is_name and token.value.lower().startswith(_HIDDEN):
            raise table_not_found(f"{project}.{token.value}", token.place)
        qualifies = (
            at + 2 < len(tokens) and token.is_name and tokens[at + 1].says(".") and not (kept and kept[-1].says("."))
        )
        if qualifies and token.value.lower() == project.lower():
            at += 2
            continue
        if qualifies and kept and kept[-1].says(*BEFORE_TABLE):
            raise table_not_found(f"{token.value}.{tokens[at + 2].value}", token.place)
        if token.says("partition") and at + 1 < len(tokens) and tokens[at + 1].says("("):
            _refuse_partitions(kept, token)
        kept.append(token)
        at += 1
    return kept


def _refuse_partitions(before: Sequence[Token], token: Token) -> None:
    """`over (partition by ...)` is fine; partitions of tables are not emulated."""
    if before and before[0].says("insert", "alter", "truncate", "drop"):
        raise parse_error(token.raw, token.place)
