"""What nobody can see is not judged: an outage makes nothing lost, stalled or alerted; its end brings the truth."""

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.eventually import eventually
from tests.e2e.processes import running
from tests.e2e.receiver import receiving
from tests.e2e.sites import Case, Site, Story, config, sites
from tests.e2e.workload import phases

CASES = {
    "well": Case(None),
    "away": Case({"fault": "bad_gateway"}, "unavailable", "unavailable"),
    "cut": Case({"fault": "reset"}, "unreachable", "unreachable"),
}
TRACKING = {"stalled_after": "5s", "lost_within": "2s"}  # well within the outage
OUTAGES = {name for name, case in CASES.items() if case.outage}


async def forget(site: Site, role: str) -> None:
    """The service knows it no more, and the daemon has heard so."""

    async def asked() -> int:
        return int((await site.control("GET", "/requests"))["operations"]["taskstatus"]["count"])

    instance = site.emulator.maxcompute.book.find(site.ids[role][0])
    assert instance is not None
    before = await asked()
    instance.hidden = True
    await eventually(asked, lambda now: now > before)


@pytest.mark.asyncio
async def test_an_outage_judges_nobody(tmp_path: Path) -> None:
    """Two of three sources go away after an instance of each was deleted, while another one stands still and a third
    one fails. Only the source that answers has anything to tell, until the others are back: then each is told once."""
    file, story = tmp_path / "stagewatch.yaml", Story()
    async with receiving() as receiver, aiohttp.ClientSession() as http, sites(http, CASES) as made:
        well, *troubled = made
        for site in made:
            await site.begin("gone", seconds=600, wait=0)
        file.write_text(config(made, tmp_path / "stagewatch.db", receiver.url, **TRACKING))
        with running(["serve", "--config", str(file)]) as daemon:
            async with aiohttp.ClientSession(daemon.url) as api, asyncio.TaskGroup() as beside:
                following = beside.create_task(story.follow(api, [site.key("still") for site in made]))
                known = sum(len(ids) for site in made for ids in site.ids.values())
                await eventually(partial(phases, http, daemon.url), lambda found: len(found) == known)

                for site in made:
                    await forget(site, "gone")
                for site in troubled:
                    await site.control("POST", "/faults", site.case.fault)
                    site.fail("doomed")
                await story.until(lambda: story.told(up=False) == OUTAGES)
                await story.until(lambda: well.key("gone") in lost(story))
                await story.until(lambda: well.key("still") in story.stalled())
                assert not [event for name in OUTAGES for event in story.judged_blindly(name)]
                assert not story.failed()
                assert {alert["labels"]["alertname"] for alert in alerts(receiver.requests, *OUTAGES)} <= {
                    "source_down",
                    "stalled",  # before it
                }

                for site in troubled:
                    await site.control("DELETE", "/faults")
                await story.until(lambda: story.told(up=True) == OUTAGES)
                await story.until(lambda: lost(story) == {site.key("gone") for site in made})
                await story.until(lambda: story.stalled() == {site.key("still") for site in made})
                await story.until(lambda: story.failed() == {site.key("doomed") for site in troubled})
                await receiver.until(2 * len(made) + 2 * len(troubled))
                following.cancel()
    assert not [event for name in OUTAGES for event in story.judged_blindly(name)]
    told = Counter((it["labels"]["alertname"], it["labels"]["source"]) for it in alerts(receiver.requests, *CASES))
    assert told == Counter(
        [(rule, site.name) for rule in ("lost", "stalled") for site in made]
        + [(rule, site.name) for rule in ("failed", "source_down") for site in troubled]
    )


def lost(story: Story) -> set[str]:
    """Keys of instances that were lost."""
    return {event["key"] for event in story.of("lost")}


def alerts(requests: list[tuple[str, dict[str, Any]]], *sources: str) -> list[dict[str, Any]]:
    """What the receiver was told of these sources."""
    every = [alert for _, body in requests for alert in body["alerts"]]
    return [alert for alert in every if alert["labels"]["source"] in sources]
