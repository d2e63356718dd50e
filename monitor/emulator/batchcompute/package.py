"""Unpacks what a job's submitter packed."""

import tarfile
import zlib
from pathlib import Path

from monitor.emulator.batchcompute.orders import OrderError

_CHUNK = 256 * 1024


def unpack(archive: Path, into: Path, limit: int) -> None:
    """Unpacks a tar archive, compressed or not, of at most `limit` bytes unpacked.

    Raises OrderError for what is no such archive, and for members that are devices or outside of the directory.
    """
    left = limit

    def harmless(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        nonlocal left
        left -= member.size + tarfile.BLOCKSIZE
        if left < 0:
            raise OrderError("PackageInvalid", f"the package is larger than {limit} bytes when unpacked")
        return tarfile.data_filter(member, path)

    try:
        with tarfile.open(archive, "r:*") as package:
            package.extractall(into, filter=harmless)  # noqa: S202 - the filter judges every member
            while left > 0 and (rest := package.fileobj.read(_CHUNK)):
                left -= len(rest)  # at its very end a gzip file tells whether it is whole
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise OrderError("PackageInvalid", f"the package cannot be unpacked: {error}") from error
