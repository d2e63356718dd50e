"""The file of the SQLite driver: who owns it, whether it is ours and whole, which version it has, what its errors mean.

Nothing here ever deletes or replaces a file: what to do with a damaged one is the operator's decision.
"""

import os
import re
import sqlite3
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from msgspec import DecodeError, MsgspecError

from monitor.storage.base import StorageError

T = TypeVar("T")

APPLICATION = 0x73746777  # "stgw", as in schema.sql

PRAGMAS = (
    "synchronous = FULL",  # a commit that returned survives a power cut
    "foreign_keys = ON",
    "cache_size = -16384",  # KiB
    "journal_size_limit = 67108864",  # after a burst, the write-ahead log shrinks to this
)


class LostFileError(StorageError):
    """The file is not what it was, and no later try will find it better: nothing more must be kept in it."""


def read_steps(text: str) -> tuple[str, ...]:
    """The steps of a schema: step N is what stands below the line `-- version N`."""
    head, *parts = re.split(r"^-- version (\d+)$", text, flags=re.MULTILINE)
    if [int(number) for number in parts[::2]] != list(range(1, len(parts) // 2 + 1)) or "CREATE" in head:
        raise ValueError("a schema is a row of steps: -- version 1, -- version 2, ...")
    return tuple(parts[1::2])


STEPS = read_steps(files("monitor.storage").joinpath("schema.sql").read_text(encoding="utf-8"))


def explain(error: Exception, path: Path) -> StorageError:
    """The one place that says what an error means and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    match code:
        case sqlite3.SQLITE_FULL:
            text = f"the disk under {path} is full: free some space, or lower storage.retention.max_bytes"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            text = f"{path} cannot be written: make the file and its folder writable for the user of this process"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            text = f"{path} is locked by another program: close it (`fuser {path}` names it)"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return LostFileError(damaged(path, str(error)))
        case sqlite3.SQLITE_CANTOPEN:
            text = f"{path} cannot be opened: check that its folder exists and that this user may write there"
        case sqlite3.SQLITE_IOERR:
            text = f"the disk under {path} failed ({error}): check its space, its quota and its health"
        case _ if isinstance(error, sqlite3.Error | OSError):
            text = f"{path} cannot be used: {error}"
        case _ if isinstance(error, DecodeError):
            text = (
                f"{path} holds a record that this release cannot read ({error}): run the release that wrote it, "
                f"or move the file away and start again"
            )
        case _:
            text = f"a record for {path} cannot be written down: {error}"
    return StorageError(text)


def damaged(path: Path, what: str) -> str:
    """What the operator reads about a file that cannot be trusted."""
    return (
        f"{path} is damaged or is no database ({what}): move it away together with {path.name}-wal and start again. "
        f"Lost with it: acknowledgements, which alerts were already delivered, and all that the services no longer list"
    )


def explained(path: Path, job: Callable[[], T]) -> T:
    """Run the job; whatever the database or the codec raises becomes a StorageError."""
    try:
        return job()
    except (sqlite3.Error, OSError, MsgspecError, ValueError, OverflowError) as error:
        raise explain(error, path) from error


class SqliteFile:
    """An open file with its owner's lock. All of it must be used in one thread. Opening raises StorageError.

    patience  seconds to wait for another program that holds a lock
    """

    def __init__(self, path: Path, patience: float, steps: tuple[str, ...] = STEPS) -> None:
        self.path = explained(path, lambda: _locate(path))
        self._owner = explained(self.path, self._take)
        try:
            self.db = explained(self.path, lambda: connect(self.path, patience))
            try:
                explained(self.path, lambda: self._prepare(steps))
                # The log is there from the first reading on, and under the same name until the file is closed.
                log = self.path.with_name(f"{self.path.name}-wal")
                self._whole = {path: explained(self.path, partial(_identity, path)) for path in (self.path, log)}
            except BaseException:
                self.db.close()
                raise
        except BaseException:
            self._owner.close()
            raise

    def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run the work in one transaction: all of it is kept, or StorageError is raised and none of it is."""

        def job() -> T:
            self._require_files()
            self.db.execute("BEGIN IMMEDIATE")
            try:
                result = work(self.db)
                self.db.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself; a second time would hide why.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
            return result

        return explained(self.path, job)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run work that changes nothing, or that needs no transaction."""
        return explained(self.path, lambda: work(self.db))

    def close(self) -> None:
        """Close the file, then let others have it."""
        self.db.close()
        self._owner.close()

    def _require_files(self) -> None:
        # SQLite writes on into a file that has no name any more, and nobody would find it again.
        for path, identity in self._whole.items():
            if _identity(path) != identity:
                raise LostFileError(
                    f"{path} was deleted, moved away or replaced while the daemon ran: put it back, or leave it, and "
                    f"start again; what is not there then is read from the services as far as they still list it"
                )

    def _take(self) -> sqlite3.Connection:
        # A lock that SQLite holds on a file beside ours: the system lets go of it when the process dies, however it
        # dies, and it works on every system. Ours must stay open to readers, so the lock cannot be on the file itself.
        beside = self.path.with_name(f"{self.path.name}.owner")
        owner = connect(beside, 0)
        try:
            owner.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            owner.close()
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            raise StorageError(
                f"{self.path} belongs to another daemon that is running (`fuser {beside}` names it): "
                f"stop that one, or give this one its own storage.path"
            ) from error
        return owner

    def _prepare(self, steps: tuple[str, ...]) -> None:
        version = self._identify(len(steps))
        if version:
            self._check()
        else:
            # Only an empty file can be told to give space back; VACUUM makes it so where a header is already there.
            self.db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self.db.execute("VACUUM")
        if pragma(self.db, "journal_mode = WAL") != "wal":
            raise StorageError(f"{self.path} is on a file system without shared memory: use a local disk")
        for line in PRAGMAS:
            self.db.execute(f"PRAGMA {line}")
        for number, step in enumerate(steps[version:], version + 1):
            # The version is in the same commit as what it stands for.
            try:
                self.db.executescript(f"BEGIN IMMEDIATE;\n{step}\nPRAGMA user_version = {number};\nCOMMIT;")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    def _identify(self, newest: int) -> int:
        application, version = int(pragma(self.db, "application_id")), int(pragma(self.db, "user_version"))
        (tables,) = self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION and (application or version or tables):
            raise StorageError(f"{self.path} is the database of another program: give this one its own storage.path")
        if version > newest:
            raise StorageError(
                f"{self.path} was written by a newer release (its schema is version {version}, this release knows "
                f"{newest}): run that release, or give this one its own storage.path"
            )
        return version

    def _check(self) -> None:
        found = pragma(self.db, "quick_check(1)")
        if found != "ok":
            raise StorageError(damaged(self.path, str(found).replace("\n", " ")))


def _identity(path: Path) -> tuple[int, int]:
    """What tells a file from another one of its name; nothing's is (0, 0)."""
    try:
        found = os.stat(path)  # noqa: PTH116 - in every commit: half the price
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino


def _locate(path: Path) -> Path:
    # Resolved, so that two names of one file have one owner.
    path = path.resolve()
    if not path.parent.is_dir():
        raise StorageError(f"{path} cannot be opened: create the folder {path.parent}")
    if path.is_dir():
        raise StorageError(f"{path} is a folder: name a file in it")
    return path


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """A connection that leaves transactions to us."""
    return sqlite3.connect(path, timeout=patience, isolation_level=None)


def connect_reader(path: Path, patience: float) -> sqlite3.Connection:
    """A second connection, for queries only. Raises StorageError."""

    def job() -> sqlite3.Connection:
        db = connect(path, patience)
        db.execute("PRAGMA query_only = ON")
        db.execute("PRAGMA cache_size = -16384")
        return db

    return explained(path, job)


def pragma(db: sqlite3.Connection, line: str) -> str | int:
    """The first value that a pragma answers."""
    value: str | int = db.execute(f"PRAGMA {line}").fetchone()[0]
    return value
