"""What the API says of alerts, as values."""

import msgspec

from monitor.client.alerts import Alert
from monitor.storage.base import Acknowledgement, AlertRecord, Attempt, Delivery, DeliveryState
from monitor.web import wire, wire_alerts
from tests.web.desk import NOON, alert, key


def test_nothing_that_the_api_says_is_left_out() -> None:
    """What is read and written again is the API's own JSON."""
    one = alert(1, key("i1"))
    delivery = Delivery(1, one, "ops", DeliveryState.PENDING, (Attempt(NOON, 0.1, "timeout", None, "slow"),), NOON)
    record = AlertRecord(one, (delivery,), Acknowledgement("ann@example.test", NOON))
    said = wire.encode(wire_alerts.alert(record))
    read = msgspec.json.decode(said, type=Alert)
    assert msgspec.json.decode(msgspec.json.encode(read)) == msgspec.json.decode(said)
    assert read.deliveries[0].attempts[0].reason == "timeout"
