"""The `storage` section."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from monitor.core.retention import Retention
from monitor.storage.section import MemorySection, RetentionSection, SqliteSection, read_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GiB", 2 * 1024**3),
        ("500MB", 500_000_000),
        ("1.5 TiB", 3 * 1024**4 // 2),
        ("4096KiB", 4096 * 1024),
        ("2000000B", 2_000_000),
        (1048576, 1048576),
    ],
)
def test_sizes_are_read(text: object, size: int) -> None:
    """Units of 1000 and of 1024, or plain bytes."""
    assert read_size(text) == size


@pytest.mark.parametrize(
    "text", ["2", "2 gib", "GiB", "-1GiB", "1KiB", "", None, True, 0, 1.5e9, "9" * 30 + "B", "1e9B"]
)
def test_other_sizes_are_refused_with_the_form(text: object) -> None:
    """The message shows how to write it."""
    with pytest.raises(ValueError, match="write a size like 500MiB or 2GiB, at least 1MiB"):
        read_size(text)


def test_defaults() -> None:
    """A path is enough, and failures are kept longer than successes."""
    section = SqliteSection.model_validate({"path": "stagewatch.db"})
    assert (section.type, section.path) == ("sqlite", Path("stagewatch.db"))
    assert section.retention.policy() == Retention(timedelta(days=7), timedelta(days=30), 2 * 1024**3)


def test_retention_is_read() -> None:
    """Spans and sizes in their usual forms, for each driver."""
    data = {"type": "memory", "retention": {"successes": "1h", "failures": "2d", "max_bytes": "10MiB"}}
    policy = MemorySection.model_validate(data).retention.policy()
    assert policy == Retention(timedelta(hours=1), timedelta(days=2), 10 * 1024**2)


@pytest.mark.parametrize(
    "data", [{}, {"path": "x", "typo": 1}, {"type": "memory", "path": "x"}, {"path": "x", "retention": {"age": "1d"}}]
)
def test_what_is_wrong_is_refused(data: dict[str, object]) -> None:
    """A missing path and unknown keys are errors."""
    with pytest.raises(ValidationError):
        SqliteSection.model_validate(data)


def test_retention_needs_nothing() -> None:
    """All of it has defaults."""
    assert RetentionSection().policy() == Retention()
