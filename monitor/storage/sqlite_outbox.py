"""Alerts and the outbox in SQL. Functions over a connection; the caller owns the transaction."""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from monitor.core.alerting import Alert
from monitor.core.codec import decode_alert, encode
from monitor.storage.base import (
    MAX_ATTEMPTS,
    Acknowledgement,
    AlertQuery,
    AlertRecord,
    Attempt,
    Delivery,
    DeliveryState,
    OutboxDepth,
    Outcome,
)
from monitor.storage.sqlite_tracks import from_micros, to_micros

_attempts = msgspec.msgpack.Decoder(tuple[Attempt, ...])
_pack = msgspec.msgpack.Encoder().encode
_NONE = _pack(())

_Row = tuple[int, str, str, bytes, int | None, int]  # id, channel, state, attempts, due_at, claims
BEGINNING = (-(2**63), 0)  # before all alerts in the order of `forget`


def fire(db: sqlite3.Connection, alerts: Iterable[Alert]) -> None:
    """Keep each alert that is not kept yet, with an outbox row for each of its channels."""
    for alert in alerts:
        kept = db.execute(
            "INSERT INTO alert (id, at, rule, severity, source, project, key, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO NOTHING",
            (
                alert.id,
                to_micros(alert.at),
                alert.rule,
                alert.severity,
                alert.labels["source"],
                alert.labels["project"],
                str(alert.key) if alert.key else None,
                encode(alert),
            ),
        )
        if kept.rowcount:
            number, due = kept.lastrowid, to_micros(alert.at)
            db.executemany(
                "INSERT INTO delivery (alert, channel, state, due_at, attempts) VALUES (?, ?, 'pending', ?, ?)",
                [(number, channel, due, _NONE) for channel in dict.fromkeys(alert.channels)],
            )


def has_due(db: sqlite3.Connection, channel: str, at: datetime) -> bool:
    """Whether a claim would find anything: asked first, so that asking in vain costs no transaction."""
    found = db.execute(
        "SELECT 1 FROM delivery WHERE state = 'pending' AND channel = :channel "
        "AND due_at <= :at AND coalesce(leased_until, 0) <= :at LIMIT 1",
        {"channel": channel, "at": to_micros(at)},
    )
    return found.fetchone() is not None


def claim(
    db: sqlite3.Connection, channel: str, limit: int, at: datetime, *, lease: timedelta, who: str
) -> list[Delivery]:
    """Lease what is due and free, oldest first."""
    rows = db.execute(
        "SELECT body, delivery.id, channel, state, attempts, due_at, claims + 1 "
        "FROM delivery JOIN alert ON alert.number = delivery.alert WHERE state = 'pending' AND channel = :channel "
        "AND due_at <= :at AND coalesce(leased_until, 0) <= :at ORDER BY delivery.id LIMIT :limit",
        {"channel": channel, "at": to_micros(at), "limit": max(limit, 0)},
    )
    claimed = [_delivery(decode_alert(row[0]), row[1:]) for row in rows]
    db.executemany(
        "UPDATE delivery SET leased_until = ?, leased_by = ?, claims = ? WHERE id = ?",
        [(to_micros(at + lease), who, delivery.claims, delivery.id) for delivery in claimed],
    )
    return claimed


def settle(db: sqlite3.Connection, delivery: Delivery, outcome: Outcome) -> None:
    """Record an attempt; end the lease, unless it is another's by now."""
    row = db.execute("SELECT state, claims, attempts FROM delivery WHERE id = ?", (delivery.id,)).fetchone()
    if row is None:
        return
    state, claims, attempts = DeliveryState(row[0]), row[1], _attempts.decode(row[2])
    db.execute(
        "UPDATE delivery SET attempts = ? WHERE id = ?",
        (_pack((*attempts, outcome.attempt)[-MAX_ATTEMPTS:]), delivery.id),
    )
    final = outcome.state is not DeliveryState.PENDING
    if state is DeliveryState.PENDING and (final or delivery.claims == claims):
        due = to_micros(outcome.due_at or delivery.alert.at) if not final else None
        db.execute(
            "UPDATE delivery SET state = ?, due_at = ?, leased_until = NULL, leased_by = NULL WHERE id = ?",
            (outcome.state, due, delivery.id),
        )
    elif state is DeliveryState.GIVEN_UP and outcome.state is DeliveryState.DELIVERED:
        db.execute("UPDATE delivery SET state = 'delivered' WHERE id = ?", (delivery.id,))


