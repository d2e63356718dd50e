"""Tracks and histories in SQL; what they mean to callers is in tests/contracts/test_storage.py."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.events import Discovered
from monitor.core.model import InstanceKey, Phase, Track
from monitor.storage.base import Batch, Record
from monitor.storage.sqlite_file import SqliteFile
from monitor.storage.sqlite_tracks import from_micros, keep, read_history, to_micros

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteFile]:
    """An empty file."""
    file = SqliteFile(tmp_path / "store.db", 0)
    yield file
    file.close()


def commit(file: SqliteFile, *names: str, seq: int) -> None:
    """One event for each name, in one batch that also saves their tracks."""
    keys = [InstanceKey("s", "p", name) for name in names]
    records = tuple(Record(seq + n, Discovered(AT, key), None) for n, key in enumerate(keys))
    tracks = tuple(Track(key, "maxcompute", Phase.RUNNING) for key in keys)
    file.transact(lambda db: keep(db, Batch(records, tracks)))


def rows(file: SqliteFile) -> list[tuple[int, int | None]]:
    return file.read(lambda db: db.execute("SELECT seq, earlier FROM event ORDER BY seq").fetchall())


def test_a_commit_is_one_row_for_each_track_chained_to_the_one_before(file: SqliteFile) -> None:
    """Events of one track lie together, and each row leads to the track's earlier one."""
    commit(file, "a", "b", "a", seq=1)
    commit(file, "b", seq=4)
    commit(file, "a", "a", seq=5)
    assert rows(file) == [(2, None), (3, None), (4, 2), (6, 3)]


def test_forgetting_a_track_leaves_nothing_of_its_chain(file: SqliteFile) -> None:
    """However long it is; other chains stay."""
    for seq in range(1, 600, 2):
        commit(file, "a", "b", seq=seq)
    file.transact(lambda db: keep(db, Batch(remove=(InstanceKey("s", "p", "a"),))))
    assert len(rows(file)) == 300
    assert len(file.read(lambda db: read_history(db, InstanceKey("s", "p", "b"), 1000))) == 300


def test_a_short_history_reads_few_rows(file: SqliteFile) -> None:
    """The newest three of many need three rows, whatever lies before them."""
    for seq in range(1, 50):
        commit(file, "a", seq=seq)
    file.db.execute("UPDATE event SET body = x'c1' WHERE seq < 47")  # would be an error to read
    assert [one.seq for one in file.read(lambda db: read_history(db, InstanceKey("s", "p", "a"), 3))] == [47, 48, 49]


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_exact(at: datetime) -> None:
    """To the microsecond, before 1970 too."""
    assert from_micros(to_micros(at)) == at


def test_times_come_back_in_utc() -> None:
    """Whatever zone they were written in."""
    east = AT.astimezone(timezone(timedelta(hours=8)))
    assert from_micros(to_micros(east)).isoformat() == "2026-01-01T00:00:00+00:00"
