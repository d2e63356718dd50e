"""Alerts and the outbox in SQL. Functions over a connection; the caller owns the transaction."""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import takewhile

import msgspec

from monitor.core.alerting import Alert
from monitor.core.codec import decode_alert, encode
from monitor.storage import outbox as rules
from monitor.storage.base import (
    Acknowledgement,
    AlertQuery,
    AlertRecord,
    Attempt,
    Delivery,
    DeliveryState,
    FallenBack,
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
            for channel in alert.channels:
                _put(db, kept.lastrowid, channel, alert.at)


_DUE = "channel = :channel AND due_at <= :at AND coalesce(leased_until, 0) <= :at"
# A state at a time, so that each is found on an index of its own; what nobody was told yet goes first.
_IN_LINE = {DeliveryState.PENDING: "delivery.id", DeliveryState.REPEATING: "due_at, delivery.id"}


def has_due(db: sqlite3.Connection, channel: str, at: datetime) -> bool:
    """Whether a claim would find anything: asked first, so that asking in vain costs no transaction."""
    (found,) = db.execute(
        f"SELECT EXISTS (SELECT 1 FROM delivery WHERE state = 'pending' AND {_DUE}) "  # noqa: S608 - made of constants
        f"OR EXISTS (SELECT 1 FROM delivery WHERE state = 'repeating' AND {_DUE})",
        {"channel": channel, "at": to_micros(at)},
    ).fetchone()
    return bool(found)


def claim(
    db: sqlite3.Connection, channel: str, limit: int, at: datetime, *, lease: timedelta, who: str
) -> list[Delivery]:
    """Lease what is due and free: what is pending, oldest first, then what is to be told again."""
    claimed: list[Delivery] = []
    for state, order in _IN_LINE.items():
        rows = db.execute(
            "SELECT body, delivery.id, channel, state, attempts, due_at, claims + 1 "  # noqa: S608 - made of constants
            f"FROM delivery JOIN alert ON alert.number = delivery.alert WHERE state = '{state}' AND {_DUE} "
            f"ORDER BY {order} LIMIT :limit",
            {"channel": channel, "at": to_micros(at), "limit": max(limit - len(claimed), 0)},
        )
        claimed += [_delivery(decode_alert(row[0]), row[1:]) for row in rows]
    db.executemany(
        "UPDATE delivery SET leased_until = ?, leased_by = ?, claims = ? WHERE id = ?",
        [(to_micros(at + lease), who, delivery.claims, delivery.id) for delivery in claimed],
    )
    return claimed


def settle(db: sqlite3.Connection, delivery: Delivery, outcome: Outcome) -> list[str]:
    """Record an attempt; end the lease, unless it is another's by now; put the alert into the outbox of the channels
    that it falls back to. Returns those that did not have it."""
    found = db.execute(
        "SELECT alert, id, channel, state, attempts, due_at, claims FROM delivery WHERE id = ?", (delivery.id,)
    ).fetchone()
    if found is None:
        return []
    number, row = found[0], _delivery(delivery.alert, found[1:])
    settled = rules.settle(row, delivery.claims, outcome)
    due = settled.row.due_at
    db.execute(
        "UPDATE delivery SET state = ?, due_at = ?, attempts = ? WHERE id = ?",
        (settled.row.state, None if due is None else to_micros(due), _pack(settled.row.attempts), row.id),
    )
    if settled.ends_lease:
        db.execute("UPDATE delivery SET leased_until = NULL, leased_by = NULL WHERE id = ?", (row.id,))
    at = outcome.fallback_at or outcome.attempt.at
    return [channel for channel in settled.fallback if _put(db, number, channel, at)]


def fall_back(
    db: sqlite3.Connection, channel: str, fired_until: datetime, at: datetime, *, after: int, limit: int
) -> FallenBack:
    """Put what has waited for too long into the outbox of the channels that it falls back to."""
    rows = db.execute(
        "SELECT delivery.id, alert.number, body, alert.at FROM delivery JOIN alert ON alert.number = delivery.alert "
        "WHERE state = 'pending' AND channel = ? AND delivery.id > ? ORDER BY delivery.id LIMIT ?",
        (channel, after, limit),
    ).fetchall()
    late = list(takewhile(lambda row: row[3] <= to_micros(fired_until), rows))
    alerts, channels = 0, dict[str, None]()
    for _, number, body, _ in late:
        new = [to for to in rules.falls_back(decode_alert(body), channel) if _put(db, number, to, at)]
        alerts += bool(new)
        channels.update(dict.fromkeys(new))
    upto = late[-1][0] if late else after
    return FallenBack(upto, len(late) == limit, alerts, tuple(channels))


def _put(db: sqlite3.Connection, number: int | None, channel: str, due_at: datetime) -> bool:
    """Add a row to the outbox, unless the channel has the alert."""
    added = db.execute(
        "INSERT INTO delivery (alert, channel, state, due_at, attempts) VALUES (?, ?, 'pending', ?, ?) "
        "ON CONFLICT (alert, channel) DO NOTHING",
        (number, channel, to_micros(due_at), _NONE),
    )
    return added.rowcount > 0


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
    """When the next delivery of a channel is both due and free."""
    wanted = "SELECT min(max(due_at, coalesce(leased_until, 0))) AS at FROM delivery WHERE channel = :channel"
    (micros,) = db.execute(
        f"SELECT min(at) FROM ({wanted} AND state = 'pending' UNION ALL {wanted} AND state = 'repeating')",  # noqa: S608 - made of constants
        {"channel": channel},
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
