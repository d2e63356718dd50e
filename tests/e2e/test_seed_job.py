"""The job of the manual's page on concurrent tasks, through the unmodified SDK, as real processes."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.processes import running
from tests.e2e.sdk import Sdk
from tests.e2e.seed_job import COUNTS, PRE, SEED, bucket, changed, processes, room, until_gone, upload, worker
from tests.e2e.seed_worker.oss_tool import OssTool


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The emulator as a user starts it."""
    with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
        yield emulator.url


@pytest.fixture
def sdk(url: str) -> Sdk:
    """The SDK, led to it."""
    return Sdk(url)


@pytest.fixture
def oss(url: str) -> OssTool:
    """Its bucket, without results of tests before."""
    oss = bucket(url)
    upload(oss, b"")  # makes the bucket
    for number in range(3):
        oss.delete(f"{PRE}/count_results/{number}.json")
        oss.delete(f"{PRE}/split_results/{number}.txt")
        oss.delete(f"{PRE}/tries/{number}")
    return oss


def _log(oss: OssTool, stream: str, job: str, instance: int) -> str:
    return oss.get_data(f"{PRE}/logs/{stream}.{job}.count.{instance}").decode()


def test_three_processes_count_three_parts_at_the_same_time(sdk: Sdk, oss: OssTool) -> None:
    """The description as it stands: the ids 0, 1 and 2 meet, each counts its own part, and the job is finished."""
    with room(3) as together:
        upload(oss, worker(together))
        job = sdk.create_job(SEED).Id
        ended = sdk.until(job, "Finished", "Failed")
    assert (ended.State, ended.Message, ended.Name) == ("Finished", "", "log-count")
    assert together.present == {"0", "1", "2"}
    results = [json.loads(oss.get_data(f"{PRE}/count_results/{number}.json")) for number in range(3)]
    assert results == list(COUNTS)
    assert ended.InstanceMetrics.FinishedCount == 3
    assert ended.TaskMetrics.FinishedCount == 1
    for number, instance in enumerate(sdk.list_instances(job, "count", 0, 100).Items):
        assert (instance.InstanceId, instance.State, instance.RetryCount) == (number, "Finished", 0)
        assert (instance.Result.ExitCode, instance.Result.ErrorCode) == (0, "")
        assert instance.StdoutRedirectPath == f"{PRE}/logs/stdout.{job}.count.{number}"
        assert _log(oss, "stdout", job, number) == f"upload to {PRE}/count_results/{number}.json\n"
        assert ended.StartTime <= instance.StartTime <= instance.EndTime <= ended.EndTime


def test_a_part_that_is_missing_fails_the_job(sdk: Sdk, oss: OssTool) -> None:
    """The instance that needs it ends with exit code, error code and the end of its stderr; the job says so."""
    upload(oss, worker(), missing=1)
    job = sdk.create_job(SEED).Id
    ended = sdk.until(job, "Finished", "Failed")
    assert ended.State == "Failed"
    assert "count" in ended.Message
    assert ended.InstanceMetrics.FailedCount == 1
    assert sdk.get_task(job, "count").State == "Failed"
    (failed,) = sdk.list_instances(job, "count", 0, 100, state="Failed").Items
    assert (failed.InstanceId, failed.RetryCount, failed.Result.ExitCode) == (1, 0, 1)
    assert failed.Result.ErrorCode
    assert failed.Result.ErrorMessage
    assert f"RuntimeError: GET {PRE}/split_results/1.txt: 404" in failed.Result.Detail
    assert failed.Result.Detail.strip() == _log(oss, "stderr", job, 1).strip()[-len(failed.Result.Detail.strip()) :]
    assert {sdk.get_instance(job, "count", number).State for number in (0, 2)} <= {"Finished", "Stopped"}
    until_gone(job)


def test_a_program_that_fails_twice_is_tried_three_times(sdk: Sdk, oss: OssTool) -> None:
    """With MaxRetryCount 2 the job is finished, and its instance tells the two retries."""
    upload(oss, worker(failures=2))
    job = sdk.create_job(changed("python flaky.py", MaxRetryCount=2, InstanceCount=1)).Id
    assert sdk.until(job, "Finished", "Failed").State == "Finished"
    instance = sdk.get_instance(job, "count", 0)
    assert (instance.State, instance.RetryCount, instance.Result.ErrorCode) == ("Finished", 2, "")
    assert oss.get_data(f"{PRE}/tries/0") == b"3"
    assert _log(oss, "stdout", job, 0).endswith("try 3 succeeds\n")


def test_a_program_that_fails_once_more_fails_the_job(sdk: Sdk, oss: OssTool) -> None:
    """With MaxRetryCount 1 the second failure is the last word; starting the job again tries it anew."""
    upload(oss, worker(failures=2))
    job = sdk.create_job(changed("python flaky.py", MaxRetryCount=1, InstanceCount=1)).Id
    assert sdk.until(job, "Finished", "Failed").State == "Failed"
    instance = sdk.get_instance(job, "count", 0)
    assert (instance.State, instance.RetryCount, instance.Result.ExitCode) == ("Failed", 1, 1)
    assert instance.Result.Detail.strip().endswith("try 2 fails")
    sdk.start_job(job)
    assert sdk.until(job, "Finished", "Failed").State == "Finished"
    instance = sdk.get_instance(job, "count", 0)
    assert (instance.State, instance.RetryCount, instance.Result.ErrorCode) == ("Finished", 0, "")


def test_a_program_that_takes_too_long_is_ended(sdk: Sdk, oss: OssTool) -> None:
    """After its Timeout the instance has failed by it, and none of its processes is left."""
    upload(oss, worker())
    job = sdk.create_job(changed("sleep 60 & sleep 60; wait", Timeout=1, InstanceCount=1)).Id
    sdk.until(job, "Running")
    while len(processes(job)) < 3:
        assert sdk.get_job(job).State == "Running"
    assert sdk.until(job, "Finished", "Failed").State == "Failed"
    (instance,) = sdk.list_instances(job, "count", 0, 100).Items
    assert (instance.State, instance.Result.ErrorCode) == ("Failed", "Timeout")
    assert "1" in instance.Result.ErrorMessage
    assert processes(job) == []
