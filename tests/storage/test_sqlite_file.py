"""The file: its owner, its form, its versions, and what its errors say."""

import re
import sqlite3
from hashlib import blake2b
from pathlib import Path

import pytest

from monitor.core.model import InstanceKey, Phase
from monitor.storage import sqlite_outbox, sqlite_tracks
from monitor.storage.base import Acknowledgement, AlertQuery, DeliveryState, StorageError
from monitor.storage.sqlite_file import APPLICATION, STEPS, SqliteFile, connect_reader, explain, pragma, read_steps

# What each released step says, comments and blanks aside. A step that was released is never edited: files out there
# have already walked it. Add another to schema.sql, its fingerprint here, and a dump of a file of the version before.
FINGERPRINTS = ("675657796739fe46", "20219cd05dbb4a8e")

DUMPS = sorted(Path(__file__).parent.glob("version-*.sql"))


def fingerprint(step: str) -> str:
    words = re.sub(r"--.*", "", step).split()
    return blake2b(" ".join(words).encode(), digest_size=8).hexdigest()


def open_file(path: Path, steps: tuple[str, ...] = STEPS) -> SqliteFile:
    return SqliteFile(path, 0.05, steps)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file may be."""
    return tmp_path / "store.db"


# --- versions -----------------------------------------------------------------------------------------------------


def test_released_steps_are_never_edited() -> None:
    """A change of schema.sql is a new step with a new fingerprint."""
    assert tuple(fingerprint(step) for step in STEPS) == FINGERPRINTS


@pytest.mark.parametrize("text", ["-- version 2\nSELECT 1;", "-- version 1\n-- version 3\n", "CREATE TABLE a (b);"])
def test_steps_are_counted_from_one(text: str) -> None:
    """A gap, or a statement before the first step, is a mistake in the file."""
    with pytest.raises(ValueError, match="a row of steps"):
        read_steps(text)


def test_a_new_file_walks_every_step(path: Path) -> None:
    """It has the newest version, our mark, and can give space back."""
    file = open_file(path)
    assert pragma(file.db, "user_version") == len(STEPS)
    assert pragma(file.db, "application_id") == APPLICATION
    assert (pragma(file.db, "auto_vacuum"), pragma(file.db, "journal_mode")) == (2, "wal")
    assert (pragma(file.db, "synchronous"), pragma(file.db, "foreign_keys")) == (2, 1)
    file.close()


@pytest.mark.parametrize("header", [False, True])
def test_an_empty_file_is_version_zero(path: Path, header: bool) -> None:
    """No bytes at all, or a database without tables: both become ours."""
    path.touch()
    if header:
        db = sqlite3.connect(path)
        db.execute("VACUUM")
        db.close()
        assert path.stat().st_size > 0
    file = open_file(path)
    assert (pragma(file.db, "user_version"), pragma(file.db, "auto_vacuum")) == (len(STEPS), 2)
    file.close()


def test_there_is_a_dump_of_every_version() -> None:
    """So that the next test opens a file of each."""
    assert [path.name for path in DUMPS] == [f"version-{number}.sql" for number in range(1, len(STEPS) + 1)]


@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_a_file_of_an_earlier_version_is_brought_forward(path: Path, dump: Path) -> None:
    """With everything in it."""
    db = sqlite3.connect(path)
    db.executescript(dump.read_text(encoding="utf-8"))
    db.close()
    file = open_file(path)
    assert pragma(file.db, "user_version") == len(STEPS)
    assert pragma(file.db, "integrity_check") == "ok"

    failed, running = file.read(sqlite_tracks.read_tracks)
    assert (failed.phase, running.phase) == (Phase.FAILED, Phase.RUNNING)
    assert failed.failure is not None
    assert failed.failure.code == "ODPS-0130131"
    assert failed.tasks[0].stages[0].backups == 2
    history = file.read(lambda db: sqlite_tracks.read_history(db, failed.key, 10))
    assert [type(record.event).__name__ for record in history] == ["Discovered", "StageFinished", "PhaseChanged"]
    assert file.read(sqlite_tracks.read_last_seq) == 4
    assert list(file.read(sqlite_tracks.read_checkpoints)) == [("warehouse", "analytics")]
    (alert,) = file.read(lambda db: sqlite_outbox.read_alerts(db, AlertQuery()))
    assert isinstance(alert.acknowledged, Acknowledgement)
    assert alert.alert.key == InstanceKey("warehouse", "analytics", "i1")
    assert [(one.channel, one.state, len(one.attempts)) for one in alert.deliveries] == [
        ("ops", DeliveryState.DELIVERED, 2),
        ("mail", DeliveryState.PENDING, 0),
    ]
    file.close()


def test_steps_lead_from_any_version_to_the_newest(path: Path) -> None:
    """Only those that are missing are walked."""
    steps = ("CREATE TABLE a (x); PRAGMA application_id = 0x73746777;", "CREATE TABLE b (x);", "CREATE TABLE c (x);")
    for count in (1, 3):
        open_file(path, steps[:count]).close()
    file = open_file(path, steps)
    assert pragma(file.db, "user_version") == 3
    assert [name for (name,) in file.db.execute("SELECT name FROM sqlite_master ORDER BY name")] == ["a", "b", "c"]
    file.close()


def test_a_step_that_fails_leaves_the_version_before(path: Path) -> None:
    """Half a step is none, and the file can be opened again as it was."""
    good = "CREATE TABLE a (x); PRAGMA application_id = 0x73746777;"
    open_file(path, (good,)).close()
    with pytest.raises(StorageError, match="no such table: missing"):
        open_file(path, (good, "CREATE TABLE b (x); INSERT INTO missing VALUES (1);"))
    file = open_file(path, (good,))
    assert pragma(file.db, "user_version") == 1
    assert [name for (name,) in file.db.execute("SELECT name FROM sqlite_master")] == ["a"]
    file.close()


def test_a_newer_file_is_refused(path: Path) -> None:
    """The message names both versions."""
    file = open_file(path)
    file.db.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(StorageError, match=rf"store.db .* version 99, this release knows {len(STEPS)}"):
        open_file(path)


# --- whose file, and whether it is whole --------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["CREATE TABLE notes (x)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"])
def test_another_programs_database_is_left_alone(path: Path, line: str) -> None:
    """It is not ours to write to."""
    db = sqlite3.connect(path)
    db.execute(line)
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="the database of another program"):
        open_file(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("fault", ["text", "truncated", "scribbled"])
def test_a_damaged_file_is_refused_and_kept(path: Path, fault: str) -> None:
    """The message says what to move away and what is lost; the file is not touched."""
    file = open_file(path)
    file.db.executemany("INSERT INTO track (key, body) VALUES (?, ?)", [(str(n), b"x" * 900) for n in range(200)])
    file.close()
    data = path.read_bytes()
    middle = len(data) // 2
    damaged = {
        "text": b"listen: 127.0.0.1:9690\n" * 100,
        "truncated": data[:middle],
        "scribbled": data[:middle] + b"\xa5" * 8192 + data[middle + 8192 :],
    }[fault]
    path.write_bytes(damaged)
    with pytest.raises(StorageError, match=r"store\.db is damaged .*move it away together with store\.db-wal.*Lost"):
        open_file(path)
    assert path.read_bytes() == damaged


def test_one_file_has_one_owner(path: Path) -> None:
    """A second one is refused by name, also through a link, and may have it once the first has let go."""
    first = open_file(path)
    link = path.with_name("link.db")
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(StorageError, match=r"store\.db belongs to another daemon"):
            open_file(name)
    first.close()
    open_file(link).close()


def test_a_failed_start_lets_go_of_the_file(path: Path) -> None:
    """What was refused can be repaired and opened in the same process."""
    path.write_text("not a database, and long enough to be read as one" * 10)
    with pytest.raises(StorageError):
        open_file(path)
    path.unlink()
    open_file(path).close()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """So that it can be made."""
    with pytest.raises(StorageError, match=re.escape(f"create the folder {tmp_path / 'missing'}")):
        open_file(tmp_path / "missing" / "store.db")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """The path must name a file."""
    with pytest.raises(StorageError, match="is a folder: name a file in it"):
        open_file(tmp_path)


# --- transactions and errors --------------------------------------------------------------------------------------


def test_a_transaction_is_all_or_nothing(path: Path) -> None:
    """Whatever interrupts the work takes all of it back, and the next one begins clean."""
    file = open_file(path)

    def half(db: sqlite3.Connection) -> None:
        db.execute("UPDATE counter SET last_seq = 7")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        file.transact(half)
    assert file.read(sqlite_tracks.read_last_seq) == 0
    file.transact(lambda db: db.execute("UPDATE counter SET last_seq = 8"))
    assert file.read(sqlite_tracks.read_last_seq) == 8
    file.close()


def test_a_reader_cannot_write(path: Path) -> None:
    """It sees what was committed, and no more."""
    file = open_file(path)
    reader = connect_reader(path, 0.05)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("UPDATE counter SET last_seq = 7")
    file.transact(lambda db: db.execute("UPDATE counter SET last_seq = 7"))
    assert sqlite_tracks.read_last_seq(reader) == 7
    reader.close()
    file.close()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_FULL, "disk under .*full: free some space"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "cannot be written: make the file and its folder writable"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "locked by another program: close it"),
        (sqlite3.SQLITE_CORRUPT_INDEX, "is damaged"),
        (sqlite3.SQLITE_NOTADB, "is no database"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened: check that its folder exists"),
        (sqlite3.SQLITE_IOERR_FSYNC, "failed .*check its space, its quota and its health"),
        (sqlite3.SQLITE_TOOBIG, "cannot be used: the words of SQLite"),
    ],
)
def test_an_error_says_what_to_do(code: int, words: str) -> None:
    """Each names the file, extended codes included."""
    error = sqlite3.OperationalError("the words of SQLite")
    error.sqlite_errorcode = code
    told = explain(error, Path("/data/store.db"))
    assert re.search(words, str(told))
    assert "/data/store.db" in str(told)
