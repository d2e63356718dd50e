"""Objects in buckets, kept as plain files: `oss://bucket/key` is the file `bucket/key` below one folder.

So people can put files there and take them out by hand. The price: a key must be a path, and `a` and `a/b` cannot both
exist. Everything here blocks; the refusals are those of the service.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO

from monitor.emulator.errors import ServiceError

SCHEME = "oss://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_MAX_KEY_BYTES = 1023
_MAX_NAME_BYTES = 255  # of what stands between two slashes: file systems hold no more
_INCOMING = ".incoming"  # no bucket can have this name
_MAX_DIGESTS = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is, or would be. Raises ServiceError for names that cannot be."""

    bucket: str
    key: str

    def __post_init__(self) -> None:
        check_bucket(self.bucket)
        if fault := _fault_of(self.key):
            shown = self.key if len(self.key) <= 100 else f"{self.key[:100]}.."
            raise ServiceError(400, "InvalidObjectName", f"The specified object is not valid: '{shown}' {fault}.")

    @classmethod
    def read(cls, address: str) -> "Place":
        """Reads `oss://bucket/key`."""
        return cls(*split_address(address))

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Stored:
    """What a listing says about an object: its size in bytes, epoch seconds of its last change, the MD5 in hex."""

    key: str
    size: int
    modified: float
    etag: str


def split_address(address: str) -> tuple[str, str]:
    """The bucket and what follows it in `oss://bucket/..`. Raises ServiceError if it is no such address."""
    bucket, slash, rest = address.removeprefix(SCHEME).partition("/")
    if not address.startswith(SCHEME) or not slash:
        raise ServiceError(400, "InvalidArgument", f"'{address[:100]}' is no address such as oss://bucket/key.")
    return bucket, rest


def check_bucket(name: str) -> None:
    """Raises ServiceError if no bucket can have that name."""
    if not _BUCKET.fullmatch(name):
        raise ServiceError(
            400,
            "InvalidBucketName",
            f"The specified bucket is not valid: '{name[:70]}' must be 3 to 63 of a-z, 0-9 and '-', "
            "and neither begin nor end with '-'.",
        )


class ObjectStore:
    """The objects below one folder, which is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._moves = Lock()  # a directory may be pruned while another thread makes it
        self._digests: dict[Path, tuple[tuple[int, ...], str]] = {}

    def make_bucket(self, name: str) -> None:
        """Makes a bucket, unless it exists."""
        check_bucket(name)
        (self._folder / name).mkdir(parents=True, exist_ok=True)

    def find(self, place: Place) -> Path:
        """The file that holds the object. Raises ServiceError if there is none."""
        path = self._path(place)
        if not path.is_file():
            self._require_bucket(place.bucket)
            raise ServiceError(404, "NoSuchKey", "The specified key does not exist.")
        return path

    @contextmanager
    def incoming(self) -> Iterator[IO[bytes]]:
        """A file to write an object into before it is kept; gone at the end of the block if it was not."""
        directory = self._folder / _INCOMING
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)

    def keep(self, place: Place, file: IO[bytes]) -> None:
        """Gives an incoming file its place, at once and whole; what is written to it later is seen as it comes.

        Raises ServiceError if a file stands where the key needs a directory, or the other way round.
        """
        file.flush()
        target = self._path(place)
        with self._placing(place):
            target.parent.mkdir(parents=True, exist_ok=True)
            Path(file.name).replace(target)

    def make_folder(self, place: Place) -> None:
        """Makes the directory that stands for the empty object `<key>/`, with which clients mark a folder.

        Listings do not show it. Raises ServiceError if a file stands there, or above it.
        """
        with self._placing(place):
            self._path(place).mkdir(parents=True, exist_ok=True)

    def copy_in(self, place: Place, source: Path) -> None:
        """Makes an object of a file."""
        with self.incoming() as file:
            with source.open("rb") as content:
                shutil.copyfileobj(content, file, 1024 * 1024)
            self.keep(place, file)

    @contextmanager
    def live(self, place: Place) -> Iterator[IO[bytes]]:
        """A new object, at first empty, in place of what was there; what is written to it is seen at once."""
        with self.incoming() as file:
            self.keep(place, file)
            with os.fdopen(os.dup(file.fileno()), "wb", buffering=0) as unbuffered:
                yield unbuffered

    def remove(self, place: Place) -> None:
        """Removes an object if it is there, and directories that are empty then."""
        self._require_bucket(place.bucket)
        path = self._path(place)
        with self._moves:
            if not path.is_file():
                return
            path.unlink()
            for directory in list(path.parents)[: place.key.count("/")]:
                try:
                    directory.rmdir()
                except OSError:  # not empty
                    break

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The keys that begin with the prefix, in the order of their bytes. Raises ServiceError without the bucket."""
        check_bucket(bucket)
        self._require_bucket(bucket)
        root = self._folder / bucket
        within = prefix.rpartition("/")[0]
        if within and _fault_of(within):
            return []
        found = []
        for directory, _, names in os.walk(root / within):
            stem = Path(directory).relative_to(root).as_posix()
            for name in names:
                key = name if stem == "." else f"{stem}/{name}"
                if key.startswith(prefix) and not _fault_of(key):
                    found.append(key)
        return sorted(found, key=str.encode)

    @contextmanager
    def opened(self, place: Place) -> Iterator[tuple[IO[bytes], Stored]]:
        """An object to read, and what is known about it. Raises ServiceError if there is none."""
        path = self.find(place)
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            state = (status.st_ino, status.st_size, status.st_mtime_ns)
            known = self._digests.get(path)
            if known is None or known[0] != state:
                digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest().upper()
                if len(self._digests) >= _MAX_DIGESTS:
                    self._digests.clear()
                known = self._digests[path] = (state, digest)
                file.seek(0)
            yield file, Stored(place.key, status.st_size, status.st_mtime, known[1])

    @contextmanager
    def _placing(self, place: Place) -> Iterator[None]:
        with self._moves:
            try:
                yield
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                raise ServiceError(
                    409,
                    "FileAlreadyExists",
                    f"The emulator keeps objects as files, so '{place.key}' cannot be where another key has a "
                    "directory, or below another object.",
                ) from None

    def _path(self, place: Place) -> Path:
        return self._folder / place.bucket / place.key

    def _require_bucket(self, name: str) -> None:
        if not (self._folder / name).is_dir():
            raise ServiceError(404, "NoSuchBucket", "The specified bucket does not exist.")


def _fault_of(key: str) -> str:
    """What keeps a key from being a path below its bucket; "" if nothing does."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "is no UTF-8"
    if not 0 < size <= _MAX_KEY_BYTES:
        return f"must be 1 to {_MAX_KEY_BYTES} bytes long"
    if "\0" in key or "\\" in key:
        return "must not hold NUL or a backslash"
    names = key.split("/")
    if any(name in {"", ".", ".."} for name in names):
        return "must not begin or end with '/', nor have '//', '/./' or '/../': the emulator keeps objects as files"
    if any(len(name.encode()) > _MAX_NAME_BYTES for name in names):
        return f"must not have more than {_MAX_NAME_BYTES} bytes between two slashes: the emulator keeps it as a file"
    return ""
