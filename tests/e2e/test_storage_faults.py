"""The store fails under the real daemon: it says so in one line, ends, and leaves nothing half-written."""

import asyncio
import os
import re
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from monitor.storage.sqlite_file import SqliteFile
from tests.e2e.eventually import eventually
from tests.e2e.processes import STAGEWATCH, Running, config, running
from tests.e2e.receiver import Receiver, receiving
from tests.e2e.workload import phases, submit

NEVER_BEGAN, BROKE_OFF = 1, 70
DAMAGED = "is damaged or is no database .*: move it away"
# Rights do not bind root, unless it gives up the power to pass them by.
WITHOUT_POWER = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """Where the daemon of a test keeps everything; the folder can be removed afterwards, whatever its rights."""
    folder = tmp_path / "kept"
    folder.mkdir()
    yield folder / "stagewatch.db"
    folder.chmod(0o700)


def check_last_words(said: str, store: Path, words: str) -> None:
    """One line for the operator names the file and the fix; nothing else looks like a fault of the program."""
    (line,) = [line for line in said.splitlines() if line.startswith("stagewatch: ")]
    assert str(store) in line
    assert re.search(words, line), line
    assert "Traceback" not in said


def refused(file: Path, *before: str) -> "subprocess.CompletedProcess[str]":
    """A start that must fail by itself."""
    command: Sequence[str | Path] = [*before, STAGEWATCH, "serve", "--config", file]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False)


def configured(tmp_path: Path, store: Path) -> Path:
    """A config file, and what an earlier run has left in the store."""
    file = tmp_path / "stagewatch.yaml"
    file.write_text(config("http://127.0.0.1:9", store=store, hook="http://127.0.0.1:9/"))
    SqliteFile(store, 0).close()
    assert not store.with_name(f"{store.name}-wal").exists()
    return file


# --- at the start -----------------------------------------------------------------------------------------------------


def overwrite(store: Path) -> None:
    store.write_bytes(b"\xa5" * store.stat().st_size)


def spoil(store: Path) -> None:
    data = bytearray(store.read_bytes())
    data[4096 * 2 :] = os.urandom(len(data) - 4096 * 2)
    store.write_bytes(data)


def cut_off(store: Path) -> None:
    os.truncate(store, store.stat().st_size // 2)


@pytest.mark.parametrize("fault", [overwrite, spoil, cut_off])
def test_a_damaged_file_is_left_alone(tmp_path: Path, store: Path, fault: Callable[[Path], None]) -> None:
    """The daemon does not begin, says what to move away, and does not touch the file."""
    file = configured(tmp_path, store)
    fault(store)
    before = store.read_bytes()
    done = refused(file)
    assert done.returncode == NEVER_BEGAN
    check_last_words(done.stdout, store, DAMAGED)
    assert store.read_bytes() == before


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "words"),
    [(0o755, 0o444, "no right to read and write"), (0o555, 0o644, "make the file and its folder writable|may write")],
    ids=["file", "folder"],
)
def test_what_may_not_be_written(tmp_path: Path, store: Path, folder_mode: int, file_mode: int, words: str) -> None:
    """A read-only file, or a folder that takes no log beside it: the daemon does not begin."""
    file = configured(tmp_path, store)
    before = store.read_bytes()
    store.chmod(file_mode)
    store.parent.chmod(folder_mode)
    done = refused(file, *WITHOUT_POWER)
    assert done.returncode == NEVER_BEGAN
    assert str(store) in done.stdout
    assert re.search(words, done.stdout), done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert store.read_bytes() == before


def test_no_room_to_begin(tmp_path: Path, store: Path) -> None:
    """A disk without room for an empty store: the daemon does not begin, and begins when there is room."""
    file = tmp_path / "stagewatch.yaml"
    file.write_text(config("http://127.0.0.1:9", store=store, hook="http://127.0.0.1:9/"))
    done = refused(file, "prlimit", "--fsize=20000")
    assert done.returncode == NEVER_BEGAN
    check_last_words(done.stdout, store, "the disk under .*(is full: free some space|check its space)")
    with running(["serve", "--config", str(file)]) as daemon:
        assert daemon.end() == 0


def test_locked_by_another_program(tmp_path: Path, store: Path) -> None:
    """Somebody has the file open in a shell and is in the middle of a change: the daemon does not begin."""
    file = configured(tmp_path, store)
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = refused(file)
    assert done.returncode == NEVER_BEGAN
    check_last_words(done.stdout, store, "is locked by another program: close it")


def test_a_second_daemon_on_the_same_file(tmp_path: Path, store: Path) -> None:
    """It is refused by name, and the first one goes on."""
    file = configured(tmp_path, store)
    with running(["serve", "--config", str(file)]) as first:
        done = refused(file)
        assert first.process.poll() is None
        assert first.end() == 0
    assert done.returncode == NEVER_BEGAN
    check_last_words(done.stdout, store, "belongs to another daemon that is running .*: stop that one, or")


