"""Builds the service from its parts, and takes it down again."""

from asyncio import TaskGroup
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from monitor.emulator.batchcompute.book import Book
from monitor.emulator.batchcompute.executor import LocalExecutor
from monitor.emulator.batchcompute.objects import ObjectStore
from monitor.emulator.batchcompute.oss_face import OssFace
from monitor.emulator.batchcompute.planned import BUCKET
from monitor.emulator.batchcompute.scheduler import Scheduler
from monitor.emulator.batchcompute.service import SECRET, BatchCompute
from monitor.emulator.clock import Clock
from monitor.emulator.requestlog import RequestLog

REGION = "local"


@dataclass(frozen=True, slots=True)
class Site:
    """A running service, and the OSS that its programs read and write."""

    service: BatchCompute
    store: ObjectStore
    oss: OssFace


@asynccontextmanager
async def running(
    clock: Clock,
    chance: Random,
    log: RequestLog,
    tasks: TaskGroup,
    *,
    folder: Path,
    oss: Path,
    oss_host: Callable[[], str],
    keep: int,
    at_once: int,
) -> AsyncIterator[Site]:
    """A service whose programs run below `folder`, with objects in `oss`. None of its programs outlives the block."""
    store = ObjectStore(oss)
    store.make_bucket(BUCKET)
    executor = LocalExecutor(store, folder=folder, oss_host=oss_host, region=REGION)
    book = Book(clock, keep=keep)
    scheduler = Scheduler(book, executor, tasks, clock, at_once=at_once)

    def now() -> float:
        return clock.wall()  # which is replaced while the clock is made to go wrong

    face = OssFace(store, secret=SECRET, now=now, chance=chance)
    try:
        yield Site(BatchCompute(clock, chance, book, scheduler, log), store, face)
    finally:
        await scheduler.close()
