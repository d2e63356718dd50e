"""The tests mirror the package, file by file: whoever changes a file knows where its tests are."""

from pathlib import Path

ROOT = Path(__file__).parents[1]

# A file without a test file of its own, with the reason. This list may only shrink.
EXCEPTIONS = {
    "monitor/cli/daemon.py": "started as a process by tests/e2e",
    "monitor/cli/emulators.py": "started as a process by tests/e2e",
    "monitor/cli/exits.py": "seen at the end of every command in tests/cli",
    "monitor/demo.py": "started as a process by tests/e2e/test_demo.py",
    "monitor/notify/base.py": "promises, held by tests/contracts/test_notifier.py",
    "monitor/sources/base.py": "promises, held by tests/contracts/test_source.py",
    "monitor/storage/base.py": "promises, held by tests/contracts/test_storage.py",
}


def mirror_of(source: Path) -> Path:
    """Where the tests of `source` belong."""
    inside = source.relative_to(ROOT / "monitor")
    return ROOT / "tests" / inside.parent / f"test_{inside.name}"


def sources() -> list[Path]:
    """Every file with something in it to test."""
    return [path for path in sorted((ROOT / "monitor").rglob("*.py")) if path.name != "__init__.py"]


def test_every_source_file_has_its_test_file() -> None:
    """Except for those that the list excuses."""
    missing = {
        str(source.relative_to(ROOT)) for source in sources() if not mirror_of(source).exists()
    } - EXCEPTIONS.keys()
    assert missing == set()


def test_exceptions_are_needed() -> None:
    """An excuse goes when the file is gone, or has its test file."""
    stale = {name for name in EXCEPTIONS if not (ROOT / name).exists() or mirror_of(ROOT / name).exists()}
    assert stale == set()
