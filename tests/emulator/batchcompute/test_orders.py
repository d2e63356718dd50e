"""What jobs and executors say to each other."""

import pytest

from monitor.emulator.batchcompute.orders import Ending, redirect_path


def test_an_ending_failed_if_it_has_an_error_code() -> None:
    """The exit code alone does not decide: a package that is missing fails a run that never had one."""
    assert not Ending(0, "", "", "").failed
    assert Ending(0, "PackageNotFound", "no object oss://bucket/worker.tar.gz", "").failed


@pytest.mark.parametrize("directory", ["oss://bucket/logs/", "oss://bucket/logs"])
def test_logs_are_named_by_job_task_and_instance(directory: str) -> None:
    """With or without a slash at the directory's end, as the service names them."""
    assert redirect_path(directory, "stdout", "job-1", "count", 2) == "oss://bucket/logs/stdout.job-1.count.2"


def test_no_directory_no_log() -> None:
    """A task that redirects nothing has no path to show."""
    assert redirect_path("", "stderr", "job-1", "count", 0) == ""
