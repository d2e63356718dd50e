"""What the bodies of channels are made of."""

from collections.abc import Mapping
from datetime import UTC, datetime


def clean(texts: Mapping[str, str]) -> dict[str, str]:
    """Text that others wrote may hold half a character, which is not JSON: the alert goes out with a mark for it."""
    return {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}


def rfc3339(at: datetime) -> str:
    """A time as receivers read it, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
