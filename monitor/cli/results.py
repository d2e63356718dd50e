"""`stagewatch results`: what an instance has answered, as its own text, as a table, or as JSON."""

import csv
import io
import json
import sys
from collections.abc import Mapping

from msgspec import Struct
from rich.console import Console
from rich.table import Table as Drawing
from rich.text import Text

from monitor.cli.asking import ask
from monitor.cli.forms import Form
from monitor.client import ClientError, Json, Stagewatch
from monitor.core.text import plain


class Rows(Struct, frozen=True):
    """A result that is a table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def print_results(url: str, key: str, task: str | None, form: Form | None) -> None:
    """Of each task, or of one; without a form a table for people, and the text as it is for programs."""
    chosen = form or (Form.TABLE if sys.stdout.isatty() else Form.CSV)

    async def show(daemon: Stagewatch) -> None:
        whole = (await daemon.find(key)).key
        results = {name: text for name, text in (await daemon.results(whole)).items() if text or name == task}
        if task is not None:
            if task not in results:
                raise ClientError(
                    "not_found", f"{key} has no result of {task!r}, but of: {', '.join(results) or 'none'}"
                )
            results = {task: results[task]}
        _print(results, chosen, key)

    ask(url, show)


def _print(results: Mapping[str, str], form: Form, key: str) -> None:
    match form:
        case Form.JSON:
            print(json.dumps({name: _as_json(text) for name, text in results.items()}, ensure_ascii=False, indent=2))
        case Form.CSV:
            if len(results) > 1:
                raise ClientError("several", f"{key} has several results, choose one with --task: {', '.join(results)}")
            for text in results.values():
                sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        case Form.TABLE:
            for name, text in results.items():
                if len(results) > 1:
                    print(f"{plain(name)}:")
                _draw(text)


def _as_json(text: str) -> Json:
    rows = read_rows(text)
    return {"columns": rows.columns, "rows": rows.rows} if rows else {"text": text}


def _draw(text: str) -> None:
    rows = read_rows(text)
    if rows is None:
        print("\n".join(plain(line) for line in text.splitlines()))
        return
    drawing = Drawing(box=None, pad_edge=False)
    for name in rows.columns:
        drawing.add_column(Text(plain(name)))
    for row in rows.rows:
        drawing.add_row(*(Text(plain(cell)) for cell in row))
    Console(soft_wrap=False).print(drawing)


def read_rows(text: str) -> Rows | None:
    """The table that a result holds: the service quotes the names of columns. None if it is any other text."""
    if not text.startswith('"'):
        return None
    try:
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except csv.Error:
        return None
    if any(len(row) != len(header) for row in rows):
        return None
    return Rows(tuple(header), tuple(map(tuple, rows)))
