"""The SQLite driver: one file, one daemon, one thread that writes and one that answers questions.

The loop never touches the file. Commits, claims and settlements queue for the writer; pages of alerts and histories
are read beside it from the write-ahead log's last commit, so that a long page holds no commit up.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from anyio import Lock, move_on_after

from monitor.core.model import InstanceKey, Track
from monitor.storage import sqlite_outbox as outbox
from monitor.storage import sqlite_tracks as tracks
from monitor.storage.base import (
    AlertQuery,
    AlertRecord,
    Batch,
    Checkpoints,
    Delivery,
    FallenBack,
    Following,
    OutboxDepth,
    Outcome,
    Record,
    StorageError,
)
from monitor.storage.section import SqliteSection
from monitor.storage.sqlite_file import LostFileError, SqliteFile, connect_reader, explained, pragma
from monitor.storage.tail import Tail
from monitor.storage.thread import Worker

T = TypeVar("T")

PATIENCE = 3.0  # seconds for another program to let go of a lock: less than anybody's limit for a commit
SLICE = 0.010  # seconds a slice of compaction aims for: 50 ms are promised, and folding the log in comes on top
LARGEST = 64  # pages or alerts in a slice, so that the log has little to fold in after it
SLACK = 8  # one page in so many may stay free: the next commits take it again


@asynccontextmanager
async def open_sqlite(section: SqliteSection, *, patience: float = PATIENCE) -> AsyncIterator["SqliteStorage"]:
    """The store in `section.path`, made if there is none. Raises StorageError if it cannot be trusted or is in use."""
    writer, reader = Worker("sqlite writer"), Worker("sqlite reader")
    try:
        file = await writer.run(lambda: SqliteFile(section.path, patience))
        try:
            await writer.run(lambda: file.transact(outbox.free_leases))
            queries = await reader.run(lambda: connect_reader(file.path, patience))
        except BaseException:
            with move_on_after(patience, shield=True):
                await writer.run(file.close)
            raise
        storage = SqliteStorage(file, queries, writer, reader)
        try:
            yield storage
        finally:
            with move_on_after(patience, shield=True):  # a disk that hangs must not keep the process
                await storage.aclose()
    finally:
        writer.close()
        reader.close()


class SqliteStorage:
    """See `open_sqlite`."""

    def __init__(self, file: SqliteFile, queries: sqlite3.Connection, writer: Worker, reader: Worker) -> None:
        self._file = file
        self._queries = queries
        self._writer = writer
        self._reader = reader
        self._tail = Tail()
        self._order = Lock()  # batches are published in the order in which they were written
        self._refusal = ""
        self._closed = False

    @property
    def path(self) -> Path:
        """The file, resolved."""
        return self._file.path

    async def load(self) -> Sequence[Track]:
        """Every track that is kept, in the order of discovery."""
        return await self._ask(tracks.read_tracks)

    async def checkpoints(self) -> Checkpoints:
        """The newest checkpoint of every project."""
        return await self._ask(tracks.read_checkpoints)

    async def last_seq(self) -> int:
        """The highest sequence number that was stored."""
        return await self._ask(tracks.read_last_seq)

    async def commit(self, batch: Batch) -> None:
        """Keep it, then publish it. A commit that was left before its outcome is known is the last one."""
        async with self._order:
            await self._tail.room()
            if self._tail.is_sealed:
                raise StorageError(f"{self.path} is sealed: nothing is kept while the daemon stops")
            if batch.writes:
                try:
                    await self._write(partial(_keep, batch=batch))
                except StorageError:
                    raise
                except BaseException:
                    text = "a commit was left before its outcome was known: start again to read what was kept"
                    self._refusal = f"{self.path}: {text}"
                    raise
            self._tail.publish(batch)

    def follow(self) -> Following:
        """Every batch committed after this call."""
        return self._tail.follow()

    def seal(self) -> None:
        """No more commits."""
        self._tail.seal()

    async def history(self, key: InstanceKey, limit: int = 200) -> Sequence[Record]:
        """The newest lasting events of one instance, oldest first."""
        return await self._ask(lambda db: tracks.read_history(db, key, limit))

    async def claim(self, channel: str, limit: int, at: datetime, lease: timedelta, who: str) -> Sequence[Delivery]:
        """Deliveries of a channel that are due and free: pending ones first."""
        if not await self._ask(lambda db: outbox.has_due(db, channel, at)):
            return []
        return await self._write(lambda db: outbox.claim(db, channel, limit, at, lease=lease, who=who))

    async def settle(self, delivery: Delivery, outcome: Outcome) -> Sequence[str]:
        """Record an attempt and end the lease."""
        return await self._write(lambda db: outbox.settle(db, delivery, outcome))

    async def fall_back(self, channel: str, fired_until: datetime, at: datetime, after: int, limit: int) -> FallenBack:
        """Put what has waited for too long into the outbox of the channels that it falls back to."""
        return await self._write(lambda db: outbox.fall_back(db, channel, fired_until, at, after=after, limit=limit))

    async def depths(self) -> Sequence[OutboxDepth]:
        """What waits, per channel."""
        return await self._ask(outbox.read_depths)

    async def next_due(self, channel: str) -> datetime | None:
        """When the next delivery of a channel wants a try, or to be told again."""
        return await self._ask(lambda db: outbox.read_next_due(db, channel))

    async def alerts(self, query: AlertQuery) -> Sequence[AlertRecord]:
        """Alerts with their deliveries, newest first."""
        return await self._ask(lambda db: outbox.read_alerts(db, query))

    async def acknowledge(self, alert: str, by: str, at: datetime) -> AlertRecord | None:
        """Note who took charge of it; the first one stays."""
        return await self._write(lambda db: outbox.acknowledge(db, alert, by, at))

    async def size(self) -> int:
        """Bytes of pages in use."""
        return await self._ask(_size)

    async def compact(self, before: datetime) -> None:
        """Forget old alerts, then give free pages back."""
        after: tuple[int, int] | None = outbox.BEGINNING

        def forget_some(amount: int) -> bool:
            nonlocal after
            if after is not None:
                after = self._file.transact(partial(outbox.forget, before=before, limit=amount, after=after))
            return after is not None

        await self._in_slices(forget_some)
        await self._in_slices(lambda pages: self._file.read(partial(_give_back, pages=pages)))

    async def aclose(self) -> None:
        """Finish what is under way and close; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        self._refusal = f"{self.path}: the store is closed: open it again"
        self._tail.seal()
        await self._reader.run(self._queries.close)
        await self._writer.run(self._file.close)  # the last to close folds the log into the file

    async def _in_slices(self, work: Callable[[int], bool]) -> None:
        # `work` does an amount and says whether there is more; other jobs of the writer get their turn in between.
        amount, more = 32, True
        while more:
            more, seconds = await self._run(self._writer, partial(_timed, work, amount))
            amount = next_amount(amount, seconds)

    async def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        return await self._run(self._reader, lambda: explained(self.path, lambda: question(self._queries)))

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._run(self._writer, lambda: self._file.transact(work))

    async def _run(self, worker: Worker, job: Callable[[], T]) -> T:
        if self._refusal:
            raise StorageError(self._refusal)
        try:
            return await worker.run(job)
        except LostFileError as error:
            self._refusal = str(error)
            raise


def next_amount(amount: int, seconds: float) -> int:
    """How much the next slice should do, when this much took so long: never more than twice as much."""
    return max(1, min(int(amount * SLICE / max(seconds, 1e-6)), amount * 2, LARGEST))


def _keep(db: sqlite3.Connection, batch: Batch) -> None:
    tracks.keep(db, batch)
    outbox.fire(db, batch.alerts)


def _size(db: sqlite3.Connection) -> int:
    (size,) = db.execute(
        "SELECT (page_count - freelist_count) * page_size "
        "FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    ).fetchone()
    return int(size)


def _timed(work: Callable[[int], bool], amount: int) -> tuple[bool, float]:
    began = perf_counter()
    return work(amount), perf_counter() - began


def _give_back(db: sqlite3.Connection, pages: int) -> bool:
    free, slack = int(pragma(db, "freelist_count")), int(pragma(db, "page_count")) // SLACK
    if free <= slack:
        return False
    # A script, because `execute` stops at the first row, and this pragma makes one for every page.
    db.executescript(f"PRAGMA incremental_vacuum({min(pages, free - slack)})")
    return True
