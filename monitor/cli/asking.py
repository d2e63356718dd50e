"""Questions to a running daemon: how every command asks, and the commands that ask once."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TypeVar

import anyio
import msgspec

from monitor.cli.exits import INTERRUPTED, TERMINATED, USAGE, stop_with
from monitor.client import ClientError, Instance, Queue, Stagewatch
from monitor.client.feed import PATIENCE
from monitor.client.words import percent
from monitor.core.text import plain

T = TypeVar("T")


def ask(url: str, question: Callable[[Stagewatch], Awaitable[T]], *, patience: float = PATIENCE) -> T:
    """Ask; what goes wrong on the way is one line on stderr."""

    async def asking() -> T:
        _let_sigterm_cancel()
        async with Stagewatch(url, patience=patience) as daemon:
            return await question(daemon)

    try:
        return anyio.run(asking)
    except ClientError as error:
        stop_with(plain(str(error)), USAGE)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except asyncio.CancelledError:
        raise SystemExit(TERMINATED) from None


def _let_sigterm_cancel() -> None:
    """Let SIGTERM, too, end this in order: a screen that is drawn gives back the cursor."""
    task = asyncio.current_task()
    if task is not None:
        with suppress(NotImplementedError, RuntimeError, ValueError):  # no such signals here, or not in this thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def print_json(value: object) -> None:
    """One object a line, for programs; flushed, because who reads may wait for it."""
    print(msgspec.json.encode(value).decode(), flush=True)


def print_instance(url: str, key: str, *, as_json: bool) -> None:
    """Everything about one."""

    async def show(daemon: Stagewatch) -> None:
        instance = await daemon.find(key)
        if as_json:
            print(msgspec.json.format(msgspec.json.encode(instance), indent=2).decode())
        else:
            print("\n".join(_page(instance)))

    ask(url, show)


def _page(it: Instance) -> Iterator[str]:
    yield plain(it.key)
    for name, value in (
        ("name", it.name),
        ("owner", it.owner),
        ("parent", it.parent),
        ("step", it.step),
        ("phase", it.phase),
        ("native_status", it.native_status),
        ("contradiction", it.contradiction),
        ("attempt", it.attempt if it.attempt > 1 else None),
        ("progress", it.progress),
        ("queue", _place(it.queue)),
        ("verdicts", ", ".join(it.verdicts)),
        ("failed workers", it.failed_workers or None),
        ("created_at", it.created_at),
        ("started_at", it.started_at),
        ("ended_at", it.ended_at),
        ("observed_at", it.observed_at),
        ("stages_at", it.stages_at),
    ):
        if value not in {None, ""}:
            yield f"  {name:<14} {plain(str(value))}"
    for child in it.children:
        yield plain(f"  step {child.step}: {child.key} {child.phase} {percent(child.progress)}".rstrip())
    for task in it.tasks:
        yield f"  {plain(task.name)} ({plain(task.type)}) {task.phase or ''}"
        for stage in task.stages:
            done = f"{stage.percent}%" if stage.percent is not None else plain(stage.status or "")
            backups = f" (+{stage.backups} backups)" if stage.backups else ""
            troubles = ((stage.failed, "failed"), (stage.retries, "retried"))
            told = "".join(f", {count} {what}" for count, what in troubles if count)
            yield f"    {plain(stage.name):<28} {stage.running}/{stage.terminated}/{stage.total}{backups} {done}{told}"
    if failure := it.failure:
        yield f"  failed in {plain(failure.task)}: {plain(failure.code)} ({failure.category})"
        yield f"    {plain(failure.message)}"


def _place(queue: Queue | None) -> str:
    """`3 of 9: quota`; empty where nothing is known."""
    if queue is None or queue.position is None:
        return "" if queue is None else queue.reason
    length = "" if queue.length is None else f" of {queue.length}"
    return f"{queue.position}{length}" + (f": {queue.reason}" if queue.reason else "")


def stop_instance(url: str, key: str, *, as_json: bool) -> None:
    """Have it ended. The service takes its time: `wait` knows when it is over."""

    async def stop(daemon: Stagewatch) -> None:
        instance = await daemon.stop((await daemon.find(key)).key)
        print_json(instance) if as_json else print(f"{plain(instance.key)} was asked to stop")

    ask(url, stop)


def print_logview(url: str, key: str, hours: int | None, *, as_json: bool) -> None:
    """A fresh address of the service's own page."""

    async def show(daemon: Stagewatch) -> None:
        address = await daemon.logview((await daemon.find(key)).key, hours=hours)
        print_json({"url": address}) if as_json else print(plain(address))

    ask(url, show)
