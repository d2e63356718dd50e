"""What is special about the SQLite driver; what it promises is in tests/contracts/test_storage.py."""

import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from blockbuster import BlockingError, blockbuster_ctx

import monitor
from monitor.core.alerting import Alert
from monitor.core.events import Discovered
from monitor.core.model import InstanceKey, Phase, Track
from monitor.storage.base import AlertQuery, Attempt, Batch, DeliveryState, Outcome, Record, StorageError
from monitor.storage.section import SqliteSection
from monitor.storage.sqlite import LARGEST, SLICE, SqliteStorage, next_amount, open_sqlite
from monitor.storage.sqlite_file import SqliteFile

AT = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WRITER = Path(__file__).with_name("writer.py")
ROOT = Path(monitor.__file__).parents[1]


@pytest.fixture
def section(tmp_path: Path) -> SqliteSection:
    """A store that does not exist yet."""
    return SqliteSection(path=tmp_path / "store.db")


def key(number: int = 1) -> InstanceKey:
    return InstanceKey("s", "p", f"i{number}")


def track(number: int = 1, name: str = "") -> Track:
    return Track(key(number), "maxcompute", Phase.RUNNING, name=name)


def found(seq: int) -> Record:
    return Record(seq, Discovered(AT, key()), None)


def alert(number: int = 1, channels: tuple[str, ...] = ("ops",)) -> Alert:
    labels = {"source": "s", "project": "p"}
    return Alert(f"a{number}", "Rule", "critical", None, 1, AT, AT, labels, {}, channels)


# --- what lasts ---------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_everything_is_there_after_a_restart(section: SqliteSection) -> None:
    """Tracks, history, numbers, checkpoints, alerts, receipts and acknowledgements."""
    async with open_sqlite(section) as storage:
        await storage.commit(Batch((found(1),), (track(),), (alert(),), {("s", "p"): AT}))
        (delivery,) = await storage.claim("ops", 1, AT, MINUTE, "courier")
        await storage.settle(delivery, Outcome(Attempt(AT, 0.1, "timeout"), DeliveryState.PENDING, AT + MINUTE))
        before = await storage.acknowledge("a1", "me", AT)
    async with open_sqlite(section) as storage:
        assert await storage.load() == [track()]
        assert await storage.history(key()) == [found(1)]
        assert await storage.last_seq() == 1
        assert await storage.checkpoints() == {("s", "p"): AT}
        assert await storage.alerts(AlertQuery()) == [before]
        assert await storage.next_due("ops") == AT + MINUTE


@pytest.mark.asyncio
async def test_a_restart_ends_every_lease(section: SqliteSection) -> None:
    """The file has one owner, so whoever held them is gone: nothing waits for a dead courier's lease."""
    async with open_sqlite(section) as storage:
        await storage.commit(Batch(alerts=(alert(),)))
        (first,) = await storage.claim("ops", 1, AT, 1000 * MINUTE, "courier")
    async with open_sqlite(section) as storage:
        (again,) = await storage.claim("ops", 1, AT, MINUTE, "courier")
        assert (again.id, again.claims) == (first.id, 2)


