"""What a run brings along and leaves behind: package, input, output and logs, between the store and its directory."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from monitor.emulator.batchcompute.objects import ObjectStore, Place, check_bucket, split_address
from monitor.emulator.batchcompute.orders import Order, OrderError
from monitor.emulator.batchcompute.package import unpack
from monitor.emulator.errors import ServiceError


class Luggage:
    """The files of one run. Everything here blocks, and raises OrderError.

    Local paths, absolute ones too, are below the run's directory: `/home/input` is `home/input` there, because the
    root of this machine is not the job's own.
    """

    def __init__(self, store: ObjectStore, order: Order, folder: Path, package_limit: int) -> None:
        self._store = store
        self._order = order
        self._folder = folder
        self._package_limit = package_limit

    def bring(self) -> None:
        """Unpacks the package, copies the input, and makes the directories that output goes to."""
        self._bring_package()
        for address, local in self._order.input_mapping.items():
            self._bring_input(address, self._locate(local, "InputMapping"), into=local.endswith("/"))
        for local, address in self._order.output_mapping.items():
            path = self._locate(local, "OutputMapping")
            is_folder = local.endswith("/") or address.endswith("/")
            try:
                (path if is_folder else path.parent).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OrderError("OutputInvalid", f"OutputMapping: no place for '{local}': {error.strerror}") from error

    def leave_output(self) -> None:
        """Stores what the program made."""
        for local, address in self._order.output_mapping.items():
            path = self._locate(local, "OutputMapping")
            if not path.exists():
                raise OrderError("OutputNotFound", f"OutputMapping: the program made no '{local}' for {address}")
            for file, target in _uploads(path, address):
                self._store_file(file, target, "OutputFailed", f"OutputMapping '{local}'")

    def leave_logs(self) -> None:
        """Stores the logs that the program wrote; a log that was not written is none that is missed."""
        order = self._order
        for local, address in order.log_mapping.items():
            path = self._locate(local, "LogMapping")
            if path.is_file():
                name = f"{path.name}.{order.job_id}.{order.task}.{order.instance}"
                self._store_file(path, f"{address.rstrip('/')}/{name}", "LogFailed", f"LogMapping '{local}'")

    def _bring_package(self) -> None:
        address = self._order.package_path
        if not address:
            return
        try:
            archive = self._store.find(Place.read(address))
        except ServiceError as error:
            raise OrderError("PackageNotFound", f"PackagePath {address}: {error.message}") from error
        unpack(archive, self._folder, self._package_limit)

    def _bring_input(self, address: str, target: Path, *, into: bool) -> None:
        try:
            bucket, key = split_address(address)
            if key and not key.endswith("/"):
                place = Place(bucket, key)
                _copy_read_only(self._store.find(place), target / place.key.rpartition("/")[2] if into else target)
                return
            check_bucket(bucket)
            target.mkdir(parents=True, exist_ok=True)
            for found in self._store.keys(bucket, key):
                _copy_read_only(self._store.find(Place(bucket, found)), target / found[len(key) :])
        except ServiceError as error:
            raise OrderError("InputNotFound", f"InputMapping {address}: {error.message}") from error
        except OSError as error:
            raise OrderError("InputFailed", f"InputMapping {address}: {error.strerror}: '{error.filename}'") from error

    def _store_file(self, file: Path, address: str, code: str, what: str) -> None:
        try:
            self._store.copy_in(Place.read(address), file)
        except ServiceError as error:
            raise OrderError(code, f"{what}: {error.message}") from error
        except OSError as error:
            raise OrderError(code, f"{what}: {error.strerror}") from error

    def _locate(self, local: str, what: str) -> Path:
        path = Path(os.path.normpath(self._folder / local.lstrip("/")))
        if "\0" in local or not path.is_relative_to(self._folder):
            raise OrderError("MappingInvalid", f"{what}: '{local}' is no path in the run's directory")
        return path


def _uploads(path: Path, address: str) -> Iterator[tuple[Path, str]]:
    """Files and where each goes: a file itself, or all regular files of a directory."""
    if not path.is_dir():
        yield path, f"{address}{path.name}" if address.endswith("/") else address
        return
    for parent, _, names in os.walk(path):
        for file in (Path(parent, name) for name in names):
            if file.is_file():  # a pipe would be read for ever
                yield file, f"{address.rstrip('/')}/{file.relative_to(path).as_posix()}"


def _copy_read_only(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # the package may have one there, or a link
    shutil.copyfile(source, target)
    target.chmod(0o444)
