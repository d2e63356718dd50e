"""Text that others wrote, cut to a size that fits a page, a label and a row."""

MARK = "…"


def clip(text: str, limit: int) -> str:
    """`text` if it has at most `limit` characters, else its beginning and a mark, together `limit` long."""
    return text if len(text) <= limit else text[: max(0, limit - len(MARK))] + MARK


def plain(text: str) -> str:
    """What does not print is spelled out: a name with control characters in it must not play with a terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
