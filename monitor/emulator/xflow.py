"""Workflows: an instance without stages of its own that starts others and ends when they have ended.

One algorithm is offered, and it really runs: `AppendID` of `algo_public` copies a table and numbers its rows.
"""

import re
from dataclasses import dataclass
from math import inf

from monitor.emulator.documents import DECLARATION
from monitor.emulator.errors import bad_request
from monitor.emulator.instances import Book, Instance, Result, Steps
from monitor.emulator.jobs import Job
from monitor.emulator.plan import Outcome, Plan
from monitor.emulator.xmltext import Element, escape, show

_NAME = re.compile(r"\w+(\.\w+)?")


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow that was asked for: what its own instance shows, and the job of the only one it starts."""

    source: str
    job: Job
    child: Job


def read_workflow(root: Element) -> Workflow | None:
    """Takes a workflow out of a submission; None if it is an ordinary job. Raises ServiceError."""
    wanted = root.find("XflowInstance")
    if wanted is None:
        return None
    algorithm, project = wanted.text_of("Xflow"), wanted.text_of("Project")
    if (algorithm.lower(), project) != ("appendid", "algo_public"):
        raise bad_request(f"the emulator has the algorithm AppendID of algo_public, not {algorithm} of {project}")
    parameters = wanted.find("Parameters")
    given = {one.text_of("Key"): one.text_of("Value") for one in parameters.children} if parameters else {}
    source, target = given.get("inputTableName", ""), given.get("outputTableName", "")
    for name, value in (("inputTableName", source), ("outputTableName", target)):
        if not _NAME.fullmatch(value):
            raise bad_request(f"AppendID needs the parameter {name}, the name of a table")
    column = given.get("IDColName", "append_id")
    if not _NAME.fullmatch(column):
        raise bad_request("IDColName must be the name of a column")
    query = f"create table {target} as select row_number() over () - 1 as {column}, t.* from {source} t;"  # noqa: S608 - names
    return Workflow(
        show(root, 0),
        Job(task=algorithm, kind="Xflow"),
        Job(task=algorithm, kind="SQL", query=query, name=f"{algorithm} of a workflow"),
    )


async def see_through(book: Book, parent: Instance, child: Instance) -> None:
    """Ends the parent when its child has ended, in the same way."""
    await book.wait_for_end(child, inf)
    if not parent.stopped and not book.closing:
        outcome = child.plan.outcome
        text = child.result.text if outcome is not Outcome.SUCCESS else ""
        book.revise(parent, Plan(wait=0.0, ends=book.elapsed(parent), outcome=outcome), Result(text))


def results(steps: Steps) -> str:
    """`?xresult`: the steps of the workflow that have begun."""
    rows = [_action("Local", "", "start"), *(_action("Instance", child.id, child.job.task) for child in steps.begun)]
    return f"{DECLARATION}<Xinstance>\n  <Actions>\n{''.join(rows)}  </Actions>\n</Xinstance>\n"


def _action(kind: str, id_: str, name: str) -> str:
    return f'    <Action NodeType="{kind}"><InstanceId>{id_}</InstanceId><Name>{escape(name)}</Name></Action>\n'
