"""`stagewatch check-job`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import stagewatch
from tests.sources.batchcompute.description.jobs import EXAMPLE, with_task, with_tasks


def written(folder: Path, name: str, description: Any) -> Path:
    """A file with this in it."""
    file = folder / name
    file.write_text(description if isinstance(description, str) else json.dumps(description), encoding="utf-8")
    return file


def test_a_good_job(tmp_path: Path) -> None:
    """What runs, in which order, on how many instances, and what it waits for."""
    made = with_tasks("merge", "count", "split", split=["count", "merge"], count=["merge"])
    made["DAG"]["Tasks"]["merge"]["InstanceCount"] = 1
    file = written(tmp_path, "job.json", made)
    done = stagewatch("check-job", file)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == (
        f"{file}: good: log-count: 3 tasks, 7 instances: "
        "split (3), count (3) after split, merge (1) after split and count\n"
    )


def test_a_doubt_is_no_fault() -> None:
    """A warning is worth a line on stderr, and the exit code is that of a good job."""
    made = with_task(Parameters={"Command": {"CommandLine": "true"}, "StdoutRedirectPath": "oss://bucket/logs/"})
    done = stagewatch("check-job", "-", stdin=b"\xef\xbb\xbf" + json.dumps(made).encode())
    assert done.returncode == 0
    assert done.stdout.decode() == "standard input: good: log-count: 1 task, 3 instances: count (3)\n"
    assert done.stderr.decode().startswith(
        "standard input: warning: DAG.Tasks.count.Parameters.StderrRedirectPath: is missing: "
    )


def test_every_fault_of_every_file(tmp_path: Path) -> None:
    """Each on a line of its own with its file; the good ones are told all the same."""
    wrong = written(tmp_path, "wrong.json", with_task(InstanceCount=0, Timeuot=5))
    copied = written(tmp_path, "copied.json", json.dumps(EXAMPLE, indent=1).replace(": 3,", ": 3, //\x1b[31m", 1))
    good = written(tmp_path, "good.json", EXAMPLE)
    done = stagewatch("check-job", wrong, copied, good)
    assert done.returncode == 1
    assert done.stdout.decode() == f"{good}: good: log-count: 1 task, 3 instances: count (3)\n"
    assert done.stderr.decode().splitlines() == [
        f"{wrong}: DAG.Tasks.count.InstanceCount: must be at least 1, not 0",
        f"{wrong}: DAG.Tasks.count.Timeuot: is no key that the service knows: is Timeout meant?",
        f"{copied}: line 5, column 25: JSON has no comments: take `//\\x1b[31m` out",
    ]


def test_as_json(tmp_path: Path) -> None:
    """One object for each file, of the same shape whether it is good or not."""
    good, bad = written(tmp_path, "good.json", EXAMPLE), written(tmp_path, "bad.json", "[]")
    done = stagewatch("check-job", good, bad, "--json")
    assert (done.returncode, done.stderr) == (1, b"")
    one, other = map(json.loads, done.stdout.splitlines())
    assert one == {
        "file": str(good),
        "name": "log-count",
        "type": "DAG",
        "instances": 3,
        "tasks": [{"name": "count", "instances": 3, "depends_on": [], "max_retries": 0, "timeout": 21600}],
        "warnings": [],
        "faults": [],
    }
    assert other["faults"] == [{"path": "", "what": "must be an object {...}, not a list"}]
    assert one.keys() == other.keys()


@pytest.mark.parametrize(("content", "code"), [(None, 2), (b"\xff\xfe{", 1), (b"", 1)])
def test_what_cannot_be_read(tmp_path: Path, content: bytes | None, code: int) -> None:
    """A file that is not there is 2, whatever the others are; one that holds no text is a faulty description."""
    file = tmp_path / "job.json"
    if content is not None:
        file.write_bytes(content)
    done = stagewatch("check-job", written(tmp_path, "bad.json", "[]"), file)
    assert done.returncode == code
    assert done.stderr.decode().splitlines()[1].startswith(f"{file}: ")
    assert b"Traceback" not in done.stderr


def test_nothing_to_check() -> None:
    """Without a file it says how it is used."""
    done = stagewatch("check-job")
    assert done.returncode == 2
    assert b"FILE" in done.stderr
