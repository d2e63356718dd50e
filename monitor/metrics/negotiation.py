"""Which of the two text formats a scraper gets.

The library's own choice ignores weights, repeats whatever version the scraper named, and raises on one that is not a
number.
"""

from collections.abc import Callable

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

Encoder = Callable[[Collector], bytes]


def choose(accept: str) -> tuple[Encoder, str]:
    """The encoder and content type for an Accept header: OpenMetrics 1.0 for who prefers it, text 0.0.4 for others."""
    wanted = {_TEXT: 0.0, _OPENMETRICS: 0.0}
    for offer in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in offer.split(";"))
        named = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
        form = _FORMS.get((kind, named.get("version", "").strip('"')))
        if form is not None:
            wanted[form] = max(wanted[form], _weight(named.get("q", "1")))
    if wanted[_OPENMETRICS] > 0 and wanted[_OPENMETRICS] >= wanted[_TEXT]:
        return _openmetrics, openmetrics.CONTENT_TYPE_LATEST
    return _text, CONTENT_TYPE_PLAIN_0_0_4


_TEXT, _OPENMETRICS = "text", "openmetrics"
_FORMS = {
    ("application/openmetrics-text", ""): _OPENMETRICS,
    ("application/openmetrics-text", "1.0.0"): _OPENMETRICS,
    ("text/plain", ""): _TEXT,
    ("text/plain", "0.0.4"): _TEXT,
}


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


# All our names are plain, so that "allow UTF-8" changes no byte; it spares the library to spell out each character.
def _text(families: Collector) -> bytes:
    return generate_latest(families, openmetrics.ALLOWUTF8)


def _openmetrics(families: Collector) -> bytes:
    body: bytes = openmetrics.generate_latest(families, openmetrics.ALLOWUTF8)  # type: ignore[no-untyped-call] # theirs
    return body
