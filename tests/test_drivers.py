"""Each section of a config is answered by the driver that it names."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.config import Config, parse
from monitor.drivers import open_channel, open_source, open_storage
from monitor.notify.alertmanager import Alertmanager
from monitor.notify.webhook import Webhook
from monitor.sources.batchcompute import BatchComputeSource
from monitor.sources.maxcompute import MaxComputeSource
from monitor.storage.memory import MemoryStorage
from monitor.storage.sqlite import SqliteStorage

pytestmark = pytest.mark.asyncio

NOON = datetime(2016, 5, 19, 12, 0, tzinfo=UTC)
CONFIG = """
storage: {storage}
sources:
  - {{type: maxcompute, name: warehouse, endpoint: "http://127.0.0.1:9/api", projects: [demo],
     access_id: me, access_key: k3y}}
  - {{type: batchcompute, name: render, endpoint: "http://127.0.0.1:9", region: cn-qingdao,
     access_id: me, access_key: k3y}}
alerts:
  channels:
    - {{name: ops, type: webhook, url: "http://127.0.0.1:9/hook"}}
    - {{name: peers, type: alertmanager, urls: ["http://127.0.0.1:9"]}}
"""


def configured(storage: str = "{type: memory}") -> Config:
    return parse(CONFIG.format(storage=storage), file="f", env={})


async def test_the_store_that_is_named(tmp_path: Path) -> None:
    """Memory, or a file that is there while the block runs."""
    file = tmp_path / "stagewatch.db"
    async with open_storage(configured().storage) as storage:
        assert isinstance(storage, MemoryStorage)
    async with open_storage(configured(f"{{type: sqlite, path: '{file}'}}").storage) as storage:
        assert isinstance(storage, SqliteStorage)
        assert file.exists()


async def test_the_source_that_is_named() -> None:
    """By its type, under its own name."""
    found = []
    for section in configured().polled:
        async with open_source(section, lambda: NOON, lambda _report: None) as source:
            found.append((type(source), source.name))
    assert found == [(MaxComputeSource, "warehouse"), (BatchComputeSource, "render")]


async def test_the_channel_that_is_named() -> None:
    """By its type."""
    found = []
    for section in configured().alerts.channels:
        async with open_channel(section, "http://stagewatch.test", lambda: NOON) as channel:
            found.append(type(channel))
    assert found == [Webhook, Alertmanager]