def free_leases(db: sqlite3.Connection) -> None:
    """End every lease. At start nobody else can hold one: the file has one owner, and that is us."""
    db.execute("UPDATE delivery SET leased_until = NULL, leased_by = NULL WHERE leased_until IS NOT NULL")


def read_depths(db: sqlite3.Connection) -> list[OutboxDepth]:
    """What waits, per channel."""
    rows = db.execute(
        "SELECT channel, count(*), min(alert.at) FROM delivery JOIN alert ON alert.number = delivery.alert "
        "WHERE state = 'pending' GROUP BY channel ORDER BY channel"
    )
    return [OutboxDepth(channel, pending, from_micros(oldest)) for channel, pending, oldest in rows]


def read_next_due(db: sqlite3.Connection, channel: str) -> datetime | None:
    """When the next pending delivery of a channel is both due and free."""
    (micros,) = db.execute(
        "SELECT min(max(due_at, coalesce(leased_until, 0))) FROM delivery WHERE state = 'pending' AND channel = ?",
        (channel,),
    ).fetchone()
    return None if micros is None else from_micros(micros)


def read_alerts(db: sqlite3.Connection, query: AlertQuery) -> list[AlertRecord]:
    """Alerts with their deliveries, newest first."""
    wanted = {
        "rule = ?": query.rule,
        "severity = ?": query.severity,
        "source = ?": query.source,
        "project = ?": query.project,
        "key = ?": str(query.key) if query.key else None,
        "number IN (SELECT alert FROM delivery WHERE state = ?)": query.state,
        "number < (SELECT number FROM alert WHERE id = ?)": query.before,
    }
    conditions = {text: value for text, value in wanted.items() if value is not None}
    where = " AND ".join(conditions) or "TRUE"
    return _records(db, f"WHERE {where} ORDER BY number DESC LIMIT ?", (*conditions.values(), max(query.limit, 0)))


def acknowledge(db: sqlite3.Connection, alert: str, by: str, at: datetime) -> AlertRecord | None:
    """Note who took charge of it, unless somebody has."""
    db.execute(
        "UPDATE alert SET acknowledged_by = ?, acknowledged_at = ? WHERE id = ? AND acknowledged_by IS NULL",
        (by, to_micros(at), alert),
    )
    return next(iter(_records(db, "WHERE id = ?", (alert,))), None)


def forget(db: sqlite3.Connection, before: datetime, limit: int, after: tuple[int, int]) -> tuple[int, int] | None:
    """Look at the next `limit` alerts that fired before a time, in the order of (fired, number) beyond `after`, and
    delete those that nothing needs. Returns where to go on, or None at the end."""
    rows = db.execute(
        "SELECT at, number, "
        "  EXISTS (SELECT 1 FROM delivery WHERE delivery.alert = number AND state = 'pending') "
        "  OR EXISTS (SELECT 1 FROM track WHERE track.key = alert.key) "
        "FROM alert WHERE at < ? AND (at, number) > (?, ?) ORDER BY at, number LIMIT ?",
        (to_micros(before), *after, limit),
    ).fetchall()
    db.executemany("DELETE FROM alert WHERE number = ?", [(number,) for _, number, needed in rows if not needed])
    return rows[-1][:2] if len(rows) == limit else None


def _records(db: sqlite3.Connection, where: str, values: Sequence[str | int]) -> list[AlertRecord]:
    alerts = db.execute(
        f"SELECT number, body, acknowledged_by, acknowledged_at FROM alert {where}",  # noqa: S608 - made of constants
        values,
    ).fetchall()
    return [
        AlertRecord(
            alert := decode_alert(body),
            tuple(_delivery(alert, row) for row in _deliveries(db, number)),
            None if by is None else Acknowledgement(by, from_micros(at)),
        )
        for number, body, by, at in alerts
    ]


def _deliveries(db: sqlite3.Connection, number: int) -> sqlite3.Cursor:
    return db.execute(
        "SELECT id, channel, state, attempts, due_at, claims FROM delivery WHERE alert = ? ORDER BY id", (number,)
    )


def _delivery(alert: Alert, row: _Row) -> Delivery:
    number, channel, state, attempts, due, claims = row
    return Delivery(
        id=number,
        alert=alert,
        channel=channel,
        state=DeliveryState(state),
        attempts=_attempts.decode(attempts),
        due_at=None if due is None else from_micros(due),
        claims=claims,
    )
