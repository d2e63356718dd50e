"""Who gets which text format."""

import pytest
from prometheus_client import CollectorRegistry

from monitor.metrics.negotiation import choose

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        ("text/plain", TEXT),
        ("text/plain; version=0.0.4", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ('Application/OpenMetrics-Text; Version="1.0.0"; charset=utf-8', OPENMETRICS),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        ("text/plain;q=0.5, application/openmetrics-text;version=1.0.0;q=0.2", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0", TEXT),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;version=nonsense", TEXT),
        ("application/openmetrics-text;q=nonsense", TEXT),
        (";;,,=;q", TEXT),
    ],
)
def test_the_preferred_format_that_we_speak(accept: str, content_type: str) -> None:
    """Weights count, versions must be ours, and whatever is not understood gets the format everybody reads."""
    assert choose(accept)[1] == content_type


def test_the_encoder_fits_its_content_type() -> None:
    """Only OpenMetrics marks its end."""
    empty = CollectorRegistry()
    assert choose("text/plain")[0](empty) == b""
    assert choose("application/openmetrics-text")[0](empty) == b"# EOF\n"
