"""The daemon's API as an async client.

    async with Stagewatch("http://127.0.0.1:9690") as daemon:
        outcome = await daemon.wait("warehouse/analytics/20160519101349613gzbzufck2", timeout=3600)
        async for event in daemon.events(project="analytics", phase="failed"):
            ...

`Progress.parse` reads progress text without a daemon.
"""

from monitor.client.alerts import Alert
from monitor.client.api import Stagewatch
from monitor.client.errors import ClientError
from monitor.client.feed import Away, Back, Event, Feed, News, Snapshot
from monitor.client.model import Child, Instance, Json, Outcome, Project, Projects, Stage, Task
from monitor.client.progress import Progress
from monitor.client.sending import Ingested
from monitor.client.wanted import Wanted
from monitor.core.model import Failure, Phase, Queue

__all__ = [
    "Alert",
    "Away",
    "Back",
    "Child",
    "ClientError",
    "Event",
    "Failure",
    "Feed",
    "Ingested",
    "Instance",
    "Json",
    "News",
    "Outcome",
    "Phase",
    "Progress",
    "Project",
    "Projects",
    "Queue",
    "Snapshot",
    "Stage",
    "Stagewatch",
    "Task",
    "Wanted",
]
