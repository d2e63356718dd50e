"""Bodies of answers about instances: XML, and JSON where the service speaks JSON."""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence

from monitor.emulator.clock import Clock, http_date, queue_date
from monitor.emulator.instances import Instance, Result
from monitor.emulator.plan import Phase, StageView
from monitor.emulator.xmltext import escape

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_STATUS = {Phase.SUSPENDED: "Suspended", Phase.ENDED: "Terminated"}
_TASK_STATUS = {Phase.WAITING: "Waiting", Phase.RUNNING: "Running", Phase.SUSPENDED: "Suspended"}
_SUB_STATUS = {Phase.WAITING: (1010, "Waiting for scheduling")}
_RUNNING = (1030, "Executing")


class Moment:
    """One instance at one moment, in the words of the wire."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self.instance = instance
        self.elapsed = clock.emulated() - instance.submitted
        self.phase = instance.plan.phase(self.elapsed)
        self.wall_at = clock.wall_at

    @property
    def status(self) -> str:
        """Status of the instance: queued ones are `Running` too."""
        return _STATUS.get(self.phase, "Running")

    @property
    def task_status(self) -> str:
        """Status of its task, which alone tells the outcome."""
        return _TASK_STATUS.get(self.phase) or self.instance.plan.outcome.value

    @property
    def submitted(self) -> str:
        """When it was submitted."""
        return http_date(self.wall_at(self.instance.submitted))

    @property
    def started(self) -> str:
        """When its first worker began; empty while it waits."""
        plan = self.instance.plan
        if self.elapsed < min(plan.wait, plan.ends):
            return ""
        return http_date(self.wall_at(self.instance.submitted + min(plan.wait, plan.ends)))

    @property
    def ended(self) -> str:
        """When it ended; empty while it lives."""
        return http_date(self.wall_at(self.instance.ends)) if self.phase is Phase.ENDED else ""

    def stages(self) -> tuple[StageView, ...]:
        """The stages of its task."""
        return self.instance.plan.views(self.elapsed)


def error(code: str, message: str, request_id: str, host: str) -> str:
    """All four parts: with one missing, clients drop the body."""
    return (
        f"{DECLARATION}<Error>\n  <Code>{escape(code)}</Code>\n  <Message>{escape(message)}</Message>\n"
        f"  <RequestId>{request_id}</RequestId>\n  <HostId>{escape(host)}</HostId>\n</Error>\n"
    )


def status(moment: Moment) -> str:
    """The plain state of an instance."""
    return f"{DECLARATION}<Instance><Status>{moment.status}</Status></Instance>\n"


def task_status(moment: Moment) -> str:
    """State of the instance and of its task."""
    job = moment.instance.job
    return (
        f"{DECLARATION}<Instance>\n  <Status>{moment.status}</Status>\n  <Tasks>\n"
        f'    <Task Type="{escape(job.kind)}">\n      <Name>{escape(job.task)}</Name>\n'
        f"      <StartTime>{moment.started}</StartTime>\n      <EndTime>{moment.ended}</EndTime>\n"
        f"      <Status>{moment.task_status}</Status>\n      <Histories/>\n    </Task>\n  </Tasks>\n</Instance>\n"
    )


def result(moment: Moment) -> str:
    """What the task ended with: rows, a text, or the message of its failure; empty while it lives."""
    job, given = moment.instance.job, moment.instance.result
    if moment.phase is not Phase.ENDED:
        given = Result()
    body = (
        f'<Result Transform="Base64" Format="csv">{b64encode(given.text.encode()).decode()}</Result>'
        if given.format == "csv"
        else f'<Result Format="text">{escape(given.text)}</Result>'
    )
    return (
        f'{DECLARATION}<Instance>\n  <Tasks>\n    <Task Type="{escape(job.kind)}">\n'
        f"      <Name>{escape(job.task)}</Name>\n      {body}\n"
        f"      <Status>{moment.task_status}</Status>\n    </Task>\n  </Tasks>\n</Instance>\n"
    )


def progress(stages: Sequence[StageView]) -> str:
    """Stages; an empty list is still a document."""
    return f"{DECLARATION}<Progress>\n{''.join(map(_stage, stages))}</Progress>\n"


def _stage(view: StageView) -> str:
    return (
        f'  <Stage ID="{escape(view.name)}">\n    <Status>{view.status}</Status>\n'
        f"    <BackupWorkers>{view.backups}</BackupWorkers>\n"
        f"    <TerminatedWorkers>{view.terminated}</TerminatedWorkers>\n"
        f"    <RunningWorkers>{view.running}</RunningWorkers>\n    <TotalWorkers>{view.total}</TotalWorkers>\n"
        f"    <InputRecords>{view.input_records}</InputRecords>\n"
        f"    <OutputRecords>{view.output_records}</OutputRecords>\n"
        f"    <FinishedPercentage>{view.percent}</FinishedPercentage>\n  </Stage>\n"
    )


def listing_row(moment: Moment) -> str:
    """A row of the listing of all instances."""
    instance = moment.instance
    return (
        f"  <Instance>\n    <Name>{instance.id}</Name>\n    <Owner>{escape(instance.owner)}</Owner>\n"
        f"    <StartTime>{moment.submitted}</StartTime>\n    <EndTime>{moment.ended}</EndTime>\n"
        f"    <Status>{moment.status}</Status>\n  </Instance>\n"
    )


def listing(rows: Iterable[str], marker: str, max_items: int) -> str:
    """A page of the listing of all instances."""
    return (
        f"{DECLARATION}<Instances>\n  <Marker>{marker}</Marker>\n  <MaxItems>{max_items}</MaxItems>\n"
        f"{''.join(rows)}</Instances>\n"
    )


def live_listing(rows: Iterable[str], marker: str, max_items: int) -> str:
    """A page of the listing of live instances: JSON as text within XML."""
    return (
        f"{DECLARATION}<Instances>\n  <Marker>{marker}</Marker>\n  <MaxItems>{max_items}</MaxItems>\n"
        f"  <Content>[{escape(','.join(rows))}]</Content>\n</Instances>\n"
    )


def live_row(moment: Moment) -> str:
    """What the scheduler knows of a live instance, as a JSON object.

    The progress stands in it under both names that clients look for.
    """
    instance, plan = moment.instance, moment.instance.plan
    instance.row = instance.row or _lasting_part(instance, moment)
    fraction = f"{plan.fraction(moment.elapsed):.4f}"
    position = plan.wait_position(moment.elapsed)
    code, description = _SUB_STATUS.get(moment.phase, _RUNNING)
    cores = 0 if position else sum(stage.slots for stage in plan.stages[:1])
    return (
        f'{instance.row},"status":"{moment.status}","subStatus":{{"start_time":{_since(moment)},"code":{code},'
        f'"description":"{description}"}},"instanceProgress":{fraction},"instanceProcess":{fraction},'
        f'"waitPos":{position},"queueLength":{plan.queue if position else 0},'
        f'"cpuUsage":{cores * 100},"memUsage":{cores * 2048}}}'
    )


def _since(moment: Moment) -> str:
    instance = moment.instance
    begun = instance.submitted if moment.phase is Phase.WAITING else instance.submitted + instance.plan.wait
    return f'"{queue_date(moment.wall_at(begun))}"'


def _lasting_part(instance: Instance, moment: Moment) -> str:
    fields = {
        "instanceId": instance.id,
        "projectName": instance.project,
        "userAccount": instance.owner,
        "instancePriority": instance.job.priority,
        "startTime": queue_date(moment.wall_at(instance.submitted)),
        "taskType": instance.job.kind,
        "taskName": instance.job.task,
        "jobName": instance.job.name,
        "skynetId": "",
    }
    return json.dumps(fields)[:-1]