@contextmanager
def writer(path: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A process that commits to the file until it dies."""
    with subprocess.Popen(
        [sys.executable, str(WRITER), str(path), *more],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def assert_whole(section: SqliteSection, at_least: int) -> int:
    """Every batch of the writer is there wholly or not at all; returns how many there are."""
    async with open_sqlite(section) as storage:
        assert await storage._reader.run(lambda: storage._queries.execute("PRAGMA integrity_check").fetchall()) == [
            ("ok",)
        ]
        tracks = await storage.load()
        (turn,) = {one.absences for one in tracks}
        assert turn >= at_least
        assert len(tracks) == 30
        assert await storage.last_seq() == turn * 60
        for one in tracks:
            assert len(await storage.history(one.key, 10_000)) == turn * 2
        alerts = await storage.alerts(AlertQuery(limit=10_000))
        assert [one.alert.attempt for one in alerts] == list(range(turn, 0, -1))
        assert all([two.channel for two in one.deliveries] == ["one", "two"] for one in alerts)
        assert list((await storage.checkpoints()).values()) == [AT + turn * MINUTE]
        return turn


@pytest.mark.asyncio
async def test_kill_leaves_whole_batches(section: SqliteSection) -> None:
    """However far a commit has come when the process is killed: what returned is there, and nothing is half there."""
    chance, turn = random.Random(7), 0
    for _ in range(4):
        told = turn
        with writer(section.path) as process:
            assert process.stdout is not None
            moments = chance.randrange(20, 200)
            for line in process.stdout:
                told = int(line) if line.strip().isdigit() else told
                moments -= line == ".\n" and told > 0
                if moments == 0:
                    process.kill()
                    break
        turn = await assert_whole(section, told)


@pytest.mark.asyncio
async def test_a_file_has_one_daemon_until_it_dies(section: SqliteSection) -> None:
    """A second one is refused by name; after kill -9 it starts at once, with nothing to clean up."""
    with writer(section.path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(StorageError, match=r"store\.db belongs to another daemon that is running"):
            async with open_sqlite(section):
                pass
        process.kill()
        process.wait()
        async with open_sqlite(section) as storage:
            assert await storage.last_seq() % 60 == 0


# --- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_full_disk_keeps_nothing_of_the_batch(section: SqliteSection) -> None:
    """The batch is refused whole, what was there can be read, and with more room the store goes on."""
    large = Batch((found(2),), tuple(track(number, "x" * 4000) for number in range(100)), (alert(2),))

    async def allow(storage: SqliteStorage, pages: int) -> None:
        await storage._writer.run(lambda: storage._file.db.execute(f"PRAGMA max_page_count = {pages}").fetchall())

    async with open_sqlite(section) as storage:
        await storage.commit(Batch((found(1),), (track(),), (alert(),)))
        await allow(storage, 30)
        with pytest.raises(StorageError, match=r"disk under .*store\.db is full: free some space") as caught:
            await storage.commit(large)
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert await storage.load() == [track()]
        assert len(await storage.alerts(AlertQuery())) == 1
        assert await storage.last_seq() == 1
        await allow(storage, 10_000)
        await storage.commit(large)
        assert await storage.last_seq() == 2


@pytest.mark.asyncio
async def test_a_write_that_the_system_refuses_keeps_nothing_of_the_batch(section: SqliteSection) -> None:
    """A process at its limit says so and ends, and the file holds whole batches."""
    with writer(section.path, "300000") as process:
        said, _ = process.communicate()
    assert re.search(r"disk under .*store\.db (failed|is full)", said.splitlines()[-1])
    assert process.returncode == 0
    assert await assert_whole(section, 1) > 1


@pytest.mark.asyncio
async def test_a_locked_file_is_named(section: SqliteSection) -> None:
    """Another program that writes is waited for, then named; when it is gone the store goes on."""
    async with open_sqlite(section, patience=0.05) as storage:
        other = sqlite3.connect(section.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"store\.db is locked by another program: close it"):
            await storage.commit(Batch(save=(track(),)))
        assert await storage.load() == []
        other.execute("ROLLBACK")
        await storage.commit(Batch(save=(track(),)))
        assert await storage.load() == [track()]
        other.close()


@pytest.mark.asyncio
async def test_a_file_that_is_locked_at_start_is_named(section: SqliteSection) -> None:
    """The start is refused, and works when the other program is gone."""
    async with open_sqlite(section):
        pass
    other = sqlite3.connect(section.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="locked by another program"):
        async with open_sqlite(section, patience=0.05):
            pass
    other.close()
    async with open_sqlite(section) as storage:
        assert await storage.load() == []


_OPEN_AS_NOBODY = """
import asyncio, os, sys
from pathlib import Path
from monitor.storage.base import StorageError
from monitor.storage.section import SqliteSection
from monitor.storage.sqlite import open_sqlite

async def main():
    try:
        async with open_sqlite(SqliteSection(path=Path(sys.argv[1]))):
            print("opened")
    except StorageError as error:
        print(error)

if os.geteuid() == 0:  # rights do not bind root
    os.setgid(65534)
    os.setuid(65534)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "words"),
    [
        (0o777, 0o444, r"store\.db cannot be written: make the file and its folder writable"),
        (0o555, 0o444, r"store\.db cannot be written: make the file and its folder writable"),
        (0o777, 0o000, r"store\.db cannot be opened: check that its folder exists and that this user may write there"),
        (0o000, 0o666, r"store\.db cannot be (opened|used)"),
    ],
    ids=["read-only file", "read-only folder", "no right to read", "no right to enter"],
)
def test_missing_rights_are_named(folder_mode: int, file_mode: int, words: str) -> None:
    """A file or folder that this user may not use is refused at start, with what to change."""
    # Not in `tmp_path`, which another user may not enter.
    folder = Path(tempfile.mkdtemp())
    try:
        path = folder / "store.db"
        SqliteFile(path, 0).close()
        path.with_name("store.db.owner").chmod(0o666)
        path.chmod(file_mode)
        folder.chmod(folder_mode)
        said = subprocess.run(
            [sys.executable, "-c", _OPEN_AS_NOBODY, str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert re.match(f"{re.escape(str(folder))}/{words}", said.stdout)
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


@pytest.mark.asyncio
async def test_damage_that_shows_later_is_named(section: SqliteSection) -> None:
    """A record that cannot be read is an error of the store, not of the reader."""
    async with open_sqlite(section) as storage:
        await storage.commit(Batch(save=(track(),)))
        await storage._writer.run(lambda: storage._file.db.execute("UPDATE track SET body = x'c1'"))
        with pytest.raises(StorageError, match="a record that this release cannot read"):
            await storage.load()


def overwrite(path: Path) -> None:
    path.write_bytes(b"\xa5" * path.stat().st_size)


def spoil(path: Path) -> None:
    """Page 1 is whole, and nothing behind it."""
    path.write_bytes(path.read_bytes()[:4096] + b"\xa5" * (path.stat().st_size - 4096))


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [overwrite, spoil])
@pytest.mark.parametrize("what", ["commit", "query"])
async def test_damage_while_it_runs_ends_it(section: SqliteSection, fault: Callable[[Path], None], what: str) -> None:
    """Whoever comes across it, the store says so, and keeps nothing more."""
    async with open_sqlite(section) as storage:
        await storage.commit(Batch(save=tuple(track(number, "x" * 2000) for number in range(1000))))

        def forget_pages() -> None:
            storage._file.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if what == "commit":  # else the writer has all of it in memory, and notices nothing
                storage._file.db.execute("PRAGMA shrink_memory")

        await storage._writer.run(forget_pages)
        fault(section.path)
        damaged = f"{section.path} is damaged or is no database .*: move it away"
        if what == "query":
            with pytest.raises(StorageError, match=damaged):
                await storage.load()
        with pytest.raises(StorageError, match=damaged):
            await storage.commit(Batch(save=(track(500),), alerts=(alert(),)))


@pytest.mark.asyncio
@pytest.mark.parametrize("fate", ["deleted", "replaced"])
@pytest.mark.parametrize("which", ["", "-wal"], ids=["file", "log"])
async def test_a_file_that_is_taken_away_ends_it(section: SqliteSection, fate: str, which: str) -> None:
    """SQLite would go on to write where nobody finds it again. What was kept before the log went is kept."""
    victim = section.path.with_name(section.path.name + which)
    async with open_sqlite(section) as storage:
        await storage.commit(Batch(save=(track(1),)))
        victim.rename(section.path.with_name("away"))
        if fate == "replaced":
            victim.touch()
        words = f"{victim} was deleted, moved away or replaced while the daemon ran: .*start again"
        with pytest.raises(StorageError, match=words):
            await storage.commit(Batch(save=(track(2),)))
        with pytest.raises(StorageError, match=words):
            await storage.claim("ops", 1, AT, MINUTE, "courier")
    async with open_sqlite(section) as storage:
        assert await storage.load() == ([track(1)] if which else [])


@pytest.mark.asyncio
async def test_a_commit_that_was_left_is_the_last(section: SqliteSection) -> None:
    """Its outcome is unknown to whoever left, so nothing more is kept until the store is read again."""
    gate = threading.Event()
    async with open_sqlite(section) as storage, anyio.create_task_group() as group:
        group.start_soon(storage._writer.run, gate.wait)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(TimeoutError), anyio.fail_after(0.01, shield=True):
            await storage.commit(Batch(save=(track(),)))
        gate.set()
        with pytest.raises(StorageError, match=r"store\.db: a commit was left .*start again"):
            await storage.commit(Batch(save=(track(2),)))
    async with open_sqlite(section) as storage:
        assert await storage.load() == [track()]


# --- who waits for whom -------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_loop_never_touches_the_file(section: SqliteSection) -> None:
    """No method blocks the loop: a guard that raises on blocking calls sees none."""
    with blockbuster_ctx():
        db = sqlite3.connect(":memory:")
        with pytest.raises(BlockingError):
            db.execute("SELECT 1")
        db.close()
        async with open_sqlite(section) as storage:
            await storage.commit(Batch((found(1),), (track(), track(2)), (alert(),), {("s", "p"): AT}))
            (delivery,) = await storage.claim("ops", 1, AT, MINUTE, "courier")
            await storage.settle(delivery, Outcome(Attempt(AT, 0.1), DeliveryState.DELIVERED))
            await storage.fall_back("ops", AT, AT, 0, 10)
            await storage.acknowledge("a1", "me", AT)
            await storage.alerts(AlertQuery())
            await storage.history(key())
            await storage.depths()
            await storage.next_due("ops")
            await storage.load()
            await storage.checkpoints()
            await storage.last_seq()
            await storage.commit(Batch(remove=(key(2),)))
            await storage.compact(AT + MINUTE)
            assert await storage.size() > 0


@pytest.mark.asyncio
async def test_a_long_page_holds_no_commit_up(section: SqliteSection) -> None:
    """Commits go on while a query takes its time."""
    gate, ended = threading.Event(), list[str]()
    async with open_sqlite(section) as storage:

        async def page() -> None:
            await storage.alerts(AlertQuery())
            ended.append("page")

        async with anyio.create_task_group() as group:
            group.start_soon(storage._reader.run, gate.wait)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(page)
            await anyio.wait_all_tasks_blocked()
            with anyio.fail_after(5):
                await storage.commit(Batch(save=(track(),)))
            ended.append("commit")
            gate.set()
    assert ended == ["commit", "page"]


@pytest.mark.asyncio
async def test_compaction_lets_commits_go_between_its_slices(section: SqliteSection) -> None:
    """A commit that comes while old alerts are being deleted does not wait for all of them."""
    ended, gate = list[str](), threading.Event()

    async with open_sqlite(section) as storage:
        await storage.commit(Batch(alerts=tuple(alert(number, ()) for number in range(500))))

        async def compact() -> None:
            await storage.compact(AT + MINUTE)
            ended.append("compact")

        async def commit() -> None:
            await storage.commit(Batch(save=(track(),)))
            ended.append("commit")

        async with anyio.create_task_group() as group:
            group.start_soon(storage._writer.run, gate.wait)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(compact)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(commit)
            await anyio.wait_all_tasks_blocked()
            gate.set()
        assert ended == ["commit", "compact"]
        assert await storage.alerts(AlertQuery()) == []


@pytest.mark.asyncio
async def test_no_slice_of_compaction_is_large(section: SqliteSection) -> None:
    """However quick the disk is: so many alerts or pages at most, and then it is somebody else's turn."""
    said: list[str] = []
    async with open_sqlite(section) as storage:
        await storage.commit(Batch(alerts=tuple(alert(number, ()) for number in range(LARGEST * 5))))
        await storage.commit(Batch(save=tuple(track(number, "x" * 3000) for number in range(LARGEST * 5))))
        await storage.commit(Batch(remove=tuple(key(number) for number in range(LARGEST * 5))))
        await storage._writer.run(lambda: storage._file.db.set_trace_callback(said.append))
        await storage.compact(AT + MINUTE)
    slices = "\n".join(said).split("BEGIN IMMEDIATE")
    deleted = [len(set(re.findall(r"DELETE FROM alert WHERE number = (\d+)", text))) for text in slices]
    assert sum(deleted) == LARGEST * 5
    assert max(deleted) <= LARGEST
    given = [int(number) for number in re.findall(r"incremental_vacuum\((\d+)\)", "\n".join(said))]
    assert sum(given) > LARGEST * 2
    assert max(given) <= LARGEST


@pytest.mark.asyncio
async def test_compaction_gives_space_back_to_the_disk(section: SqliteSection) -> None:
    """After most of it is forgotten, the file is smaller; a little slack may stay."""
    async with open_sqlite(section) as storage:
        await storage.commit(Batch(save=tuple(track(number, "x" * 3000) for number in range(1000))))
        await storage.commit(Batch(remove=tuple(key(number) for number in range(10, 1000))))
        in_use = await storage.size()
        await storage.compact(AT)
        assert await storage.size() <= in_use
        assert await storage.load() == [track(number, "x" * 3000) for number in range(10)]
    assert section.path.stat().st_size < in_use * 1.3 < 1_000_000


@pytest.mark.parametrize(
    ("amount", "seconds", "expected"),
    [
        (32, SLICE / 100, 64),
        (32, SLICE, 32),
        (32, SLICE * 2, 16),
        (32, SLICE * 1000, 1),
        (LARGEST, 0.0, LARGEST),
        (1, SLICE / 3, 2),
    ],
)
def test_slices_grow_slowly_and_shrink_at_once(amount: int, seconds: float, expected: int) -> None:
    """The next slice does what fits its time, never more than twice as much, never nothing."""
    assert next_amount(amount, seconds) == expected
