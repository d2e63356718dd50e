"""The `storage` section of the config file."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from monitor.core.retention import Retention
from monitor.section import Section, Span

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]i?)?B")
_UNITS = {"K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
SMALLEST = 1024**2


def read_size(value: Any) -> int:  # Any: whatever YAML holds
    """Read `2GiB`, `500MB` or a number of bytes; raise ValueError that shows the form."""
    size = 0.0
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        size = float(match[1]) * _UNITS.get(match[2], 1)
    if SMALLEST <= size < 2**63:
        return int(size)
    raise ValueError("write a size like 500MiB or 2GiB, at least 1MiB")


Size = Annotated[int, BeforeValidator(read_size)]


class RetentionSection(Section):
    """How long ended instances are kept, and how much room everything may take."""

    successes: Span = timedelta(days=7)
    failures: Span = timedelta(days=30)
    max_bytes: Size = 2 * 1024**3

    def policy(self) -> Retention:
        """The same as a value of the core."""
        return Retention(successes=self.successes, failures=self.failures, max_bytes=self.max_bytes)


class MemorySection(Section):
    """`storage: {type: memory}`: nothing outlives the process."""

    type: Literal["memory"]
    retention: RetentionSection = RetentionSection()


class SqliteSection(Section):
    """`storage: {type: sqlite, path: stagewatch.db}`: one file, owned by one daemon."""

    type: Literal["sqlite"] = "sqlite"
    path: Path
    retention: RetentionSection = RetentionSection()
