"""What clients submit: a job with one task."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.emulator.errors import bad_request
from monitor.emulator.xmltext import Element, show

SESSION = "SQLRT"  # the kind of task that stays and runs queries
DEFAULT_PRIORITY = 9
DEFAULT_QUOTA = "0@emulator"


@dataclass(frozen=True, slots=True)
class Job:
    """What was submitted. `kind` is the task's element, such as `SQL`; `source` the `<Job>` as it is shown again."""

    task: str
    kind: str
    query: str = ""
    name: str = ""
    priority: int = DEFAULT_PRIORITY
    settings: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @property
    def quota(self) -> str:
        """The quota that the job runs in."""
        return self.settings.get("odps.task.wlm.quota", DEFAULT_QUOTA)


def read_job(root: Element) -> Job:
    """Takes the job of a query or of a session out of a submission. Raises ServiceError for what cannot be run here."""
    job = root.find("Job")
    tasks = job.find("Tasks") if job else None
    if root.name != "Instance" or job is None or tasks is None:
        raise bad_request("a submission is <Instance><Job>..<Tasks>..</Tasks></Job></Instance>")
    if len(tasks.children) != 1:
        raise bad_request(f"the emulator runs jobs of one task, not of {len(tasks.children)}")
    task = tasks.children[0]
    if task.name not in {"SQL", SESSION}:
        raise bad_request(f"the emulator runs tasks of kind SQL and {SESSION}, not {task.name}")
    priority = job.text_of("Priority") or str(DEFAULT_PRIORITY)
    if not (priority.isascii() and priority.isdigit()):
        raise bad_request(f"Priority must be a whole number of 0 or more, not '{priority[:50]}'")
    name = task.text_of("Name")
    if not name:
        raise bad_request("the task needs a <Name>")
    return Job(
        task=name,
        kind=task.name,
        query=task.text_of("Query"),
        name=job.text_of("Name"),
        priority=int(priority[:9]),
        settings=_settings(task),
        source=show(job, 0),
    )


def _settings(task: Element) -> dict[str, str]:
    config = task.find("Config")
    for prop in config.children if config else ():
        if prop.text_of("Name") == "settings":
            try:
                settings = json.loads(prop.text_of("Value") or "{}")
            except ValueError:
                raise bad_request("the task's property 'settings' is not JSON") from None
            if not isinstance(settings, dict):
                raise bad_request("the task's property 'settings' is not a JSON object")
            return {key: str(value) for key, value in settings.items()}
    return {}


def source_of(job: Job) -> str:
    """The `<Job>` document of a job, as it was submitted or as it would have been."""
    if job.source:
        return job.source
    task = Element(job.kind, children=[Element("Name", job.task), Element("Query", job.query)])
    parts = [Element("Name", job.name), Element("Priority", str(job.priority)), Element("Tasks", children=[task])]
    return show(Element("Job", children=parts), 0)
