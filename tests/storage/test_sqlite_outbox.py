"""Alerts and the outbox in SQL; what they mean to callers is in tests/contracts/test_storage.py."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.core.alerting import Alert
from monitor.core.model import InstanceKey
from monitor.storage.base import AlertQuery, Attempt, DeliveryState, Outcome
from monitor.storage.sqlite_file import SqliteFile
from monitor.storage.sqlite_outbox import BEGINNING, claim, fire, forget, has_due, read_alerts, settle

AT = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteFile]:
    """An empty file."""
    file = SqliteFile(tmp_path / "store.db", 0)
    yield file
    file.close()


def alert(number: int, *channels: str, after: int = 0) -> Alert:
    at, labels = AT + after * MINUTE, {"source": "s", "project": "p"}
    return Alert(f"a{number}", "Rule", "critical", InstanceKey("s", "p", "i"), 1, at, at, labels, {}, channels)


def plan(file: SqliteFile, query: str) -> str:
    return " ".join(row[3] for row in file.db.execute(f"EXPLAIN QUERY PLAN {query}"))


def test_asking_in_vain_finds_nothing_to_claim(file: SqliteFile) -> None:
    """There is something exactly when a claim would return it."""
    file.transact(lambda db: fire(db, [alert(1, "ops", after=1)]))
    assert not has_due(file.db, "ops", AT)
    assert not has_due(file.db, "mail", AT + MINUTE)
    assert has_due(file.db, "ops", AT + MINUTE)
    file.transact(lambda db: claim(db, "ops", 1, AT + MINUTE, lease=MINUTE, who="courier"))
    assert not has_due(file.db, "ops", AT + MINUTE)
    assert has_due(file.db, "ops", AT + 2 * MINUTE)


def test_a_long_line_is_passed_on_its_index_alone(file: SqliteFile) -> None:
    """Deliveries that are delivered, not due or leased cost a claim no look at their rows."""
    line = "FROM delivery WHERE state = 'pending' AND channel = 'x'"
    index = "SEARCH delivery USING COVERING INDEX outbox (channel=?)"
    assert plan(file, f"SELECT id {line} AND due_at <= 1 AND coalesce(leased_until, 0) <= 1 ORDER BY id") == index
    assert plan(file, f"SELECT min(max(due_at, coalesce(leased_until, 0))) {line}") == index


def test_what_is_told_again_is_found_on_its_index_alone(file: SqliteFile) -> None:
    """In the order in which it is due, without sorting; what is delivered is not looked at."""
    line = "FROM delivery WHERE state = 'repeating' AND channel = 'x'"
    due = f"{line} AND due_at <= 1 AND coalesce(leased_until, 0) <= 1"
    index = "SEARCH delivery USING COVERING INDEX repeats (channel=?"
    assert plan(file, f"SELECT id {due} ORDER BY due_at, id") == f"{index} AND due_at<?)"
    assert plan(file, f"SELECT min(max(due_at, coalesce(leased_until, 0))) {line}") == f"{index})"


def test_asking_in_vain_looks_at_what_is_told_again(file: SqliteFile) -> None:
    """It is due like any other."""
    file.transact(lambda db: fire(db, [alert(1, "ops")]))
    (first,) = file.transact(lambda db: claim(db, "ops", 1, AT, lease=MINUTE, who="courier"))
    again = Outcome(Attempt(AT, 0.1), DeliveryState.REPEATING, AT + 2 * MINUTE)
    file.transact(lambda db: settle(db, first, again))
    assert not has_due(file.db, "ops", AT + MINUTE)
    assert has_due(file.db, "ops", AT + 2 * MINUTE)


def test_the_alerts_of_a_track_are_found_by_their_index(file: SqliteFile) -> None:
    """The page of one instance reads its own alerts only."""
    found = plan(file, "SELECT body FROM alert WHERE key = 's/p/i' ORDER BY number DESC LIMIT 9")
    assert found == "SEARCH alert USING INDEX alert_of_track (key=?)"


def test_forgetting_goes_on_where_it_stopped(file: SqliteFile) -> None:
    """Each call looks at so many alerts, oldest first and past those that must stay, until there are no more."""
    fired = [alert(0, "ops", after=3), alert(1, after=2), alert(2, "ops", after=1), alert(3), alert(4, after=9)]
    file.transact(lambda db: fire(db, fired))
    left, after = [], BEGINNING
    while after is not None:
        after = file.transact(lambda db, after=after: forget(db, AT + 5 * MINUTE, 1, after))
        left.append(sorted(one.alert.id for one in file.read(lambda db: read_alerts(db, AlertQuery()))))
    assert left == [
        ["a0", "a1", "a2", "a4"],
        ["a0", "a1", "a2", "a4"],
        ["a0", "a2", "a4"],
        ["a0", "a2", "a4"],
        ["a0", "a2", "a4"],
    ]


def test_an_alert_takes_its_deliveries_along(file: SqliteFile) -> None:
    """Nothing of it is left in the outbox."""
    file.transact(lambda db: fire(db, [alert(1, "ops", "mail")]))
    file.db.execute("UPDATE delivery SET state = 'delivered'")
    file.transact(lambda db: forget(db, AT + MINUTE, 10, BEGINNING))
    assert file.db.execute("SELECT count(*) FROM delivery").fetchone() == (0,)
