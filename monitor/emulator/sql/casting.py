"""`cast(value as type)`, strict: what does not convert fails the query."""

import math
import re

from monitor.emulator.sql.dates import FORM, moment
from monitor.emulator.sql.errors import SqlError
from monitor.emulator.sql.values import Value, shown

_TYPES = {int: "Bigint", float: "Double", str: "String", bytes: "Binary"}
_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}


def cast(value: Value, to: str) -> Value:
    """The value in another type; null stays null. Raises SqlError where it has no meaning there."""
    if value is None:
        return None
    name = re.sub(r"[(<].*", "", to)
    try:
        if name in _BITS:
            return _whole(value, name)
        if name in ("double", "float", "decimal"):
            return float(value)
        if name in ("string", "varchar", "char"):
            return value.decode() if isinstance(value, bytes) else str(value)
        if name == "boolean":
            return int(value.lower() == "true") if isinstance(value, str) else int(bool(value))
        if name in ("datetime", "timestamp"):
            return moment(value, "cast").strftime(FORM)
        if name == "date":
            return moment(value, "cast").strftime("%Y-%m-%d")
    except (ValueError, OverflowError):
        pass
    raise SqlError(
        "ODPS-0123091",
        f"in function cast, value '{shown(value)}' cannot be casted from {_TYPES[type(value)]} to {name.capitalize()}",
    )


def _whole(value: int | float | str | bytes, name: str) -> int:
    try:
        whole = int(value)
    except ValueError:
        whole = math.trunc(float(value))
    if not -(1 << (_BITS[name] - 1)) <= whole < 1 << (_BITS[name] - 1):
        raise SqlError(
            "ODPS-0121145", f"in function cast, value {shown(value)} is out of the range of {name.capitalize()}"
        )
    return whole
