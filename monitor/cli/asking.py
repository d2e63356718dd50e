"""`stagewatch ls` and `stagewatch show`: what a running daemon knows, for a terminal or as JSON."""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping

import anyio

from monitor.cli.exits import USAGE, plain, stop_with
from monitor.client import ClientError, Json, Stagewatch


def print_instances(url: str, filters: Mapping[str, str], *, as_json: bool) -> None:
    """One line each, newest first."""

    async def ask(daemon: Stagewatch) -> None:
        async for instance in daemon.instances(filters):
            print(json.dumps(instance, ensure_ascii=False) if as_json else _row(instance))

    _ask(url, ask)


def print_instance(url: str, key: str, *, as_json: bool) -> None:
    """Everything about one."""

    async def ask(daemon: Stagewatch) -> None:
        instance = await daemon.instance(key)
        print(json.dumps(instance, ensure_ascii=False, indent=2) if as_json else "\n".join(_page(instance)))

    _ask(url, ask)


def _ask(url: str, question: Callable[[Stagewatch], Awaitable[None]]) -> None:
    async def asking() -> None:
        async with Stagewatch(url) as daemon:
            await question(daemon)

    try:
        anyio.run(asking)
    except ClientError as error:
        stop_with(str(error), USAGE)


def _row(instance: Json) -> str:
    progress = instance["progress"]
    share = "   -" if progress is None else f"{progress:4.0%}"
    what = plain(instance["name"] or "")
    failure = instance["failure"]
    why = plain(f"{failure['code']} {failure['message']}"[:80]) if failure else ""
    return f"{instance['phase']:<10} {share}  {instance['key']}  {plain(instance['owner'])}  {what}  {why}".rstrip()


def _page(instance: Json) -> Iterator[str]:
    yield instance["key"]
    for field in ("name", "owner", "phase", "native_status", "progress", "created_at", "started_at", "ended_at"):
        if instance[field] not in (None, ""):
            yield f"  {field:<14} {plain(str(instance[field]))}"
    for task in instance["tasks"]:
        yield f"  {plain(task['name'])} ({task['type']}) {task['phase'] or ''}"
        for stage in task["stages"]:
            done = f"{stage['percent']}%" if stage["percent"] is not None else stage["status"] or ""
            backups = f" (+{stage['backups']} backups)" if stage["backups"] else ""
            counts = f"{stage['running']}/{stage['terminated']}/{stage['total']}"
            yield f"    {plain(stage['name']):<28} {counts}{backups} {done}"
    if failure := instance["failure"]:
        yield f"  failed in {plain(failure['task'])}: {plain(failure['code'])} ({failure['category']})"
        yield f"    {plain(failure['message'])}"
