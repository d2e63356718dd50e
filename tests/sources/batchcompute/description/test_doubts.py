"""What is allowed and seldom meant."""

from typing import Any

import pytest

from monitor.sources.batchcompute.description import check
from monitor.sources.batchcompute.description.doubts import doubts
from tests.sources.batchcompute.description.jobs import EXAMPLE, with_task, with_tasks

COMMAND = {"CommandLine": "python count.py"}
LOGS = {"StdoutRedirectPath": "oss://bucket/logs/", "StderrRedirectPath": "oss://bucket/logs/"}


@pytest.mark.parametrize(
    ("description", "says"),
    [
        (EXAMPLE, []),
        (
            with_task(Parameters={"Command": COMMAND, "StderrRedirectPath": ""}),
            ["Parameters.StdoutRedirectPath: is missing", "Parameters.StderrRedirectPath: is missing"],
        ),
        (
            with_task(Parameters={"Command": {**COMMAND, "PackagePath": "oss://bucket/worker.zip"}, **LOGS}),
            ["Parameters.Command.PackagePath: is unpacked as a .tar.gz"],
        ),
        (
            with_task(Parameters={"Command": {**COMMAND, "EnvVars": {"BATCH_COMPUTE_DAG_INSTANCE_ID": "1"}}, **LOGS}),
            ["Parameters.Command.EnvVars.BATCH_COMPUTE_DAG_INSTANCE_ID: is set by the service"],
        ),
        (
            with_task(OutputMapping={"/out/a.txt": "oss://bucket/a.txt"}),
            ['OutputMapping["/out/a.txt"]: each of the 3 instances writes this one file'],
        ),
        (with_tasks("a", "b", a=["b", "b"]), ["DAG.Dependencies.a: names b 2 times"]),
        (
            {"Type": "App", "Name": "x", "App": {"AppName": ":x", "Logging": {"StdoutPath": "oss://bucket/logs/"}}},
            ["App.Logging.StderrPath: is missing"],
        ),
        ({"Type": "App", "Name": "x", "App": {"AppName": ":x"}}, ["App.Logging.Std"] * 2),
    ],
)
def test_doubts(description: dict[str, Any], says: list[str]) -> None:
    """A word of warning each, where it stands; a good description has none."""
    said = [str(doubt).removeprefix("DAG.Tasks.count.") for doubt in doubts(check(description))]
    assert [line[: len(start)] for line, start in zip(said, says, strict=True)] == says
