"""The README's table of what pyodps shows of instances, and the four ways in which each of its rows can be run."""

import ast
import asyncio
import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from odps import ODPS

from monitor.client import Stagewatch
from tests.e2e.processes import STAGEWATCH

README = Path(__file__).parents[2] / "README.md"
T = TypeVar("T")
Test = TypeVar("Test", bound=Callable[..., object])


@dataclass(frozen=True)
class Row:
    """The code of each cell, as it stands there: the first of its cell. A cell without code is empty."""

    pyodps: str
    terminal: str
    python: str
    http: str


def table(text: str) -> dict[str, Row]:
    """The rows between the marks, by what pyodps calls them."""
    _, _, rest = text.partition("<!-- seed -->")
    inside, closing, _ = rest.partition("<!-- /seed -->")
    assert closing, "the README has no table between <!-- seed --> and <!-- /seed -->"
    lines = [line for line in inside.splitlines() if line.startswith("|")][2:]
    rows = [Row(*map(_code, line.strip("|").split("|"))) for line in lines]
    assert len({row.pyodps for row in rows}) == len(rows)
    return {row.pyodps: row for row in rows}


def _code(cell: str) -> str:
    found = re.search(r"`([^`]+)`", cell)
    return found[1] if found else ""


ROWS = table(README.read_text(encoding="utf-8"))
TESTED: list[str] = []  # the rows that tests are marked with, as they are collected


def shows(*lines: str) -> Callable[[Test], Test]:
    """Mark a test as that of these rows: it runs once for each, and gets it as `row`."""

    def mark(test: Test) -> Test:
        TESTED.extend(lines)
        rows = [pytest.param(ROWS.get(line, Row(line, "", "", "")), id=line) for line in lines]
        return pytest.mark.parametrize("row", rows)(test)

    return mark


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    body: Any  # JSON, or else text


@dataclass(frozen=True)
class Faces:
    """One service, the daemon that watches it, and how each cell of a row is run against the two."""

    o: ODPS
    emulator: str
    daemon: str

    def key(self, id_: str) -> str:
        """What Stagewatch calls the instance."""
        return f"warehouse/demo/{id_}"

    def pyodps(self, code: str, **names: object) -> Any:
        """The value of that line."""
        return eval(code, {"o": self.o, **names})  # the README is ours

    def start(self, code: str, id_: str) -> "subprocess.Popen[str]":
        """Start that command and come back."""
        name, *words = (self._filled(word, id_) for word in shlex.split(code))
        assert name == "stagewatch"
        env = {**os.environ, "STAGEWATCH_URL": self.daemon}
        return subprocess.Popen(
            [STAGEWATCH, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def terminal(self, code: str, id_: str = "") -> "subprocess.CompletedProcess[str]":
        """Run that command to its end."""
        with self.start(code, id_) as process:
            said, complained = process.communicate(timeout=60)
        return subprocess.CompletedProcess([], process.returncode, said, complained)

    def python(self, code: str, id_: str = "", take: Callable[[Any], Any] | None = None, **names: object) -> Any:
        """The value of that expression, which may await. `take` is awaited with it while the client is open."""
        compiled = compile(code, str(README), "eval", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

        async def run() -> Any:
            async with Stagewatch(self.daemon) as daemon:
                value = eval(compiled, {"daemon": daemon, "key": self.key(id_), **names})
                value = await value if asyncio.iscoroutine(value) else value
                return await take(value) if take else value

        return asyncio.run(run())

    def http(self, code: str, id_: str = "") -> Answer:
        """The answer to that request."""
        try:
            with urlopen(self._request(code, id_), timeout=60) as answer:
                raw, status = answer.read(), answer.status
        except HTTPError as error:
            with error:
                raw, status = error.read(), error.code
        return Answer(status, json.loads(raw) if raw.startswith(b"{") else raw.decode())

    def stream(self, code: str, id_: str) -> Iterator[Mapping[str, Any]]:
        """Server-sent events as they come."""
        with urlopen(self._request(code, id_), timeout=60) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

    def levers(self, path: str, body: Mapping[str, object]) -> Any:
        """Have the emulator do something that no client could ask for."""
        request = Request(f"{self.emulator}/-/emulator/{path}", json.dumps(body).encode())
        with urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def _request(self, code: str, id_: str) -> Request:
        method, path, *body = (self._filled(word, id_) for word in code.split(maxsplit=2))
        data = body[0].encode() if body else None
        return Request(self.daemon + path, data, headers={"Content-Type": "application/json"}, method=method)

    def _filled(self, code: str, id_: str) -> str:
        return re.sub(r"\bID\b", id_, re.sub(r"\bKEY\b", self.key(id_), code))


def stages_of(instance: Mapping[str, Any]) -> Sequence[str]:
    """The stages of an instance in JSON, as pyodps writes them."""
    return [
        f"{it['name']}:{it['running']}/{it['terminated']}/{it['total']}[{it['percent']}%]"
        for task in instance["tasks"]
        for it in task["stages"]
    ]
