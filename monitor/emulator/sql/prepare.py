"""What sqlite has to do for one statement."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.emulator.sql.dialect import Piece, Translation, quoted, translate
from monitor.emulator.sql.errors import SqlError, parse_error
from monitor.emulator.sql.lexer import Token
from monitor.emulator.sql.script import Statement, Verb
from monitor.emulator.sql.tables import NewTable, read_create_table

WRITES = (Verb.INSERT, Verb.CHANGE, Verb.CREATE, Verb.DROP, Verb.TRUNCATE)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement and its steps, which belong in one transaction. `table` is the one it writes or describes."""

    statement: Statement
    steps: tuple[Translation, ...] = ()
    table: Token | None = None
    new: NewTable | None = None

    @property
    def verb(self) -> Verb:
        """What the statement does."""
        return self.statement.verb

    @property
    def writes(self) -> bool:
        """Whether it changes the project."""
        return self.verb in WRITES


def prepare(statement: Statement, project: str) -> Prepared:
    """Translates a statement. Raises SqlError for what can be seen from its text alone."""
    match statement.verb:
        case Verb.SHOW_TABLES:
            return Prepared(statement)
        case Verb.DESCRIBE:
            return _describe(statement, project)
        case Verb.INSERT:
            return _insert(statement, project)
        case Verb.TRUNCATE:
            return _truncate(statement, project)
        case Verb.CREATE if _is_table(statement):
            return _create_table(statement, project)
        case Verb.CREATE | Verb.DROP if not (_is_table(statement) or _is_view(statement)):
            raise _unexpected(statement, statement.tokens, 1)
        case _:
            return Prepared(statement, (translate(statement.tokens, project),))


def _unexpected(statement: Statement, tokens: Sequence[Token], at: int) -> SqlError:
    """The statement goes wrong at that token, or ends before it."""
    return parse_error(tokens[at].raw, tokens[at].place) if at < len(tokens) else parse_error(*statement.end)


def _is_table(statement: Statement) -> bool:
    return len(statement.tokens) > 1 and statement.tokens[1].says("table")


def _is_view(statement: Statement) -> bool:
    return len(statement.tokens) > 1 and statement.tokens[1].says("view")


def _describe(statement: Statement, project: str) -> Prepared:
    names = [
        piece.token for piece in translate(statement.tokens[1:], project).pieces if not piece.token.says("extended")
    ]
    if not names or not names[0].is_name:
        raise _unexpected(statement, names, 0)
    if len(names) > 1:
        raise _unexpected(statement, names, 1)
    return Prepared(statement, table=names[0])


def _insert(statement: Statement, project: str) -> Prepared:
    """`insert into|overwrite [table] name ...`"""
    pieces = list(translate(statement.tokens, project).pieces)
    if len(pieces) < 3 or not pieces[1].token.says("into", "overwrite"):
        raise _unexpected(statement, statement.tokens, 1)
    overwrite = pieces[1].token.says("overwrite")
    if pieces[2].token.says("table"):
        del pieces[2]
    if len(pieces) < 3:
        raise parse_error(*statement.end)
    pieces[1] = Piece("INTO", pieces[1].token)
    table = pieces[2]
    insert = Translation(tuple(pieces))
    if not overwrite:
        return Prepared(statement, (insert,), table.token)
    empty = Translation((Piece("DELETE", pieces[0].token), Piece("FROM", pieces[1].token), table))
    return Prepared(statement, (empty, insert), table.token)


def _truncate(statement: Statement, project: str) -> Prepared:
    pieces = translate(statement.tokens, project).pieces
    if len(pieces) != 3 or not pieces[1].token.says("table"):
        raise _unexpected(statement, statement.tokens, 1)
    verb, word, table = pieces
    step = Translation((Piece("DELETE", verb.token), Piece("FROM", word.token), table))
    return Prepared(statement, (step,), table.token)


def _create_table(statement: Statement, project: str) -> Prepared:
    new = read_create_table(statement)
    create, word = statement.tokens[:2]
    pieces = [Piece("CREATE", create), Piece("TABLE", word)]
    if new.if_not_exists:
        pieces.append(Piece("IF NOT EXISTS", word))
    pieces.append(Piece(quoted(new.name), new.name))
    if new.query:
        pieces += [Piece("AS", word), *translate(new.query, project).pieces]
    else:
        pieces.append(Piece(new.definition, new.name))
    return Prepared(statement, (Translation(tuple(pieces)),), new.name, new)
