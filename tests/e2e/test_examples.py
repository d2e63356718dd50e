"""The README's examples of programs, run as they stand there, against the real daemon."""

import ast
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest

from monitor.client import Stagewatch
from tests.e2e.processes import config, running
from tests.e2e.workload import submit

README = Path(__file__).parents[2] / "README.md"
TEXT = "ODPS-0123131:Too much of it"
HANDED_IN = 30  # instances that are waited for at the same time


def example(name: str) -> str:
    """The Python between the marks of that name."""
    _, _, rest = README.read_text(encoding="utf-8").partition(f"<!-- {name} -->")
    inside, closing, _ = rest.partition(f"<!-- /{name} -->")
    assert closing
    return inside.partition("```python\n")[2].partition("```")[0]


@dataclass(frozen=True)
class Running:
    """An emulated service and the daemon that watches it."""

    http: aiohttp.ClientSession
    emulator: str
    daemon: str

    async def hand_in(self, count: int, **recipe: Any) -> list[str]:
        """The keys of so many new instances."""
        ids = await submit(self.http, self.emulator, count, wait=0, **recipe)
        return [f"warehouse/demo/{id_}" for id_ in ids]


@asynccontextmanager
async def service(tmp_path: Path) -> AsyncIterator[Running]:
    file = tmp_path / "stagewatch.yaml"
    with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
        file.write_text(config(emulator.url, store=None, hook="http://127.0.0.1:9/"), encoding="utf-8")
        with running(["serve", "--config", str(file)]) as daemon:
            async with aiohttp.ClientSession() as http:
                yield Running(http, emulator.url, daemon.url)


# --- what Airflow itself would bring -----------------------------------------------------------------------------


class Deferred(Exception):  # noqa: N818 - it is no error: the worker is free from here on
    """How an operator leaves its worker."""

    def __init__(self, trigger: Any, method_name: str, timeout: timedelta | None) -> None:
        super().__init__(method_name)
        self.trigger, self.method_name, self.timeout = trigger, method_name, timeout


class BaseOperator:
    """As far as the example needs it."""

    def __init__(self, *, task_id: str, execution_timeout: timedelta | None = None) -> None:
        self.task_id, self.execution_timeout = task_id, execution_timeout

    def defer(self, *, trigger: Any, method_name: str, timeout: timedelta | None) -> None:
        raise Deferred(trigger, method_name, timeout)


class BaseTrigger:
    """As far as the example needs it."""


@dataclass(frozen=True)
class TriggerEvent:
    """What a trigger tells."""

    payload: Any


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example, imported where Airflow's base classes are these."""
    given = {
        "airflow": {},
        "airflow.sdk": {"BaseOperator": BaseOperator},
        "airflow.triggers": {},
        "airflow.triggers.base": {"BaseTrigger": BaseTrigger, "TriggerEvent": TriggerEvent},
        "wait_for_instance": {},
    }
    for name, members in given.items():
        made = ModuleType(name)
        vars(made).update(members)
        monkeypatch.setitem(sys.modules, name, made)
    exec(compile(example("airflow"), "wait_for_instance.py", "exec"), vars(sys.modules["wait_for_instance"]))
    return sys.modules["wait_for_instance"]


def defer(module: ModuleType, key: str, url: str) -> tuple[Any, Deferred]:
    """The operator, and what it leaves behind when its worker has run it."""
    operator = module.WaitForInstance(task_id="wait", key=key, url=url, execution_timeout=timedelta(hours=1))
    with pytest.raises(Deferred) as left:
        operator.execute({})
    return operator, left.value


async def triggered(deferred: Deferred) -> dict[str, str]:
    """What the triggerer, which is another process, makes of it; as JSON, as Airflow keeps it."""
    path, given = deferred.trigger.serialize()
    where, _, name = path.rpartition(".")
    trigger = getattr(sys.modules[where], name)(**json.loads(json.dumps(given)))
    events = [event async for event in trigger.run()]
    assert len(events) == 1
    return dict(json.loads(json.dumps(events[0].payload)))


@pytest.mark.asyncio
async def test_an_airflow_task_waits_without_a_worker(module: ModuleType, tmp_path: Path) -> None:
    """One event loop waits for many instances, some of them too new to be listed; those that fail fail their tasks,
    with the text and the way to the LogView."""
    async with service(tmp_path) as on:
        keys = await on.hand_in(HANDED_IN, seconds=2)
        wrong = await on.hand_in(1, seconds=2, outcome="failed", message=TEXT)
        tasks = [defer(module, key, on.daemon) for key in (*keys, *wrong)]
        assert {left.timeout for _, left in tasks} == {timedelta(hours=1)}
        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(triggered(left)) for _, left in tasks]
        for (operator, left), wait, key in zip(tasks, waits, keys, strict=False):
            assert getattr(operator, left.method_name)({}, wait.result()) == key
        operator, left = tasks[-1]
        with pytest.raises(RuntimeError, match=r"failed: ODPS-0123131:Too much of it http://.*/logview\?redirect"):
            getattr(operator, left.method_name)({}, waits[-1].result())


@pytest.mark.asyncio
async def test_the_key_is_a_template(module: ModuleType) -> None:
    """Airflow fills in the id that the task before it returned."""
    operator, _ = defer(module, "warehouse/demo/{{ ti.xcom_pull('submit') }}", "http://127.0.0.1:9690")
    assert all("{{" in getattr(operator, field) for field in operator.template_fields)


async def printed(capsys: pytest.CaptureFixture[str], wanted: str) -> str:
    """What is printed from now on, up to these words."""
    said = ""
    async with asyncio.timeout(30):
        while wanted not in said:
            await asyncio.sleep(0.05)  # what is printed makes no event here
            said += capsys.readouterr().out
    return said


@pytest.mark.asyncio
async def test_the_client_in_a_few_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It waits, prints a result, lists failures, and hears of new ones until it is stopped."""
    names: dict[str, Any] = {}
    tree = ast.parse(example("client"))
    assert ast.unparse(tree.body.pop()).startswith("asyncio.run(main(")
    exec(compile(tree, str(README), "exec"), names)
    async with service(tmp_path) as on, Stagewatch(on.daemon) as daemon, asyncio.TaskGroup() as group:
        first, key = *await on.hand_in(1, seconds=1, outcome="failed", message=TEXT), *await on.hand_in(1, seconds=1)
        for one in (first, key):
            await daemon.register(one)
        assert (await daemon.wait(first)).message == TEXT
        program = group.create_task(names["main"](on.daemon, key))
        said = await printed(capsys, TEXT)
        (second,) = await on.hand_in(1, seconds=4, outcome="failed")
        await printed(capsys, f"{second} phase\n")
        program.cancel()
    assert said.startswith("succeeded  \n{'AnonymousSQLTask': '\"_c0\"\\n42\\n'}\n")
    assert f"{first} {TEXT}\n" in said
