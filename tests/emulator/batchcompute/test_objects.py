"""Objects as files below one folder."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from monitor.emulator.batchcompute.objects import ObjectStore, Place
from monitor.emulator.errors import ServiceError


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "oss")


def put(store: ObjectStore, key: str, content: bytes = b"content", bucket: str = "demo") -> None:
    with store.incoming() as file:
        file.write(content)
        store.keep(Place(bucket, key), file)


def code_of(address: str) -> str:
    with pytest.raises(ServiceError) as refused:
        Place.read(address)
    return refused.value.code


@pytest.mark.parametrize(
    "key",
    [
        "", "/", "/etc/passwd", "..", "../demo2/x", "a/../../x", "a/./b", "a//b", "a/", "a\0b", "a\\b", "k" * 256,
        "a/" * 511 + "ab", "\ud800",
    ],
)  # fmt: skip
def test_hostile_keys_are_refused(key: str) -> None:
    """Nothing that could leave the bucket's directory, or that a file system cannot hold, is a place."""
    assert code_of(f"oss://demo/{key}") == "InvalidObjectName"


@pytest.mark.parametrize("bucket", ["", "..", "ab", "Demo", "-demo", "demo-", "de_mo", "d" * 64, ".incoming"])
def test_bucket_names_follow_the_rules_of_the_service(bucket: str) -> None:
    """3 to 63 lower-case letters, digits and hyphens; so a bucket is never a path."""
    assert code_of(f"oss://{bucket}/key") == "InvalidBucketName"


@pytest.mark.parametrize("address", ["demo/key", "oss://demo", "http://demo/key", ""])
def test_an_address_needs_scheme_bucket_and_key(address: str) -> None:
    """Whatever else is told what it should look like."""
    assert code_of(address) == "InvalidArgument"


def test_an_object_is_a_plain_file(store: ObjectStore, tmp_path: Path) -> None:
    """People find it where its address says."""
    put(store, "logs/数据 1.txt", b"some")
    assert (tmp_path / "oss/demo/logs/数据 1.txt").read_bytes() == b"some"
    assert str(Place("demo", "logs/1")) == "oss://demo/logs/1"


def test_what_is_missing_is_told_by_name(store: ObjectStore) -> None:
    """A missing bucket is another error than a missing key in one that is there."""
    with pytest.raises(ServiceError, match="bucket"):
        store.find(Place("demo", "a"))
    store.make_bucket("demo")
    with pytest.raises(ServiceError, match="key"):
        store.find(Place("demo", "a"))


def test_what_was_not_kept_is_gone(store: ObjectStore, tmp_path: Path) -> None:
    """A body that breaks off leaves neither an object nor a file."""

    def break_off() -> None:
        with store.incoming() as file:
            file.write(b"half")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        break_off()
    assert [path for path in (tmp_path / "oss").rglob("*") if path.is_file()] == []


def test_an_object_is_never_seen_half(store: ObjectStore) -> None:
    """While writers replace it, readers find one content or another, whole."""
    contents = [bytes([65 + n]) * 100_000 for n in range(4)]
    put(store, "a", contents[0])

    def write(content: bytes) -> None:
        for _ in range(20):
            put(store, "a", content)

    def read() -> list[bytes]:
        seen = []
        for _ in range(60):
            with store.opened(Place("demo", "a")) as (file, _stored):
                seen.append(file.read())
        return seen

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, content) for content in contents]
        seen = pool.submit(read).result()
        for writer in writers:
            writer.result()
    assert set(seen) <= set(contents)


def test_a_file_and_a_directory_cannot_share_a_name(store: ObjectStore) -> None:
    """The price of plain files, told as such, both ways round."""
    put(store, "a/b")
    put(store, "c")
    for key in ("a", "c/d", "c/d/e"):
        with pytest.raises(ServiceError, match="keeps objects as files") as refused:
            put(store, key)
        assert refused.value.code == "FileAlreadyExists"


def test_a_folder_is_a_directory_that_no_listing_shows(store: ObjectStore, tmp_path: Path) -> None:
    """It may be made twice, and keys come below it; where an object is it cannot be."""
    for _ in range(2):
        store.make_folder(Place("demo", "a/b"))
    assert (tmp_path / "oss/demo/a/b").is_dir()
    assert store.keys("demo") == []
    put(store, "a/b/c")
    with pytest.raises(ServiceError) as refused:
        store.make_folder(Place("demo", "a/b/c"))
    assert refused.value.code == "FileAlreadyExists"


def test_removing_leaves_no_empty_directories(store: ObjectStore, tmp_path: Path) -> None:
    """So a removed `a/b/c` does not stand in the way of `a`; the bucket stays, and removing twice is no fault."""
    put(store, "a/b/c")
    put(store, "a/d")
    store.remove(Place("demo", "a/b/c"))
    store.remove(Place("demo", "a/b/c"))
    assert store.keys("demo") == ["a/d"]
    assert not (tmp_path / "oss/demo/a/b").exists()
    store.remove(Place("demo", "a/d"))
    put(store, "a")
    assert store.keys("demo") == ["a"]


def test_keys_come_in_the_order_of_their_bytes(store: ObjectStore) -> None:
    """As the service lists them, directories or not, whatever begins with the prefix."""
    for key in ("b", "a/b", "a-b", "a/a/z", "a.b", "ä"):
        put(store, key)
    assert store.keys("demo") == ["a-b", "a.b", "a/a/z", "a/b", "b", "ä"]
    assert store.keys("demo", "a/") == ["a/a/z", "a/b"]
    assert store.keys("demo", "a/a") == ["a/a/z"]
    assert store.keys("demo", "../demo/") == []
    with pytest.raises(ServiceError):
        store.keys("other")


def test_the_etag_is_the_md5_and_follows_the_content(store: ObjectStore) -> None:
    """Also when the file is changed by hand, and asked for again when nothing has changed."""
    place = Place("demo", "a")
    put(store, "a", b"one")
    for content in (b"one", b"one", b"other"):
        put(store, "a", content)
        with store.opened(place) as (file, stored):
            assert (stored.size, stored.etag) == (len(content), hashlib.md5(content).hexdigest().upper())
            assert file.read() == content


def test_a_live_object_is_seen_as_it_grows(store: ObjectStore) -> None:
    """From the moment it is begun, in place of what was there, until somebody else takes its place."""
    place = Place("demo", "logs/stdout")
    put(store, "logs/stdout", b"of the run before")
    with store.live(place) as log:
        assert store.find(place).read_bytes() == b""
        log.write(b"first\n")
        log.write(b"second\n")
        assert store.find(place).read_bytes() == b"first\nsecond\n"
        put(store, "logs/stdout", b"of the next run")
        log.write(b"too late")
    assert store.find(place).read_bytes() == b"of the next run"


def test_a_file_is_copied_in(store: ObjectStore, tmp_path: Path) -> None:
    """The object does not change with the file it was made of."""
    (tmp_path / "file").write_bytes(b"then")
    store.copy_in(Place("demo", "copy"), tmp_path / "file")
    (tmp_path / "file").write_bytes(b"now")
    assert store.find(Place("demo", "copy")).read_bytes() == b"then"
