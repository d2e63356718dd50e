"""Tracks, their histories and checkpoints in SQL. Functions over a connection; the caller owns the transaction."""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from monitor.core.codec import decode_event, decode_track, encode
from monitor.core.events import InstanceEvent
from monitor.core.model import InstanceKey, Track
from monitor.storage.base import Batch, Checkpoints, Record, StorageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# A row of events: their sequence numbers, and each as core/codec.py writes it.
_rows = msgspec.msgpack.Encoder()
_events = msgspec.msgpack.Decoder(list[tuple[int, msgspec.Raw]])

# The newest ?2 rows of the history of track ?1; -1 for all.
_CHAIN = """
    WITH RECURSIVE chain (seq, earlier) AS (
        SELECT event.seq, event.earlier FROM track JOIN event ON event.seq = track.last_event WHERE track.key = ?1
        UNION ALL
        SELECT event.seq, event.earlier FROM chain JOIN event ON event.seq = chain.earlier
        ORDER BY 1 DESC LIMIT ?2
    )
"""


def to_micros(at: datetime) -> int:
    """Exact, unlike a float of seconds."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The inverse of `to_micros`, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def keep(db: sqlite3.Connection, batch: Batch) -> None:
    """Write all of a batch but its alerts."""
    db.executemany(
        "INSERT INTO track (key, body) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET body = excluded.body",
        [(str(track.key), encode(track)) for track in batch.save],
    )
    if lasting := batch.lasting:
        _append(db, lasting)
    db.executemany(
        "INSERT INTO checkpoint VALUES (?, ?, ?) "
        "ON CONFLICT (source, project) DO UPDATE SET upto = max(upto, excluded.upto)",
        [(source, project, to_micros(upto)) for (source, project), upto in batch.checkpoints.items()],
    )
    for key in batch.remove:
        db.execute(f"DELETE FROM event WHERE seq IN ({_CHAIN} SELECT seq FROM chain)", (str(key), -1))  # noqa: S608 - made of constants
        db.execute("DELETE FROM track WHERE key = ?", (str(key),))


def _append(db: sqlite3.Connection, lasting: Sequence[Record]) -> None:
    if lasting[0].seq <= read_last_seq(db):
        raise StorageError(f"event {lasting[0].seq} is already stored: the ledger must go on from last_seq")
    mine: dict[InstanceKey, list[tuple[int, msgspec.Raw]]] = {}
    for record in lasting:
        if isinstance(record.event, InstanceEvent):
            mine.setdefault(record.event.key, []).append((record.seq, msgspec.Raw(encode(record.event))))
    rows = [(str(key), events[-1][0], _rows.encode(events)) for key, events in mine.items()]
    db.executemany("INSERT INTO event (seq, earlier, body) SELECT ?2, last_event, ?3 FROM track WHERE key = ?1", rows)
    db.executemany("UPDATE track SET last_event = ?2 WHERE key = ?1", [row[:2] for row in rows])
    db.execute("UPDATE counter SET last_seq = ?", (lasting[-1].seq,))


def read_tracks(db: sqlite3.Connection) -> list[Track]:
    """Every track, in the order of discovery."""
    return [decode_track(body) for (body,) in db.execute("SELECT body FROM track ORDER BY id")]


def read_history(db: sqlite3.Connection, key: InstanceKey, limit: int) -> list[Record]:
    """The newest events of one track, oldest first."""
    if limit <= 0:
        return []
    rows = db.execute(
        f"{_CHAIN} SELECT body FROM chain JOIN event USING (seq) ORDER BY seq",  # noqa: S608 - made of constants
        (str(key), limit),
    )
    return [record for (body,) in rows for record in _read_row(body)][-limit:]


def _read_row(body: bytes) -> Iterable[Record]:
    return (Record(seq, decode_event(raw), None) for seq, raw in _events.decode(body))


def read_checkpoints(db: sqlite3.Connection) -> Checkpoints:
    """The newest checkpoint of every project."""
    rows = db.execute("SELECT source, project, upto FROM checkpoint")
    return {(source, project): from_micros(upto) for source, project, upto in rows}


def read_last_seq(db: sqlite3.Connection) -> int:
    """The highest sequence number that was stored."""
    (last_seq,) = db.execute("SELECT last_seq FROM counter").fetchone()
    return int(last_seq)
