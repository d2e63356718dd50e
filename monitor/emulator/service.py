"""The state of the emulated MaxCompute service, and what can be done to it: submit, script, stop."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random

from monitor.emulator.clock import Clock
from monitor.emulator.errors import ServiceError
from monitor.emulator.instances import Book, Instance, Result, Steps
from monitor.emulator.jobs import SESSION, Job
from monitor.emulator.plan import Outcome, Plan
from monitor.emulator.requestlog import RequestLog
from monitor.emulator.scenario import Recipe, play
from monitor.emulator.sessions import SUFFIX, Sessions
from monitor.emulator.sql.errors import SqlError
from monitor.emulator.sqljobs import PENDING, SqlJobs
from monitor.emulator.tokens import Tokens
from monitor.emulator.xflow import Step, Workflow, carry

SECRET = "demo-secret"  # noqa: S105 - the published secret of the emulator
STOP_SECONDS = 0.2  # emulated, until a stop takes effect


def owner_of(access_id: str) -> str:
    """The account name that belongs to an access id."""
    return f"ALIYUN${access_id}@demo.example"


@dataclass(slots=True)
class MaxCompute:
    """One emulated service."""

    projects: Sequence[str]
    clock: Clock
    chance: Random
    book: Book
    sql: SqlJobs
    log: RequestLog
    tasks: asyncio.TaskGroup
    tokens: Tokens = field(default_factory=lambda: Tokens(secrets.token_bytes(32)))

    def require_project(self, project: str) -> None:
        """Raises ServiceError if there is no such project."""
        if project not in self.projects:
            raise ServiceError(404, "NoSuchProject", f"ODPS-0420111: Project not found - '{project}'")

    def require(self, project: str, id_: str) -> Instance:
        """The instance. Raises ServiceError if there is none."""
        self.require_project(project)
        instance = self.book.get(project, id_)
        if instance is None:
            raise ServiceError(
                404, "NoSuchObject", f"ODPS-0420095: Instance not found - '{id_}' in project '{project}'"
            )
        return instance

    @property
    def sessions(self) -> Sessions:
        """The queries of all sessions."""
        return Sessions(self.book, self.submit)

    def submit(self, project: str, owner: str, job: Job, *, accelerated: bool = False) -> Instance:
        """Takes in an SQL job and begins to run it, or a session, which waits for queries."""
        if job.kind == SESSION:
            session = self.book.add(project, owner, job, Plan(wait=0.0, ends=inf))
            session.queries = []
            return session
        instance = self.book.add(project, owner, job, PENDING, suffix=SUFFIX if accelerated else "")
        instance.accelerated = accelerated
        self.sql.start(instance)
        return instance

    def submit_workflow(self, project: str, owner: str, workflow: Workflow) -> Instance:
        """Takes in a workflow and starts its steps."""
        parent = self.book.add(project, owner, workflow.job, Plan(wait=0.0, ends=inf))
        steps = parent.steps = Steps(workflow.source)

        def begin(step: Step) -> Instance:
            if step.inner:
                child = self.submit_workflow(project, owner, Workflow(workflow.source, step.job, step.inner))
            else:
                child = self.submit(project, owner, step.job)
            steps.begun.append(child)
            return child

        self.tasks.create_task(carry(self.book, parent, workflow.steps, begin))
        return parent

    def script(self, project: str, owner: str, job_name: str, priority: int, recipe: Recipe) -> Instance:
        """Takes in an instance that follows a scenario instead of a query."""
        plan, result = play(recipe)
        query = f"-- scripted by the emulator: {recipe.scenario}"
        job = Job(task="AnonymousSQLTask", kind="SQL", query=query, name=job_name, priority=priority)
        return self.book.add(project, owner, job, plan, result)

    def stop(self, instance: Instance) -> None:
        """Asks a live instance to end. Raises ServiceError if it has ended."""
        if self.book.ended(instance):
            raise ServiceError(
                400,
                "InvalidStateSetting",
                f"ODPS-0420141: Invalid state setting - instance '{instance.id}' is Terminated already",
            )
        if instance.stopped:
            return
        instance.stopped = True
        self.sql.stop(instance)
        for child in (*(instance.steps.begun if instance.steps else ()), *(instance.queries or ())):
            if not self.book.ended(child):
                self.stop(child)
        at = min(self.book.elapsed(instance) + STOP_SECONDS, instance.plan.ends)
        text = str(SqlError("ODPS-0120031", "the instance was stopped"))
        self.book.revise(instance, instance.plan.cut(at, Outcome.CANCELLED), Result(text))
