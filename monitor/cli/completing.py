"""Completes keys in a shell, from the daemon: soon, or not at all, and never with a word of its own.

Over the standard library's HTTP: the async client takes a third of a second to import, and a person waits at every TAB.
"""

import http.client
import json
import os
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlencode, urlsplit

import typer

DEFAULT_URL = "http://127.0.0.1:9690"
PATIENCE = 0.5  # seconds
MOST = 100  # nobody reads more
LIVE = "waiting,running,suspended"


def complete_key(context: typer.Context, incomplete: str) -> list[str]:
    """Keys, or bare ids, that begin so."""
    return _complete(context, incomplete, {})


def complete_live_key(context: typer.Context, incomplete: str) -> list[str]:
    """The same, of what has not ended."""
    return _complete(context, incomplete, {"phase": LIVE})


def complete_phases(incomplete: str) -> list[str]:
    """Phases, with commas between."""
    from monitor.core.model import Phase  # noqa: PLC0415 - every command imports this file, and few need the model

    given, comma, part = incomplete.rpartition(",")
    return [f"{given}{comma}{phase}" for phase in Phase if phase.startswith(part) and phase not in given.split(",")]


def _complete(context: typer.Context, incomplete: str, filters: dict[str, str]) -> list[str]:
    url = str(context.params.get("url") or os.environ.get("STAGEWATCH_URL") or DEFAULT_URL)
    try:
        found = [name for query in _queries(incomplete) for name in _names(url, {**filters, **query})]
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return []  # no daemon, no completion: a prompt is no place for errors
    return list(dict.fromkeys(name for name in found if name.startswith(incomplete)))


def _queries(incomplete: str) -> Iterator[dict[str, str]]:
    """What has to be asked to find keys, or ids, that begin so."""
    match incomplete.split("/", 2):
        case [source, project, part]:
            yield {"source": source, "project": project, "q": part}
        case [source, _]:
            yield {"source": source}
        case _:
            yield {}
            if incomplete:
                yield {"q": incomplete}


def _names(url: str, query: dict[str, str]) -> Iterator[str]:
    """The keys and the ids of what the daemon lists first."""
    address = urlsplit(url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    with closing(kind(address.hostname or "", address.port, timeout=PATIENCE)) as connection:
        path = address.path.rstrip("/")
        connection.request("GET", f"{path}/api/v1/instances?{urlencode({**query, 'limit': MOST})}")
        page = json.load(connection.getresponse())
    for one in page["instances"]:
        yield from (one["key"], one["id"])
