"""Files between the store and the directory of a run."""

import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from monitor.emulator.batchcompute.luggage import Luggage
from monitor.emulator.batchcompute.objects import ObjectStore
from monitor.emulator.batchcompute.orders import OrderError
from tests.emulator.batchcompute.workshop import order, packed, special


class Trip:
    """One run's directory, and a store whose objects are files of the bucket `demo`."""

    def __init__(self, tmp_path: Path) -> None:
        self.bucket = tmp_path / "oss/demo"
        self.work = tmp_path / "work"
        self.bucket.mkdir(parents=True)
        self.work.mkdir()
        self._store = ObjectStore(tmp_path / "oss")

    def of(self, **changes: Any) -> Luggage:
        return Luggage(self._store, order(**changes), self.work, 10_000)

    def has(self, key: str, content: str = "content") -> None:
        path = self.bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path)


def code_of(error: pytest.ExceptionInfo[OrderError]) -> str:
    return error.value.code


def test_input_is_copied_to_where_the_program_looks(trip: Trip) -> None:
    """Files by name, into a directory or whole directories; absolute paths are below the run's directory."""
    for key in ("in/a", "in/b/c", "other/in"):
        trip.has(key, key)
    mapping = {"oss://demo/in/": "/home/input/", "oss://demo/in/a": "renamed", "oss://demo/in/b/c": "./into/"}
    trip.of(input_mapping=mapping | {"oss://demo/none/": "empty"}).bring()
    found = {path.relative_to(trip.work).as_posix() for path in trip.work.rglob("*") if path.is_file()}
    assert found == {"home/input/a", "home/input/b/c", "renamed", "into/c"}
    assert list((trip.work / "empty").iterdir()) == []


def test_input_cannot_change_the_store(trip: Trip) -> None:
    """The copies are read-only, and copies."""
    trip.has("a", "original")
    trip.of(input_mapping={"oss://demo/a": "a"}).bring()
    copy = trip.work / "a"
    assert copy.stat().st_mode & 0o777 == 0o444
    copy.chmod(0o600)
    copy.write_text("changed")
    assert (trip.bucket / "a").read_text() == "original"


def test_a_link_in_the_package_is_not_written_through(trip: Trip) -> None:
    """Input takes its place."""
    (trip.bucket / "package").write_bytes(packed({"kept": "kept"}, special("in", tarfile.SYMTYPE, "kept")))
    trip.has("a", "input")
    trip.of(package_path="oss://demo/package", input_mapping={"oss://demo/a": "in"}).bring()
    assert [(trip.work / name).read_text() for name in ("kept", "in")] == ["kept", "input"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"package_path": "oss://demo/none"}, "PackageNotFound"),
        ({"package_path": "oss://other/none"}, "PackageNotFound"),
        ({"package_path": "worker.tar.gz"}, "PackageNotFound"),
        ({"package_path": "oss://demo/text"}, "PackageInvalid"),
        ({"input_mapping": {"oss://demo/none": "a"}}, "InputNotFound"),
        ({"input_mapping": {"oss://other/": "a"}}, "InputNotFound"),
        ({"input_mapping": {"oss://demo/text": "../a"}}, "MappingInvalid"),
        ({"input_mapping": {"oss://demo/text": "/../../a"}}, "MappingInvalid"),
        ({"input_mapping": {"oss://demo/text": "a\0"}}, "MappingInvalid"),
        ({"input_mapping": {"oss://demo/text": "a", "oss://demo/": "a/b"}}, "InputFailed"),
        ({"input_mapping": {"oss://demo/text": "a"}, "output_mapping": {"a/b": "oss://demo/out"}}, "OutputInvalid"),
        ({"output_mapping": {"../a": "oss://demo/out"}}, "MappingInvalid"),
    ],
)
def test_what_cannot_be_brought_is_told(changes: dict[str, Any], code: str, trip: Trip) -> None:
    """Each with a code of its own."""
    trip.has("text")
    with pytest.raises(OrderError) as error:
        trip.of(**changes).bring()
    assert code_of(error) == code


def test_output_is_stored_as_files_or_directories(trip: Trip) -> None:
    """The directories are there before the program starts; what is no regular file stays."""
    mapping = {"out/": "oss://demo/all/", "deep/one": "oss://demo/one", "two": "oss://demo/into/"}
    luggage = trip.of(output_mapping=mapping)
    luggage.bring()
    for name in ("out/a", "deep/one"):
        (trip.work / name).write_text(name)
    (trip.work / "two/b").mkdir(parents=True)
    (trip.work / "two/b/c").write_text("c")
    os.mkfifo(trip.work / "out/pipe")
    luggage.leave_output()
    found = {path.relative_to(trip.bucket).as_posix() for path in trip.bucket.rglob("*") if path.is_file()}
    assert found == {"all/a", "one", "into/b/c"}


def test_missing_output_is_told(trip: Trip) -> None:
    """Whoever comes next would miss it."""
    with pytest.raises(OrderError, match="no 'result'") as error:
        trip.of(output_mapping={"result": "oss://demo/result"}).leave_output()
    assert code_of(error) == "OutputNotFound"


@pytest.mark.parametrize("address", ["oss://DEMO/x", "results", "oss://demo/../x", "oss://demo/taken/x"])
def test_output_without_a_place_is_told(address: str, trip: Trip) -> None:
    """The program's work is not lost silently."""
    trip.has("taken")
    (trip.work / "result").write_text("x")
    with pytest.raises(OrderError) as error:
        trip.of(output_mapping={"result": address}).leave_output()
    assert code_of(error) == "OutputFailed"


def test_logs_are_named_by_job_task_and_instance(trip: Trip) -> None:
    """Those that were written."""
    (trip.work / "app.log").write_text("log")
    trip.of(log_mapping={"/app.log": "oss://demo/logs/", "none.log": "oss://demo/logs/"}, instance=2).leave_logs()
    assert (trip.bucket / "logs/app.log.job-1.count.2").read_text() == "log"
    assert len(list((trip.bucket / "logs").iterdir())) == 1
