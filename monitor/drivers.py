"""Which driver a section of the config means: the one place that knows them all."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from monitor import __version__
from monitor.config import ChannelSection, PolledSection, StorageSection
from monitor.notify.alertmanager import Alertmanager, AlertmanagerSection
from monitor.notify.base import Notifier
from monitor.notify.webhook import Webhook
from monitor.sources.base import RequestReport, Source
from monitor.sources.batchcompute import BatchComputeSection, BatchComputeSource
from monitor.sources.maxcompute import MaxComputeSource
from monitor.storage.base import Storage
from monitor.storage.memory import MemoryStorage
from monitor.storage.section import SqliteSection
from monitor.storage.sqlite import open_sqlite


@asynccontextmanager
async def open_storage(section: StorageSection) -> AsyncIterator[Storage]:
    """The store of this section, closed when the block ends. Raises StorageError."""
    if isinstance(section, SqliteSection):
        async with open_sqlite(section) as storage:
            yield storage
    else:
        yield MemoryStorage()


@asynccontextmanager
async def open_source(
    section: PolledSection, now: Callable[[], datetime], report: Callable[[RequestReport], None]
) -> AsyncIterator[Source]:
    """The driver of this section, closed when the block ends."""
    source: Source
    if isinstance(section, BatchComputeSection):
        source = BatchComputeSource(section, now=now, report=report)
    else:
        source = MaxComputeSource(section, now=now, report=report)
    try:
        yield source
    finally:
        await source.aclose()


@asynccontextmanager
async def open_channel(
    section: ChannelSection, external_url: str, now: Callable[[], datetime]
) -> AsyncIterator[Notifier]:
    """The channel of this section, closed when the block ends. `external_url` is where people find the daemon."""
    channel: Notifier
    if isinstance(section, AlertmanagerSection):
        channel = Alertmanager(section, now=now, version=__version__)
    else:
        channel = Webhook(section, external_url=external_url, version=__version__)
    try:
        yield channel
    finally:
        await channel.aclose()
