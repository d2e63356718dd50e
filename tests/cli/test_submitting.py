"""`stagewatch run-job` and `restart`: against a real API, and against none."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from monitor.core.model import Phase
from monitor.sources.base import BadJobError, Reason, Remark, SourceError
from tests.cli.command import one_line, stagewatch
from tests.sources.batchcompute.description.jobs import EXAMPLE, with_task
from tests.web.desk import failed, open_desk, track

GOOD = json.dumps(EXAMPLE).encode()


async def said(*arguments: str | Path, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """The command beside the server of this test."""
    return await asyncio.to_thread(stagewatch, *arguments, stdin=stdin)


@pytest.mark.asyncio
async def test_the_key_alone_is_printed(tmp_path: Path) -> None:
    """So that it can be given to `watch`. The same token makes no second job; without one each run makes its own."""
    file = tmp_path / "job.json"
    file.write_bytes(GOOD)
    async with open_desk() as desk:
        desk.service.kind = "batchcompute"
        command = ("run-job", file, "--url", desk.url)
        named = await said(*command, "--source", "warehouse", "--token", "nightly-1")
        again = await said(*command, "--token", "nightly-1", "--json")
        others = [await said(*command) for _ in range(2)]
        assert len(desk.service.submitted) == 3
        assert list(desk.service.submitted.values()) == [EXAMPLE] * 3
    assert (named.returncode, named.stdout, named.stderr) == (0, b"warehouse/analytics/job-nightly-1\n", b"")
    assert json.loads(again.stdout)["key"] == "warehouse/analytics/job-nightly-1"
    assert len({named.stdout, *(other.stdout for other in others)}) == 3


@pytest.mark.asyncio
async def test_faults_are_told_before_anything_is_sent() -> None:
    """As `check-job` tells them, on stderr: stdout is for the key."""
    async with open_desk() as desk:
        done = await said("run-job", "-", "--url", desk.url, stdin=json.dumps(with_task(InstanceCount=0)).encode())
        missing = await said("run-job", "/nowhere/job.json", "--url", desk.url)
        assert desk.service.asked == {}
    assert (done.returncode, done.stdout) == (1, b"")
    assert one_line(done) == "standard input: DAG.Tasks.count.InstanceCount: must be at least 1, not 0"
    assert (missing.returncode, missing.stdout) == (2, b"")
    assert one_line(missing) == "/nowhere/job.json: cannot be read: No such file or directory"


@pytest.mark.asyncio
async def test_warnings_do_not_hinder() -> None:
    """They go to stderr, and the job to the service."""
    doubtful = json.dumps(with_task(OutputMapping={"/out/a.txt": "oss://bucket/a.txt"})).encode()
    async with open_desk() as desk:
        done = await said("run-job", "-", "--url", desk.url, "--source", "warehouse", stdin=doubtful)
    assert done.returncode == 0
    assert done.stdout.startswith(b"warehouse/analytics/job-")
    assert "warning: DAG.Tasks.count.OutputMapping" in one_line(done)


@pytest.mark.asyncio
async def test_refusals() -> None:
    """No source for jobs, or a service that does not take it: one line in the API's words, and exit code 2."""
    async with open_desk() as desk:
        nowhere = await said("run-job", "-", "--url", desk.url, stdin=GOOD)
        desk.service.fails = SourceError(Reason.REJECTED, "the quota is used up")
        rejected = await said("run-job", "-", "--url", desk.url, "--source", "warehouse", stdin=GOOD)
        desk.service.fails = BadJobError([Remark("Name", "is too plain")])  # a daemon that knows more than we do
        stricter = await said("run-job", "-", "--url", desk.url, "--source", "warehouse", stdin=GOOD)
    nobody = stagewatch("run-job", "-", "--url", "http://127.0.0.1:9", stdin=GOOD)
    for done, words in (
        (nowhere, "no source takes jobs: configure one of type batchcompute; configured: warehouse"),
        (rejected, "rejected: the quota is used up"),
        (stricter, "the job description has faults: Name: is too plain"),
        (nobody, "cannot reach a daemon at http://127.0.0.1:9"),
    ):
        assert (done.returncode, done.stdout) == (2, b"")
        assert words in one_line(done)


@pytest.mark.asyncio
async def test_restart_prints_the_key_too() -> None:
    """Of what failed; what succeeded is not run again."""
    async with open_desk(failed("i1"), track("i2", Phase.SUCCEEDED)) as desk:
        desk.service.known = {"i1": Phase.FAILED, "i2": Phase.SUCCEEDED}
        done = await said("restart", "i1", "--url", desk.url)
        over = await said("restart", "i2", "--url", desk.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"warehouse/analytics/i1\n", b"")
    assert (over.returncode, over.stdout) == (2, b"")
    assert "only what failed or was stopped can run again" in one_line(over)
