"""What the web side asks of the app."""

from monitor.web.parts import Readiness


def test_ready_is_when_nothing_is_awaited() -> None:
    """One thing that is awaited is enough not to be."""
    assert Readiness().is_ready
    assert not Readiness(("warehouse/analytics has not been swept yet",)).is_ready
