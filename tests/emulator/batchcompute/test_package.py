"""Unpacking what strangers packed."""

import tarfile
from pathlib import Path

import pytest

from monitor.emulator.batchcompute.orders import OrderError
from monitor.emulator.batchcompute.package import unpack
from tests.emulator.batchcompute.workshop import packed, special


def refuse(content: bytes, tmp_path: Path, limit: int = 1000) -> OrderError:
    """Asserts that it is refused and that nothing got out of the directory."""
    (tmp_path / "archive").write_bytes(content)
    (tmp_path / "work").mkdir()
    with pytest.raises(OrderError) as refused:
        unpack(tmp_path / "archive", tmp_path / "work", limit)
    assert refused.value.code == "PackageInvalid"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "work"]
    return refused.value


def test_a_package_is_unpacked_with_its_directories(tmp_path: Path) -> None:
    """Links within it included."""
    (tmp_path / "archive").write_bytes(packed({"a.py": "1", "lib/b.py": "2"}, special("c.py", tarfile.SYMTYPE, "a.py")))
    unpack(tmp_path / "archive", tmp_path / "work", 10_000)
    assert [(tmp_path / "work" / name).read_text() for name in ("a.py", "lib/b.py", "c.py")] == ["1", "2", "1"]


@pytest.mark.parametrize(
    "content",
    [
        packed({"../escaped": "x"}),
        packed({"a/../../escaped": "x"}),
        packed({}, special("link", tarfile.SYMTYPE, "..")),
        packed({}, special("link", tarfile.SYMTYPE, "/etc")),
        packed({}, special("link", tarfile.LNKTYPE, "../archive")),
        packed({}, special("device", tarfile.CHRTYPE)),
        packed({}, special("pipe", tarfile.FIFOTYPE)),
    ],
    ids=["parent", "detour", "link up", "absolute link", "hard link", "device", "pipe"],
)
def test_a_hostile_package_cannot_escape(content: bytes, tmp_path: Path) -> None:
    """Whatever way out it tries, it is refused with the member's name."""
    refuse(content, tmp_path)


def test_an_absolute_name_stays_inside(tmp_path: Path) -> None:
    """It is taken for one below the directory."""
    (tmp_path / "archive").write_bytes(packed({f"{tmp_path}/escaped": "x"}))
    unpack(tmp_path / "archive", tmp_path / "work", 10_000)
    assert not (tmp_path / "escaped").exists()
    assert (tmp_path / "work" / str(tmp_path).lstrip("/") / "escaped").read_text() == "x"


def test_a_package_that_swells_is_refused(tmp_path: Path) -> None:
    """Small as it may be when packed."""
    assert "larger than 1000 bytes" in refuse(packed({"a": "0" * 600, "b": "0" * 600}), tmp_path).message


LARGE = packed({"a": "".join(map(str, range(3000)))})


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04 this is no tar", b"", LARGE[:-2000], LARGE[:3000] + b"?" + LARGE[3001:], LARGE[:-5] + b"?????"],
    ids=["another kind", "empty", "broken off", "spoilt", "spoilt at its end"],
)
def test_a_broken_archive_is_told(content: bytes, tmp_path: Path) -> None:
    """Also one that unpacks to something else than was packed."""
    assert "cannot be unpacked" in refuse(content, tmp_path, limit=10**6).message
