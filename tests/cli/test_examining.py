"""`stagewatch doctor`: against the emulated services, and against none."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from monitor.emulator.faults import Setting
from monitor.emulator.server import EmulatorOptions, serve
from tests.cli.command import GOOD, one_line, stagewatch

CONFIG = """
storage: {{type: memory}}
sources:
  - {{type: maxcompute, name: warehouse, endpoint: "{endpoint}", projects: [demo, other], access_id: me,
     access_key: {key}, requests_per_second: 500}}
  - {{type: batchcompute, name: render, endpoint: "{url}", region: cn-qingdao, access_id: me, access_key: {key},
     requests_per_second: 500}}
  - {{type: ingest, name: private, projects: [p1]}}
"""


async def doctor(*arguments: str | Path) -> "subprocess.CompletedProcess[bytes]":
    return await asyncio.to_thread(stagewatch, "doctor", *arguments)


@pytest.mark.asyncio
async def test_all_is_good(tmp_path: Path) -> None:
    """One line for each check of each project: exit 0. What nobody asks is named, too."""
    file = tmp_path / "stagewatch.yaml"
    async with serve(EmulatorOptions(projects=("demo", "other"))) as emulator:
        file.write_text(CONFIG.format(endpoint=emulator.endpoint, url=emulator.url, key="demo-secret"))
        done = await doctor("--config", file)
        one = await doctor("--config", file, "--source", "render", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert {line.split()[0] for line in lines} == {"ok", "-"}
    assert [line for line in lines if "credentials" in line] == [
        f"ok   {place}  credentials: the service knows access id me"
        for place in ("warehouse/demo", "warehouse/other", "render/cn-qingdao")
    ]
    assert lines[-1].startswith("-    private/p1  lines: nobody asks its service")
    checks = [json.loads(line) for line in one.stdout.splitlines()]
    assert {(it["source"], it["project"]) for it in checks} == {("render", "cn-qingdao")}
    assert {"source", "project", "name", "ok", "detail", "fix"} == set(checks[0])


@pytest.mark.asyncio
async def test_something_is_missing(tmp_path: Path) -> None:
    """A wrong key and a right that is not granted: what to do stands behind it, no secret in it, and it is exit 1."""
    file = tmp_path / "stagewatch.yaml"
    async with serve(EmulatorOptions(projects=("demo", "other"))) as emulator:
        file.write_text(CONFIG.format(endpoint=emulator.endpoint, url=emulator.url, key="made-up-wrong-key"))
        wrong = await doctor("--config", file, "--source", "warehouse")
        file.write_text(CONFIG.format(endpoint=emulator.endpoint, url=emulator.url, key="demo-secret"))
        emulator.faults.switch_on(Setting(fault="forbidden", operations=("cachedinstances",)))
        missing = await doctor("--config", file, "--json")
    assert wrong.returncode == missing.returncode == 1
    bad = [line for line in wrong.stdout.decode().splitlines() if line.startswith("BAD")]
    assert [line.split()[1] for line in bad] == ["warehouse/demo", "warehouse/other"]
    assert all("credentials: SignatureNotMatch" in line and "; to do: check access_id" in line for line in bad)
    assert b"made-up-wrong-key" not in wrong.stdout + wrong.stderr
    checks = [json.loads(line) for line in missing.stdout.splitlines()]
    bad_ones = [(it["project"], it["name"]) for it in checks if it["ok"] is False]
    assert bad_ones == [(project, "odps:List on cachedinstances") for project in ("demo", "other")]


def test_nobody_is_there(tmp_path: Path) -> None:
    """It ends with the first check of each source, at once."""
    file = tmp_path / "stagewatch.yaml"
    file.write_text(CONFIG.format(endpoint="http://127.0.0.1:9/api", url="http://127.0.0.1:9", key="made-up"))
    done = stagewatch("doctor", "--config", file)
    assert done.returncode == 1
    lines = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["BAD", "BAD", "BAD", "-"]
    assert "no connection to 127.0.0.1 on port 9" in lines[0]


def test_a_config_that_cannot_be_used(tmp_path: Path) -> None:
    """Exit 2, as for a source that is not in it."""
    file = tmp_path / "stagewatch.yaml"
    file.write_text("sources: []\n")
    bad = stagewatch("doctor", "--config", file)
    assert bad.returncode == 2
    assert b"sources" in bad.stderr
    file.write_text(GOOD)
    unknown = stagewatch("doctor", "--config", file, "--source", "nobody")
    assert unknown.returncode == 2
    assert one_line(unknown) == f"stagewatch: no source is named 'nobody' in {file}; configured: warehouse"
