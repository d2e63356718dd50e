"""The words that options choose from."""

from monitor.cli.forms import Order
from monitor.client.words import ORDERS


def test_orders_are_those_that_are_known() -> None:
    """An order that can be asked for can be had."""
    assert tuple(Order) == ORDERS
