"""Jobs from a file to their end: command line, daemon and service are processes, and so are the programs of the job."""

import json
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.cli.command import stagewatch
from tests.e2e.processes import running

CONFIG = """
listen: 127.0.0.1:0
storage: {{type: memory}}
sources:
  - type: batchcompute
    name: render
    endpoint: {endpoint}
    region: cn-qingdao
    access_id: tester
    access_key: demo-secret
    discover: false
    sweep_every: 200ms
    reconcile_every: 1s
    requests_per_second: 200
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A daemon that tracks only what is submitted or registered through it."""
    file = tmp_path_factory.mktemp("jobs") / "stagewatch.yaml"
    with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
        file.write_text(CONFIG.format(endpoint=emulator.url))
        with running(["serve", "--config", str(file)]) as daemon:
            yield daemon.url


def job(**commands: str) -> dict[str, Any]:
    """Tasks that run one after the other, two instances of each."""
    names = list(commands)
    tasks = {
        name: {
            "InstanceCount": 2,
            "ClusterId": "cls-render",
            "Timeout": 60,
            "Parameters": {"Command": {"CommandLine": command, "PackagePath": ""}},
        }
        for name, command in commands.items()
    }
    dag = {"Tasks": tasks, "Dependencies": {first: [then] for first, then in pairwise(names)}}
    return {"Name": "steps", "Type": "DAG", "Priority": 0, "JobFailOnInstanceFail": True, "DAG": dag}


def done(*arguments: str | Path, url: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """The command, asking this daemon."""
    return stagewatch(*arguments, "--url", url, stdin=stdin)


def test_a_job_from_its_file_to_its_end_and_again(tmp_path: Path, url: str) -> None:
    """It is checked, submitted and waited for by the key that is printed; it fails, is mended, restarted and succeeds,
    and what had finished before is not run again."""
    file, go, ran = tmp_path / "job.json", tmp_path / "go", tmp_path / "ran"
    file.write_text(json.dumps(job(first=f"echo first >> {ran}", second=f"test -e {go} && echo second >> {ran}")))
    checked = stagewatch("check-job", file)
    assert (checked.returncode, b"first (2), second (2) after first\n" in checked.stdout) == (0, True)

    submitted = done("run-job", file, url=url)
    assert submitted.returncode == 0, submitted.stderr
    key = submitted.stdout.decode().strip()
    assert key.startswith("render/cn-qingdao/job-")
    failed = done("wait", key, "--timeout", "30", "--json", url=url)
    assert failed.returncode == 1, failed.stderr
    told = json.loads(failed.stdout)
    assert (told["phase"], told["attempt"], told["failure"]["task"]) == ("failed", 1, "second")

    go.touch()
    restarted = done("restart", key, url=url)
    assert (restarted.returncode, restarted.stdout.decode().strip()) == (0, key), restarted.stderr
    succeeded = done("wait", key, "--timeout", "30", "--json", url=url)
    assert succeeded.returncode == 0, succeeded.stderr
    told = json.loads(succeeded.stdout)
    assert (told["phase"], told["attempt"]) == ("succeeded", 2)
    assert sorted(ran.read_text().split()) == ["first", "first", "second", "second"]
    again = done("restart", key, url=url)
    assert (again.returncode, b"has succeeded" in again.stderr) == (2, True)


def test_the_same_token_is_the_same_job(url: str) -> None:
    """Two runs of a nightly script make one job; the daemon tracks that and no other."""
    description = json.dumps(job(only="true")).encode()
    keys = {done("run-job", "-", "--token", "nightly-1", url=url, stdin=description).stdout for _ in range(2)}
    (key,) = keys
    assert done("wait", key.decode().strip(), "--timeout", "30", url=url).returncode == 0
    listed = done("ls", "-q", key.decode().strip().rpartition("/")[2], "--json", url=url)
    (instance,) = map(json.loads, listed.stdout.splitlines())
    (task,) = instance["tasks"]
    assert (instance["name"], instance["kind"], task["name"]) == ("steps", "batchcompute", "only")
    assert (task["stages"][0]["terminated"], task["stages"][0]["total"]) == (2, 2)


def test_what_the_daemon_checks_itself(url: str) -> None:
    """A program that does not check is told every fault, and the service hears nothing of it."""
    wrong = job(only="true")
    wrong["DAG"]["Tasks"]["only"] |= {"InstanceCount": 0, "AutoCluster": {"ImageId": "img-ubuntu"}}
    request = Request(f"{url}/api/v1/instances", json.dumps({"job": wrong}).encode())
    with pytest.raises(HTTPError) as refused:
        urlopen(request)
    with refused.value as answer:
        error = json.load(answer)["error"]
    assert (error["code"], [fault["path"] for fault in error["faults"]]) == (
        "bad_job",
        ["DAG.Tasks.only.InstanceCount", "DAG.Tasks.only.AutoCluster"],
    )
