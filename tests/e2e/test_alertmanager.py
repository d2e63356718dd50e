"""A failure on its way through Debian's Alertmanager: told again and again, notified of once."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from odps import ODPS

from tests.e2e.eventually import eventually
from tests.e2e.processes import config, running
from tests.notify.alertmanagers import alertmanager
from tests.notify.receiver import receiving

ROUTES = """
route: {{receiver: team, group_by: [instance], group_wait: 100ms, group_interval: 500ms, repeat_interval: 1h}}
receivers:
  - name: team
    webhook_configs: [{{url: "{url}", send_resolved: true}}]
"""
CHANNEL = """
alerts:
  channels:
    - {{name: oncall, type: alertmanager, urls: ["{url}"], hold: 4s, resend_every: 500ms}}
"""


@pytest.mark.asyncio
async def test_one_failure_is_one_notification(tmp_path: Path) -> None:
    """However often Alertmanager is told: it notifies once that the instance failed, and once that it is over."""
    file = tmp_path / "stagewatch.yaml"
    async with receiving() as team, alertmanager(tmp_path / "am", config=ROUTES.format(url=team.url)) as peer:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            text = config(emulator.url, store=tmp_path / "stagewatch.db", hook="http://127.0.0.1:1/")
            file.write_text(text.partition("alerts:")[0] + CHANNEL.format(url=peer.url))
            with running(["serve", "--config", str(file)]) as daemon:
                client = ODPS("tester", "demo-secret", project="demo", endpoint=f"{emulator.url}/api")
                instance = client.run_sql("select * from no_such_table").id
                async with aiohttp.ClientSession(daemon.url) as http:

                    async def delivery() -> dict[str, Any]:
                        async with http.get("/api/v1/alerts") as answer:
                            alerts = (await answer.json())["alerts"]
                        return alerts[0]["deliveries"][0] if alerts else {"state": "", "attempts": []}

                    repeating = await eventually(delivery, lambda one: len(one["attempts"]) >= 3)
                    assert repeating["state"] == "repeating"
                    over = await eventually(delivery, lambda one: one["state"] == "delivered")

                async def notifications() -> list[dict[str, Any]]:
                    return [json.loads(body) for _, body in team.requests]

                firing, resolved = await eventually(notifications, lambda told: len(told) >= 2)
    assert over["delivered_at"] == repeating["delivered_at"] == over["attempts"][0]["at"]
    assert {attempt["reason"] for attempt in over["attempts"]} == {None}
    assert len(over["attempts"]) >= 6
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    (alert,) = firing["alerts"]
    assert alert["labels"]["instance"] == instance
    assert alert["labels"]["code"].startswith("ODPS-0130131")
    assert alert["annotations"]["logview"].endswith(f"/warehouse/demo/{instance}/logview?redirect")
    assert len(team.requests) == 2
