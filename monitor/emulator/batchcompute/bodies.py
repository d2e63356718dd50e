"""Bodies of requests: JSON objects that can be given back as they came."""

from typing import Any

import msgspec

from monitor.emulator.errors import ServiceError


def read_object(body: bytes, what: str) -> dict[str, Any]:
    """The object in a body. Raises ServiceError if there is none, saying that it must be `what`."""
    try:
        value = msgspec.json.decode(body)
        msgspec.json.encode(value)  # numbers of any length are read, but not written
    except (msgspec.MsgspecError, UnicodeError, OverflowError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ServiceError(400, "InvalidParameter", f"The body must be {what}.")
    return value
