"""What may stand in a label value: anything that cannot end a scrape."""

import re

from monitor.core.text import clip

LONGEST_ID = 100  # OpenMetrics gives an exemplar 128 characters for its labels, names included

# Prometheus' parser takes NUL for the end of the text; half a surrogate pair cannot be written as UTF-8 at all.
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def fit(text: str) -> str:
    """The text with every character that a scrape cannot carry replaced by U+FFFD."""
    return _UNFIT.sub("\ufffd", text)


def fit_id(text: str) -> str:
    """An instance id for a label or an exemplar, clipped where a service made it absurdly long."""
    return fit(clip(text, LONGEST_ID))
