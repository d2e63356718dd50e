"""Old alerts are forgotten while the daemon runs."""

from datetime import timedelta

import anyio
import pytest

from monitor.core.alerting import Trigger
from monitor.core.model import Phase
from monitor.core.retention import Retention
from monitor.engine.upkeep import keep_compact
from monitor.storage.base import AlertQuery
from tests.engine.line import running_line
from tests.engine.scripted import Life, ScriptedNotifier, ScriptedSource, now, rules

pytestmark = pytest.mark.anyio


async def test_alerts_outlive_their_instance_and_then_go() -> None:
    """An alert stays while its instance may be shown; after that and its own span it is compacted away."""
    retention = Retention(successes=timedelta(hours=1), failures=timedelta(hours=2))
    source = ScriptedSource({"i": Life("i", ends=15, outcome=Phase.FAILED)})
    channel = ScriptedNotifier()
    async with (
        running_line(source, channels=[channel], rules=rules(Trigger.FAILED), retention=retention) as line,
        anyio.create_task_group() as group,
    ):
        group.start_soon(keep_compact, line.storage, retention, now)
        await anyio.sleep(7000)
        assert len(await line.storage.alerts(AlertQuery())) == 1
        await anyio.sleep(1500)
        assert await line.storage.alerts(AlertQuery()) == []
        group.cancel_scope.cancel()
    assert len(channel.taken) == 1
