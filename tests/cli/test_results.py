"""`stagewatch results`: the service's own text, tables and JSON."""

import json
from typing import Any

import pytest

from monitor.cli.results import read_rows
from monitor.core.model import InstanceKey
from tests.cli.command import one_line
from tests.cli.terminal import terminal
from tests.cli.test_asking import asked
from tests.web.desk import key, open_desk, track

FLOWERS = '"sepallength","name"\n5.1,"Iris-setosa"\n4.9,"鸢尾\x1b[31m, ""red"""\n'


def answer(texts: dict[str, str]) -> Any:
    """A source's answer, as given."""

    async def results(_key: InstanceKey) -> dict[str, str]:
        return texts

    return results


@pytest.mark.parametrize("text", ["", "OK", "+---+\n| a |", '"a","b"\n1\n', '"a" b\n1', '"a\n1'])
def test_what_is_no_table(text: str) -> None:
    """Text that only looks like one is left as it is."""
    assert read_rows(text) is None


def test_a_table() -> None:
    """Names of columns, and rows; quoted commas and quotes are data."""
    rows = read_rows(FLOWERS)
    assert rows is not None
    assert rows.columns == ("sepallength", "name")
    assert rows.rows[1] == ("4.9", '鸢尾\x1b[31m, "red"')


@pytest.mark.asyncio
async def test_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """To a program the text goes as it is; JSON has columns and rows, or text; a table has no control characters."""
    async with open_desk(track(key("i1"))) as desk:
        monkeypatch.setattr(desk.service, "results", answer({"Query": FLOWERS, "Empty": ""}))
        plain = await asked("results", "i1", "--url", desk.url)
        table = (await asked("results", "i1", "--url", desk.url, "--format", "table")).stdout.decode()
        as_json = await asked("results", "i1", "--url", desk.url, "--json")
        same = await asked("results", "i1", "--url", desk.url, "--format", "json")
    assert plain.stdout.decode() == FLOWERS
    assert table.splitlines()[0].split() == ["sepallength", "name"]
    assert r'鸢尾\x1b[31m, "red"' in table
    assert json.loads(as_json.stdout)["Query"]["rows"][0] == ["5.1", "Iris-setosa"]
    assert same.stdout == as_json.stdout


@pytest.mark.asyncio
async def test_several_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is chosen; without a choice there is no one text."""
    async with open_desk(track("i1")) as desk:
        monkeypatch.setattr(desk.service, "results", answer({"A": "OK", "B": "done\n"}))
        one = await asked("results", "i1", "--url", desk.url, "--task", "A")
        unclear = await asked("results", "i1", "--url", desk.url)
        unknown = await asked("results", "i1", "--url", desk.url, "--task", "C")
        both = await asked("results", "i1", "--url", desk.url, "--format", "table")
    assert one.stdout == b"OK\n"
    assert (unclear.returncode, unknown.returncode) == (2, 2)
    assert "--task: A, B" in one_line(unclear)
    assert "'C'" in one_line(unknown)
    assert both.stdout.decode().splitlines() == ["A:", "OK", "B:", "done"]


@pytest.mark.asyncio
async def test_a_person_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, without asking."""
    async with open_desk(track("i1")) as desk:
        monkeypatch.setattr(desk.service, "results", answer({"Query": FLOWERS}))
        async with terminal("results", "i1", url=desk.url) as shown:
            lines = await shown.until(lambda text: "exit=0" in text)
    assert lines[0].split() == ["sepallength", "name"]
    assert lines[2].split()[0] == "4.9"
