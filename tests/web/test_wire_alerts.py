"""The public JSON of alerts."""

from datetime import timedelta

import msgspec

from monitor.storage.base import Acknowledgement, AlertRecord, Attempt, Delivery, DeliveryState
from monitor.web import wire, wire_alerts
from tests.web.desk import NOON, alert, key


def test_an_alert_tells_every_way_and_every_try() -> None:
    """A next try is shown only while there is one, and when it was taken first; a try that was taken has no reason."""
    it = alert(1, key("i1"))
    tries = (Attempt(NOON, 9.5, "timeout", None, "no answer"), Attempt(NOON + timedelta(minutes=1), 0.1, "", 200, "ok"))
    ways = (
        Delivery(1, it, "ops", DeliveryState.DELIVERED, tries, NOON),
        Delivery(2, it, "team", DeliveryState.PENDING, tries[:1], NOON + timedelta(minutes=5)),
        Delivery(3, it, "peers", DeliveryState.REPEATING, tries[1:], NOON + timedelta(minutes=6)),
    )
    shown = msgspec.json.decode(wire.encode(wire_alerts.alert(AlertRecord(it, ways, Acknowledgement("ann", NOON)))))
    assert (shown["id"], shown["key"], shown["acknowledged"]["by"]) == (it.id, "warehouse/analytics/i1", "ann")
    assert [(way["channel"], way["state"], way["due_at"], way["delivered_at"]) for way in shown["deliveries"]] == [
        ("ops", "delivered", None, "2016-05-19T12:01:00Z"),
        ("team", "pending", "2016-05-19T12:05:00Z", None),
        ("peers", "repeating", "2016-05-19T12:06:00Z", "2016-05-19T12:01:00Z"),
    ]
    assert [one["reason"] for one in shown["deliveries"][0]["attempts"]] == ["timeout", None]


def test_an_alert_about_a_source_has_no_key() -> None:
    """Null, and nobody has taken charge yet."""
    shown = wire_alerts.alert(AlertRecord(alert(1, None), ()))
    assert (shown.key, shown.deliveries, shown.acknowledged) == (None, (), None)
