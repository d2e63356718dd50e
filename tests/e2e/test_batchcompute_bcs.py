"""The command line of Batch Compute, unmodified, against the emulator: what its user reads."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.bcs import Bcs
from tests.e2e.processes import running
from tests.e2e.sdk import Sdk, job, task
from tests.e2e.seed_job import SEED, bucket, upload, worker


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The emulator as a user starts it."""
    with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
        yield emulator.url


@pytest.fixture
def bcs(url: str, tmp_path: Path) -> Bcs:
    """The command line of somebody who is logged in there."""
    return Bcs(url, tmp_path)


@pytest.fixture
def sdk(url: str) -> Sdk:
    """The SDK beside it, to wait for jobs."""
    return Sdk(url)


def _made(said: str) -> str:
    """The id that `Job created` tells."""
    found = re.search(r"Job created: (job-[0-9A-F]{32})", said)
    assert found, said
    return found[1]


def _plain(said: str) -> str:
    """Tables without their lines."""
    return re.sub(r"[ \t|]+", " ", said)


def test_login(url: str, tmp_path: Path) -> None:
    """It tries the keys, and learns the types of machines; `set -o` tries to write where packages will go."""
    bcs = Bcs(url, tmp_path)
    said = bcs("login", "cn-local", "tester", "demo-secret")
    assert "login success" in said
    assert "SignatureDoesNotMatch" in bcs.refused("login", "cn-local", "tester", "wrong")
    assert "ecs.sn1.medium" in bcs("t")
    bcs("set", "-o", "oss://bucket/other/")
    assert "oss://bucket/other/" in bcs("o", "pwd")


def test_the_seed_job_from_its_file(bcs: Bcs, sdk: Sdk, url: str) -> None:
    """`cj -f`, then everything that there is to see of it: listing, job, task, instance, check and log."""
    upload(bucket(url), worker())
    (bcs.home / "job.json").write_text(SEED)
    id_ = _made(bcs("cj", "-f", "job.json"))
    sdk.until(id_, "Finished")

    jobs, its_job, its_task, instance, tree, log = bcs.together(
        "j", f"j {id_}", f"j {id_} count", f"j {id_} count 2", f"check {id_}", f"log {id_}"
    )
    assert f"{id_} log-count Finished 1 / 1 " in _plain(jobs)
    assert f"Id: {id_} " in _plain(its_job)
    assert "State: Finished" in its_job
    assert "Description: batchcompute job" in its_job
    assert " count Finished 3 / 3 " in _plain(its_job)
    assert "CommandLine: python count.py" in its_task
    assert "PackagePath: oss://your-bucket/log-count/worker.tar.gz" in its_task
    assert " 2 Finished 100% 0 " in _plain(its_task)
    assert f"StdoutRedirectPath: oss://your-bucket/log-count/logs/stdout.{id_}.count.2" in instance
    assert "upload to oss://your-bucket/log-count/count_results/2.json" in instance
    assert "Result" not in instance
    assert "JobName: log-count (Finished)" in tree
    assert "InstanceId: 2 (Finished)" in tree
    for number in range(3):
        assert f"upload to oss://your-bucket/log-count/count_results/{number}.json" in log


def test_a_failure_is_explained(bcs: Bcs, sdk: Sdk) -> None:
    """`check`, `log` and the job's own page tell what failed and why."""
    bad = task("echo bad input >&2; exit 7", MaxRetryCount=1)
    id_ = sdk.create_job(job("to-fail", {"work": ["after"]}, work=bad, after=task("true"))).Id
    message = sdk.until(id_, "Failed").Message
    its_job, tree, log, instance = bcs.together(f"j {id_}", f"check {id_}", f"log {id_}", f"j {id_} work 0")
    assert "Failed Message:" in its_job
    assert message in its_job
    assert "TaskName: work (Failed)" in tree
    assert "TaskName: after (Stopped)" in tree
    assert '"ExitCode": 7' in tree
    assert '"Detail": "bad input\\n"' in tree
    assert "Stderr [TaskName:work, InstanceId:0]" in log
    assert "bad input" in log
    assert "ExitCode: 7" in instance
    assert re.search(r"ErrorCode: \w+", instance)


