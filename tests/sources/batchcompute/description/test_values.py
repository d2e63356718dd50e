"""The limits of single values."""

from typing import Any

import pytest

from tests.sources.batchcompute.description.jobs import faults_of, job, with_task, with_tasks

COUNT = "DAG.Tasks.count."


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"Name": "a" * 64}, ""),
        ({"Name": "_-Ab1"}, ""),
        ({"Name": "a" * 65}, "Name: a name has at most 64 letters, not 65"),
        ({"Name": ""}, "Name: a name holds only letters, digits, '-' and '_', not ''"),
        ({"Name": "log count"}, "Name: a name holds only letters, digits, '-' and '_', not 'log count'"),
        ({"Name": "日志"}, "Name: a name holds only letters, digits, '-' and '_', not '日志'"),
        ({"Name": "1st"}, "Name: must not begin with a digit, as '1st' does"),
        ({"Priority": 1000}, ""),
        ({"Priority": -1}, "Priority: must be at least 0, not -1"),
        ({"Priority": 1001}, "Priority: must be at most 1000, not 1001"),
        ({"Priority": 1.5}, "Priority: must be a whole number, not 1.5"),
        ({"Priority": True}, "Priority: must be a whole number, not true"),
        ({"Description": "x" * 1000}, ""),
        ({"Description": "x" * 1001}, "Description: is 1001 letters long: at most 1000 are allowed"),
        ({"Description": None}, ""),
        ({"Notification": {"Topic": {"Name": "t", "Events": ["OnJobFailed", "OnTaskStopped"]}}}, ""),
    ],
)
def test_of_the_job(keys: dict[str, Any], says: str) -> None:
    """Names, priority and description within their limits."""
    assert faults_of(job(**keys)) == ([says] if says else [])


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"InstanceCount": 1_000_000}, ""),
        ({"InstanceCount": 0}, "InstanceCount: must be at least 1, not 0"),
        ({"Timeout": 0}, "Timeout: must be at least 1, not 0"),
        ({"MaxRetryCount": -1}, "MaxRetryCount: must be at least 0, not -1"),
        ({"LogMapping": {"/a.log": "oss://bucket/logs/"}}, ""),
        (
            {"LogMapping": {"/a.log": "oss://bucket/logs"}},
            "LogMapping[\"/a.log\"]: names a directory, so it must end in '/': write oss://bucket/logs/",
        ),
        (
            {"InputMapping": {"oss://B/in/": "/in/"}},
            (
                "InputMapping[\"oss://B/in/\"]: 'B' is no name of a bucket (3 to 63 of a-z, 0-9 and '-'): write it "
                "like oss://bucket/directory/"
            ),
        ),
        (
            {"OutputMapping": {"out/": "oss://bucket/out/"}},
            "OutputMapping[\"out/\"]: must be a whole path in the VM, like /home/input/ or D:\\, not 'out/'",
        ),
        (
            {"OutputMapping": {"/out": "s3://bucket/out"}},
            (
                "OutputMapping[\"/out\"]: must begin with oss://, unlike 's3://bucket/out': "
                "write it like oss://bucket/directory/"
            ),
        ),
        (
            {"OutputMapping": {"/out": "oss://bucket"}},
            'OutputMapping["/out"]: has no path behind the bucket: write it like oss://bucket/directory/',
        ),
        ({"AutoCluster": {"ImageId": "i", "Configs": {"Disks": {"SystemDisk": {"Type": "cloud", "Size": 40}}}}}, ""),
        (
            {"AutoCluster": {"ImageId": "i", "Configs": {"Disks": {"DataDisk": {"Size": 2001}}}}},
            "AutoCluster.Configs.Disks.DataDisk.Size: must be at most 2000, not 2001",
        ),
        ({"AutoCluster": {"ImageId": "i", "SpotStrategy": "SpotWithPriceLimit", "SpotPriceLimit": 1}}, ""),
    ],
)
def test_of_a_task(keys: dict[str, Any], says: str) -> None:
    """Counts and paths within theirs."""
    assert faults_of(with_task(**keys)) == ([COUNT + says] if says else [])


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"PackagePath": ""}, ""),
        (
            {"PackagePath": "oss://bucket/worker/"},
            "PackagePath: names a file, so it must not end in '/': write it like oss://bucket/worker.tar.gz",
        ),
        ({"CommandLine": "  "}, "CommandLine: must not be empty"),
        ({"EnvVars": {f"v{number}": "x" * 1000 for number in range(50)}}, ""),
        ({"EnvVars": {f"v{number}": "" for number in range(51)}}, "EnvVars: holds 51 entries: at most 50 are allowed"),
        ({"EnvVars": {"v": "x" * 1001}}, "EnvVars.v: is 1001 letters long: at most 1000 are allowed"),
        ({"EnvVars": {"v" * 101: ""}}, f"EnvVars.{'v' * 101}: a name has at most 100 letters, not 101"),
    ],
)
def test_of_a_command(keys: dict[str, Any], says: str) -> None:
    """The program, its package and its variables."""
    command = {"CommandLine": "python count.py", **keys}
    said = faults_of(with_task(Parameters={"Command": command}))
    assert said == ([f"{COUNT}Parameters.Command.{says}"] if says else [])


def test_names_of_tasks() -> None:
    """Up to 32 letters, and at least one task."""
    assert faults_of(with_tasks("a" * 32, "2nd")) == []
    assert faults_of(with_tasks("a" * 33)) == [f"DAG.Tasks.{'a' * 33}: a name has at most 32 letters, not 33"]
    assert faults_of(with_tasks()) == ["DAG.Tasks: must not be empty"]
