import asyncio
from pathlib import Path
from random import Random
from time import monotonic
from uuid import uuid4

import pytest

from monitor.emulator.background import task_group
from monitor.emulator.batchcompute.description import check_description
from monitor.emulator.batchcompute.planned import BUCKET
from monitor.emulator.batchcompute.serving import running
from monitor.emulator.batchcompute.views import State
from monitor.emulator.clock import Clock
from monitor.emulator.requestlog import RequestLog
from tests.emulator.batchcompute.client import job
from tests.emulator.batchcompute.workshop import alive


@pytest.mark.asyncio
async def test_the_parts_fit_together_and_leave_nothing(tmp_path: Path) -> None:
    """A job runs as processes below the folder, at most as many as were allowed, and none outlives the service."""
    mark = uuid4().hex
    source = job("sleep 60")
    source["DAG"]["Tasks"]["count"]["Parameters"]["Command"]["EnvVars"] = {"MARK": mark}
    async with task_group() as tasks:
        async with running(
            Clock(1000.0),
            Random(1),
            RequestLog(monotonic),
            tasks,
            folder=tmp_path / "work",
            oss=tmp_path / "oss",
            oss_host=lambda: "127.0.0.1:9",
            keep=10,
            at_once=2,
        ) as site:
            id_ = site.service.submit(1, check_description(source))
            async with asyncio.timeout(10):
                while len(await asyncio.to_thread(alive, mark)) < 2:
                    assert not site.service.require(id_).course.state.final
            states = [one.state for one in site.service.require(id_).course.instances("count")]
            assert states == [State.RUNNING, State.RUNNING, State.WAITING]
            logs = {key.rpartition(".")[2] for key in site.store.keys(BUCKET, "logs/")}
            assert logs == {"0", "1"}  # of the two that run
        assert alive(mark) == []
