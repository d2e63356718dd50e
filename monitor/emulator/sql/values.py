"""What a cell of a table may hold."""

Value = int | float | str | bytes | None


def shown(value: Value) -> str:
    """The value as an error message shows it: never longer than a line."""
    text = str(value)
    return text if len(text) <= 100 else text[:100] + "..."
