"""`stagewatch ingest`: from a pipe to a daemon, over everything that may happen to it."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.cli.command import one_line
from tests.cli.test_submitting import said
from tests.client.test_feed import port
from tests.e2e.eventually import eventually
from tests.e2e.processes import STAGEWATCH, running
from tests.e2e.receiver import receiving
from tests.web.desk import open_hearing_desk

ID, OTHER = "20160519101349613gzbzufck2", "20160519101500000gaaaaaaa1"
KEY = f"private/p1/{ID}"
STATEMENT = f"ID = {ID}\nLog view:\nhttp://logview.example/?i={ID}&token=made-up\nJob Queueing...\nM1:0/1/1[100%]\nOK\n"
BROKEN = f"ID = {OTHER}\nM1:1/0/1[0%]\nFAILED: ODPS-0130131:[1,15] Table not found - made up\n"
PLACE = ("--source", "private", "--project", "p1")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("text", "code", "out", "err"),
    [
        (STATEMENT, 0, [f"{KEY} succeeded in 0s"], []),
        (
            STATEMENT + BROKEN,
            1,
            [
                f"{KEY} succeeded in 0s",
                f"private/p1/{OTHER} failed after 0s: ODPS-0130131:[1,15] Table not found - made up",
            ],
            [],
        ),
        (f"ID = {ID}\nFAILED: Task got cancelled\n", 1, [f"{KEY} was cancelled"], []),
        (
            f"{ID} 2016-05-19 18:14:03 M1_Stg1_job0:0/1/1[100%]\n",
            1,
            [],
            [f"the text has ended, and does not tell how {KEY} did: it counts as running until it is lost"],
        ),
        (
            "M1:0/1/2[50%]\nOK\n",
            2,
            [],
            [
                "2 lines tell of an instance that nobody has named: give its id with --key",
                "the text tells of no instance",
            ],
        ),
        ("hello\n", 2, [], ["the text tells of no instance"]),
        ("", 2, [], ["the text tells of no instance"]),
    ],
)
async def test_how_a_text_ends(text: str, code: int, out: list[str], err: list[str]) -> None:
    """Each end of an instance on stdout, what is missing on stderr, and the worst of it in the exit code."""
    async with open_hearing_desk() as desk:
        done = await said("ingest", *PLACE, "--url", desk.url, stdin=text.encode())
    assert done.stdout.decode().splitlines() == out
    assert done.stderr.decode().splitlines() == [f"stagewatch: {line}" for line in err]
    assert done.returncode == code


@pytest.mark.asyncio
async def test_a_key_of_ones_own_and_json() -> None:
    """A text without an id belongs to the one that is given; every end is an object."""
    async with open_hearing_desk() as desk:
        done = await said(
            "ingest", "--key", "private/p1/nightly-7", "--url", desk.url, "--json", stdin=b"M1:1/0/2[0%]\nFAILED: x\n"
        )
    (told,) = map(json.loads, done.stdout.splitlines())
    assert (told["key"], told["phase"], told["succeeded"]) == ("private/p1/nightly-7", "failed", False)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("first", "second", "code", "against"),
    [
        (b"OK\n", b"FAILED: made up\n", 1, ", although it says FAILED"),
        (b"OK\n", b"M1:1/0/2[0%]\nOK\n", 0, ""),
        (b"FAILED: made up\n", b"FAILED: again\n", 1, ""),
    ],
)
async def test_a_second_run_under_the_same_id(first: bytes, second: bytes, code: int, against: str) -> None:
    """Its lines change nothing, which must not pass for success in silence."""
    arguments = ("ingest", "--key", "private/p1/nightly")
    async with open_hearing_desk() as desk:
        await said(*arguments, "--url", desk.url, stdin=first)
        done = await said(*arguments, "--url", desk.url, stdin=second)
    assert done.returncode == code
    assert "private/p1/nightly had ended before this text came" in one_line(done)
    assert one_line(done).endswith(f"alerts nobody{against}; give each run an id of its own")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--source", "nobody"), "no source is named 'nobody'; those that take lines: private"),
        (("--source", "warehouse"), "asks the service of 'warehouse' itself"),
        (("--source", "private"), "'private' has several projects: name one of p1, p2"),
        (("--key", "a b"), "'a b' is no key: write source/project/id"),
    ],
)
async def test_where_lines_cannot_go(arguments: tuple[str, ...], says: str) -> None:
    """One line says what to write instead; whoever writes into the pipe can write to its end all the same."""
    async with open_hearing_desk() as desk:
        done = await said("ingest", *arguments, "--url", desk.url, stdin=STATEMENT.encode() * 20_000)
    assert (done.returncode, done.stdout) == (2, b"")
    assert says in one_line(done)


@pytest.mark.asyncio
async def test_nobody_is_there() -> None:
    """It says so at once, and gives up when its patience ends."""
    done = await said("ingest", "--url", f"http://127.0.0.1:{port()}", "--patience", "0.1", stdin=b"OK\n")
    first, last = done.stderr.decode().splitlines()
    assert first.startswith("stagewatch: reconnecting: cannot reach a daemon")
    assert "it has been away for" in last
    assert done.returncode == 2


@contextmanager
def ingesting(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The command, its input open."""
    command = [STAGEWATCH, "ingest", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.asyncio
async def test_a_daemon_that_is_killed_in_the_middle(tmp_path: Path) -> None:
    """What had no answer is sent again to the one that comes after it: every stage and every end is there, the failure
    is alerted once, and no token of a LogView is in the database."""
    at = port()
    file, store = tmp_path / "stagewatch.yaml", tmp_path / "stagewatch.db"
    async with receiving() as receiver, aiohttp.ClientSession() as http:
        file.write_text(
            f"listen: 127.0.0.1:{at}\nstorage: {{type: sqlite, path: {store}}}\n"
            "sources: [{type: ingest, name: private, projects: [p1]}]\n"
            f"alerts: {{channels: [{{name: team, type: webhook, url: '{receiver.url}'}}]}}\n"
        )
        url = f"http://127.0.0.1:{at}"

        async def terminated() -> int:
            async with http.get(f"{url}/api/v1/instances/{OTHER}") as answer:
                one = await answer.json()
            stages = [stage for task in one.get("tasks", ()) for stage in task["stages"]]
            return sum(stage["terminated"] for stage in stages)

        def say(*lines: str) -> None:
            assert process.stdin is not None
            process.stdin.write("".join(f"{line}\n" for line in lines).encode())
            process.stdin.flush()

        with ingesting("--url", url) as process:
            say(f"ID = {OTHER}", f"http://logview.example/?i={OTHER}&token=made-up-token", "M1:1/1/9[10%]")
            with running(["serve", "--config", str(file)]) as daemon:
                await eventually(terminated, lambda count: count == 1)
                say("M1:1/2/9[20%]", f"ID = {ID}", "M1:1/0/9[0%]", "FAILED: ODPS-0123131:made up")
                await receiver.until(1)  # by now the answer is under way, or never will be
                daemon.process.kill()
            say(f"ID = {OTHER}", "M1:1/3/9[30%]", "OK")
            with running(["serve", "--config", str(file)]):
                out, err = await asyncio.to_thread(process.communicate)
                assert await terminated() == 3
                async with http.get(f"{url}/api/v1/alerts") as answer:
                    alerts = (await answer.json())["alerts"]
        assert [line.split()[:2] for line in out.decode().splitlines()] == [
            [KEY, "failed"],
            [f"private/p1/{OTHER}", "succeeded"],
        ]
        assert process.returncode == 1, err
        assert [(it["labels"]["instance"], it["labels"]["code"]) for it in alerts] == [(ID, "ODPS-0123131")]
        assert {key for key, _ in receiver.requests} == {alerts[0]["id"]}
    kept = b"".join(map(Path.read_bytes, store.parent.glob("*.db*")))
    assert OTHER.encode() in kept
    assert b"made-up-token" not in kept
