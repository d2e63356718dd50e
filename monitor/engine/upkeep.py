"""Keeps the storage from growing for ever: forgets alerts that are older than any instance they may speak about."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NoReturn

import anyio

from monitor.core.retention import Retention
from monitor.storage.base import Storage

COMPACT_EVERY = timedelta(minutes=10)


async def keep_compact(storage: Storage, retention: Retention, now: Callable[[], datetime]) -> NoReturn:
    """Compact the storage now and then until cancelled, beside the commits. Raises StorageError."""
    while True:
        await anyio.sleep(COMPACT_EVERY.total_seconds())
        await storage.compact(now() - retention.alerts)
