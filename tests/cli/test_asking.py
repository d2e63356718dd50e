"""`stagewatch ls` and `show`: against a real API, and against none."""

import asyncio
import json
import os
import subprocess

import pytest
from typer.testing import CliRunner

from monitor.cli import app
from monitor.core.model import Phase, Queue, Verdict
from tests.cli.command import one_line, stagewatch
from tests.e2e.processes import STAGEWATCH
from tests.web.desk import NOON, failed, open_desk, staged, track

ABOUT_ONE = [(name, "a/b/c") for name in ("show", "watch", "wait", "stop", "results", "logview", "restart")]


@pytest.mark.parametrize("command", [("ls",), ("ls", "--watch"), *ABOUT_ONE])
def test_no_daemon(command: tuple[str, ...]) -> None:
    """A daemon that cannot be reached is one line and exit code 2."""
    assert "cannot reach a daemon at http://127.0.0.1:9" in refused(*command, "--url", "http://127.0.0.1:9")


def refused(*arguments: str) -> str:
    """What is said on stderr, in this process: starting so many would take longer than all the rest."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    return str(line)


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/", "http://", "127.0.0.1:9690"])
@pytest.mark.parametrize("command", [("ls",), ("ls", "--watch")])
def test_wrong_url(url: str, command: tuple[str, ...]) -> None:
    """So is an address that is none; it says what one looks like."""
    assert "is not an address like http://127.0.0.1:9690" in refused(*command, "--url", url)


async def asked(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """The command beside the server of this test."""
    return await asyncio.to_thread(stagewatch, *arguments)


@pytest.mark.asyncio
async def test_ls_prints_a_line_each() -> None:
    """Newest first: phase, progress, key, owner, name, and why it failed; control characters cannot play."""
    tracks = (
        staged("i1", 3, owner="ann@example.test", name="daily\x1b[31m\nreport", progress=0.42),
        failed("i2", message="ODPS-0130131:[1,15] Table not found"),
    )
    async with open_desk(*tracks) as desk:
        done = await asked("ls", "--url", desk.url)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert lines[0].split()[:3] == ["failed", "-", "warehouse/analytics/i2"]
    assert "Table not found" in lines[0]
    assert lines[1].split()[:4] == ["running", "42%", "warehouse/analytics/i1", "ann@example.test"]
    assert lines[1].endswith(r"daily\x1b[31m\nreport")


@pytest.mark.asyncio
async def test_ls_filters_as_json() -> None:
    """One JSON object a line, of those that were asked for."""
    async with open_desk(staged("i1", 3), failed("i2"), track("i3", Phase.SUCCEEDED)) as desk:
        done = await asked("ls", "--url", desk.url, "--phase", "failed,succeeded", "--project", "analytics", "--json")
        wrong = await asked("ls", "--url", desk.url, "--phase", "exploded")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["i3", "i2"]
    assert wrong.returncode == 2
    assert "exploded" in one_line(wrong)


@pytest.mark.asyncio
async def test_show_one() -> None:
    """By bare id or key: stages and failure for people, everything as JSON; the address from the environment."""
    verdicts, queue = frozenset({Verdict.LATE}), Queue(position=3, length=9, reason="quota")
    tracks = (
        staged("i1", 3, total=7, verdicts=verdicts, attempt=2, stages_at=NOON),
        track("i3", Phase.WAITING, parent="i1", step="train", queue=queue),
    )
    async with open_desk(*tracks, failed("i2", message="no table")) as desk:
        child = (await asked("show", "i3", "--url", desk.url)).stdout.decode()
        page = (await asked("show", "i1", "--url", desk.url)).stdout.decode()
        why = (await asked("show", "warehouse/analytics/i2", "--url", desk.url)).stdout.decode()
        whole = await asyncio.to_thread(
            subprocess.run,
            [STAGEWATCH, "show", "i1", "--json"],
            capture_output=True,
            check=True,
            env={**os.environ, "STAGEWATCH_URL": desk.url},
        )
        unknown = await asked("show", "warehouse/analytics/nothing", "--url", desk.url)
    assert page.startswith("warehouse/analytics/i1\n")
    assert "M1_Stg1_job0                 1/3/7 42%" in page
    assert "  attempt        2\n" in page
    assert "  verdicts       late\n" in page
    assert f"  stages_at      {NOON}\n" in page
    assert "  step train: warehouse/analytics/i3 waiting\n" in page
    assert "  parent         warehouse/analytics/i1\n" in child
    assert "  queue          3 of 9: quota\n" in child
    assert "failed in AnonymousSQLTask: ODPS-0130131" in why
    assert "no table" in why
    assert json.loads(whole.stdout)["tasks"][0]["stages"][0]["total"] == 7
    assert unknown.returncode == 2
    assert "nothing" in one_line(unknown)


@pytest.mark.asyncio
@pytest.mark.parametrize("command", ABOUT_ONE)
async def test_unknown_key(command: tuple[str, ...]) -> None:
    """What is not known, and what is no key at all, is one line and exit code 2."""
    async with open_desk() as desk:
        unknown = await asyncio.to_thread(refused, *command, "--url", desk.url)
        no_key = await asyncio.to_thread(refused, command[0], "a/b", "--url", desk.url)
    assert command == ("restart", "a/b/c") or "a/b/c is not watched, and no source is named 'a'" in unknown
    assert "source/project/id" in no_key


@pytest.mark.asyncio
@pytest.mark.parametrize("command", ["show", "stop", "results", "logview"])
async def test_what_no_sweep_has_seen(command: str) -> None:
    """Is looked for at its service when its whole key is given."""
    async with open_desk() as desk:
        desk.service.known = {"i1": Phase.RUNNING}
        arguments = [command, "warehouse/analytics/i1", "--url", desk.url]
        done = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.asyncio
async def test_stop() -> None:
    """It is asked for; what has ended cannot be stopped."""
    async with open_desk(track("i1"), failed("i2")) as desk:
        desk.service.known = {"i1": Phase.RUNNING}
        done = await asked("stop", "i1", "--url", desk.url, "--json")
        over = await asked("stop", "i2", "--url", desk.url)
    assert json.loads(done.stdout)["key"] == "warehouse/analytics/i1"
    assert desk.service.known == {"i1": Phase.CANCELLED}
    assert over.returncode == 2
    assert "already ended" in one_line(over)


@pytest.mark.asyncio
async def test_logview() -> None:
    """A fresh address, good for as long as asked."""
    async with open_desk(track("i1")) as desk:
        plain = await asked("logview", "i1", "--url", desk.url, "--hours", "5")
        as_json = await asked("logview", "i1", "--url", desk.url, "--json")
        wrong = await asked("logview", "i1", "--url", desk.url, "--hours", "1000")
    assert plain.stdout.decode().startswith("http://logview.example/?i=i1&hours=5&")
    assert "hours=None&" in json.loads(as_json.stdout)["url"]  # as the section of the source says
    assert wrong.returncode == 2


@pytest.mark.asyncio
async def test_letters_that_a_terminal_does_not_know() -> None:
    """Are spelled out instead of ending the command."""
    async with open_desk(track("i1", name="日报")) as desk:
        env = {**os.environ, "PYTHONIOENCODING": "latin-1", "STAGEWATCH_URL": desk.url}
        done = await asyncio.to_thread(subprocess.run, [STAGEWATCH, "ls"], capture_output=True, check=True, env=env)
    assert rb"\u65e5\u62a5" in done.stdout