# --- later ------------------------------------------------------------------------------------------------------------


async def break_off(daemon: Running) -> None:
    """It ends by itself, with the code that says so."""
    code = await asyncio.to_thread(daemon.process.wait, 30)
    daemon.end()
    assert code == BROKE_OFF, daemon.output


def check_whole(store: Path) -> None:
    """Whatever was kept is whole: each track has its history, each alert its delivery and its track."""
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for half_written in (
            "SELECT key FROM track WHERE last_event IS NULL",
            "SELECT number FROM alert WHERE number NOT IN (SELECT alert FROM delivery)",
            "SELECT number FROM alert WHERE key NOT IN (SELECT key FROM track)",
        ):
            assert db.execute(half_written).fetchall() == []


async def check_the_next_one(
    file: Path, store: Path, http: aiohttp.ClientSession, receiver: Receiver, expected: Mapping[str, str]
) -> None:
    """The next daemon finds everything, and by then each failure has been told."""
    failed = sorted(instance for instance, phase in expected.items() if phase == "failed")
    with running(["serve", "--config", str(file)]) as daemon:
        await eventually(lambda: phases(http, daemon.url), lambda found: found == expected)
        await receiver.until(len(failed))
        assert daemon.end() == 0
    check_whole(store)
    assert sorted({body["alerts"][0]["labels"]["instance"] for _, body in receiver.requests}) == failed


def leave_no_room(daemon: Running, store: Path) -> None:
    """From now on its files may not grow, as on a disk that is full."""
    size = max(path.stat().st_size for path in store.parent.iterdir())
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size + 16_384, size + 16_384))


@pytest.mark.asyncio
@pytest.mark.parametrize("trouble", ["no room", "locked"])
async def test_a_store_that_fails_later(tmp_path: Path, store: Path, trouble: str) -> None:
    """The disk fills up, or another program takes the lock and keeps it: the daemon breaks off rather than go on with
    what it cannot keep, and the next one finds everything and alerts each failure once."""
    file = tmp_path / "stagewatch.yaml"
    async with receiving() as receiver, aiohttp.ClientSession() as http:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=store, hook=receiver.url))
            expected = dict.fromkeys(await submit(http, emulator.url, 20, seconds=1), "succeeded")
            with (
                running(["serve", "--config", str(file)]) as daemon,
                closing(sqlite3.connect(store, isolation_level=None)) as other,
            ):
                await eventually(lambda: phases(http, daemon.url), lambda found: found == expected)
                if trouble == "locked":
                    other.execute("BEGIN IMMEDIATE")
                else:
                    leave_no_room(daemon, store)
                expected |= dict.fromkeys(await submit(http, emulator.url, 100, seconds=1, outcome="failed"), "failed")
                await break_off(daemon)
            words = {"locked": "is locked by another program: close it", "no room": "the disk under .*check its space"}
            check_last_words(daemon.output, store, words[trouble])
            check_whole(store)
            await check_the_next_one(file, store, http, receiver, expected)


def move_away(store: Path) -> None:
    """As the daemon's last words say."""
    for path in store.parent.glob(f"{store.name}*"):
        path.rename(path.with_name(f"away-{path.name}"))


@pytest.mark.asyncio
@pytest.mark.parametrize("trouble", ["file deleted", "log deleted", "overwritten"])
async def test_a_store_that_is_lost_later(tmp_path: Path, store: Path, trouble: str) -> None:
    """Somebody deletes or overwrites a file under the daemon: it breaks off and says which and what to do. The next one
    goes on from what is left, or from nothing, and finds everything that the service lists."""
    file, log = tmp_path / "stagewatch.yaml", store.with_name(f"{store.name}-wal")
    async with receiving() as receiver, aiohttp.ClientSession() as http:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=store, hook=receiver.url))
            expected = dict.fromkeys(await submit(http, emulator.url, 20, seconds=1), "succeeded")
            with running(["serve", "--config", str(file)]) as daemon:
                await eventually(lambda: phases(http, daemon.url), lambda found: found == expected)
                assert daemon.end() == 0  # so that all is in the file, and nothing in the log or in memory
            with running(["serve", "--config", str(file)]) as daemon:
                if trouble == "overwritten":
                    overwrite(store)
                else:
                    (log if trouble == "log deleted" else store).unlink()
                expected |= dict.fromkeys(await submit(http, emulator.url, 100, seconds=1, outcome="failed"), "failed")
                await break_off(daemon)
            if trouble == "overwritten":
                check_last_words(daemon.output, store, DAMAGED)
                move_away(store)
            else:
                check_last_words(
                    daemon.output, store, "was deleted, moved away or replaced .*: put it back, or leave it"
                )
            if trouble == "log deleted":
                check_whole(store)
            await check_the_next_one(file, store, http, receiver, expected)
