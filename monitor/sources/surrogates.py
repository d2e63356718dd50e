"""JSON as services write it: a text that was cut in the middle of a character ends with half of a surrogate pair."""

import re

# An escaped backslash, a pair of surrogates, or half a pair: what is left of a character that was cut in two. All begin
# with a letter that is rare, so that megabytes without it cost little.
_SURROGATES = re.compile(r"\\(?:(\\|u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w)|u[dD][89a-fA-F]\w\w)")


def replace_halves(text: str) -> str:
    """The JSON text with the replacement character for each half, which no strict reader takes."""
    return _SURROGATES.sub(lambda found: found[0] if found[1] else r"\ufffd", text)
