"""Reads off a statement which stages a cluster would run: maps read tables, joins join, reduces group and order."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random

from monitor.emulator.plan import Part
from monitor.emulator.sql.lexer import Token
from monitor.emulator.sql.script import Script, Statement, Verb

MAX_WORKERS = 2_000
_AGGREGATES = ("count", "sum", "avg", "min", "max", "stddev", "median", "wm_concat", "collect_list", "collect_set")
_SIZES = (1, 1, 1, 2, 3, 5, 8, 12)  # workers of a map, as small tables have them


def parts_of(script: Script, settings: Mapping[str, str], chance: Random) -> tuple[Part, ...]:
    """The stages of the script's last statement, in the order of their ids; none for what needs no cluster.

    `emulator.workers`, `odps.sql.joiner.instances` and `odps.sql.reducer.instances` in the settings fix the number of
    workers of maps, joins and reduces.
    """
    statement = script.statements[-1]
    if statement.verb not in (Verb.QUERY, Verb.INSERT, Verb.CHANGE, Verb.CREATE):
        return ()
    tables = _tables_read(statement)
    if statement.verb is Verb.CREATE and not tables:
        return ()
    tokens = statement.tokens
    maps = [_workers(settings, "emulator.workers", chance.choice(_SIZES)) for _ in range(max(1, min(tables, 20)))]
    parts = [Part("M", number, (), workers, 1.0 + chance.random()) for number, workers in enumerate(maps, 1)]
    last = [part.id for part in parts]
    if len(parts) > 1 and any(token.says("join") for token in tokens):
        joined, *others = last
        for other in others:
            workers = _workers(settings, "odps.sql.joiner.instances", max(maps))
            part = Part("J", len(parts) + 1, tuple(sorted((joined, other))), workers, 1.2)
            parts.append(part)
            joined = part.id
        last = [joined]
    for _ in range(min(8, _shuffles(tokens))):
        workers = _workers(settings, "odps.sql.reducer.instances", max(1, max(maps) // 2))
        part = Part("R", len(parts) + 1, tuple(last), workers, 0.8)
        parts.append(part)
        last = [part.id]
    return tuple(parts)


def _tables_read(statement: Statement) -> int:
    """How often tables are named after `from` and `join`, other than those that the statement itself defines."""
    tokens = statement.tokens
    defined = _defined(tokens)
    return sum(
        before.says("from", "join") and token.is_name and token.value.lower() not in defined
        for before, token in pairwise(tokens)
    )


def _defined(tokens: Sequence[Token]) -> set[str]:
    """The names of `with name as (..), other(column, ..) as (..)`, in lower case."""
    names = set()
    for at in range(1, len(tokens) - 1):
        if tokens[at].says("as") and tokens[at + 1].says("("):
            back = at - 1
            if tokens[back].says(")"):
                while back > 0 and not tokens[back].says("("):
                    back -= 1
                back -= 1
            names.add(tokens[max(0, back)].value.lower())
    return names


def _shuffles(tokens: Sequence[Token]) -> int:
    """How often rows move between workers: for `group by`, `order by`, `distinct`, plain `union`, a lone aggregate."""
    count = 0
    grouped = aggregated = False
    for at, token in enumerate(tokens):
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if after is not None and after.says("by") and token.says("group", "order", "sort", "cluster", "distribute"):
            count += 1
            grouped = grouped or token.says("group")
        elif token.says("distinct") or (token.says("union") and not (after and after.says("all"))):
            count += 1
        elif token.says(*_AGGREGATES) and after is not None and after.says("("):
            aggregated = True
    return count + (aggregated and not grouped)


def _workers(settings: Mapping[str, str], key: str, otherwise: int) -> int:
    text = settings.get(key, "")
    return max(1, min(MAX_WORKERS, int(text))) if text.isascii() and text.isdigit() else otherwise