def test_sub_runs_a_command_on_three_machines(bcs: Bcs, sdk: Sdk) -> None:
    """`sub "cmd" name -n 3`: three instances, each with its output."""
    said = bcs("sub", "echo hello $BATCH_COMPUTE_DAG_INSTANCE_ID", "greet", "-n", "3", "--timeout", "100")
    id_ = _made(said)
    assert sdk.until(id_, "Finished", "Failed").State == "Finished"
    described = sdk.get_job_description(id_)
    assert (described.Name, described.DAG.Tasks["task"].Timeout) == ("greet", 100)
    log = bcs("log", id_)
    assert [f"hello {number}" in log for number in range(3)] == [True, True, True]


def test_sub_on_a_cluster(bcs: Bcs, sdk: Sdk) -> None:
    """`sub -c cls-..`: the job keeps its cluster, and the program learns it."""
    id_ = _made(bcs("sub", "echo on $BATCH_COMPUTE_CLUSTER_ID", "there", "-c", "cls-1"))
    assert sdk.until(id_, "Finished", "Failed").State == "Finished"
    assert sdk.get_job_description(id_).DAG.Tasks["task"].ClusterId == "cls-1"
    assert "on cls-1" in bcs("j", id_, "task", "0")


def test_sub_packs_a_folder(bcs: Bcs, sdk: Sdk) -> None:
    """`sub -p dir`: the folder is uploaded to OSS, and the command finds its files."""
    (bcs.home / "program").mkdir()
    (bcs.home / "program" / "main.py").write_text("print(open('data.txt').read() * 2)")
    (bcs.home / "program" / "data.txt").write_text("ab")
    said = bcs("sub", "python main.py", "packed", "-p", "program")
    assert "packing folder" in said
    id_ = _made(said)
    assert sdk.until(id_, "Finished", "Failed").State == "Finished"
    path = sdk.get_job_description(id_).DAG.Tasks["task"].Parameters.Command.PackagePath
    assert re.fullmatch(r"oss://bucket/cli/[^/]+/worker\.tar\.gz", path)
    assert "abab" in bcs("log", id_)


def test_sub_in_force_mode(bcs: Bcs, sdk: Sdk) -> None:
    """`sub -f`: the job is finished although an instance failed."""
    id_ = _made(bcs("sub", "exit $BATCH_COMPUTE_DAG_INSTANCE_ID", "forced", "-n", "2", "-f"))
    assert sdk.until(id_, "Finished", "Failed").State == "Finished"
    assert "InstanceId: 1 (Failed)" in bcs("check", id_)


def test_a_job_is_stopped_changed_restarted_and_deleted(bcs: Bcs, sdk: Sdk) -> None:
    """`sj`, `uj`, `rj` and `dj`; a wrong moment is told with the code of the service."""
    id_ = sdk.create_job(job("long", work=task("sleep 600"))).Id
    sdk.until(id_, "Running")
    assert "done" in bcs("sj", id_, "-y")
    assert sdk.get_job(id_).State == "Stopped"
    assert "StateConflict" in bcs.refused("sj", id_, "-y")
    assert "done" in bcs("uj", id_, "-p", "7", "-y")
    assert "Priority: 7" in bcs("j", id_)
    assert "done" in bcs("rj", id_, "-y")
    sdk.until(id_, "Running")
    assert "done" in bcs("dj", id_, "-y")
    assert "InvalidResource.NotFound" in bcs.refused("j", id_)


def test_the_listing_is_narrowed(bcs: Bcs, sdk: Sdk) -> None:
    """`j -s` by state and `j -n` by name."""
    id_ = sdk.create_job(job("needle", work=task("sleep 600"))).Id
    sdk.until(id_, "Running")
    live, over = bcs.together("j -s Running -n needle", "j -s Finished -n needle")
    assert id_ in live
    assert id_ not in over
    sdk.stop_job(id_)


def test_what_this_emulator_has_none_of(bcs: Bcs) -> None:
    """`c`, `i` and `app` are empty listings."""
    for said in bcs.together("c", "i", "app"):
        assert "Total: 0" in said
