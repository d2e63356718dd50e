"""Workflows: an instance without stages of its own that starts others, one after the other, and ends with the last.

One algorithm is offered, and it really runs: `AppendID` of `algo_public` copies a table and numbers its rows. Its steps
are `check`, then the workflow `number` whose only step is `AppendID`, and in the last moment `verify`.

Hints of a submission (`Config`): `emulator.seconds` is how long each step takes but the last, `emulator.fails` names a
step that fails.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from monitor.emulator.documents import DECLARATION
from monitor.emulator.errors import bad_request
from monitor.emulator.instances import Book, Instance, Result, Steps
from monitor.emulator.jobs import Job
from monitor.emulator.plan import Outcome, Plan
from monitor.emulator.xmltext import Element, escape, show

_NAME = re.compile(r"\w+(\.\w+)?")
_QUICK = "0.1"  # emulated seconds: whoever looks now and then does not see it run


@dataclass(frozen=True, slots=True)
class Step:
    """What a workflow starts: an SQL job, or a workflow of its own if there are `inner` steps."""

    name: str
    job: Job
    inner: "tuple[Step, ...]" = ()


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow that was asked for: what its own instance shows, and what it starts."""

    source: str
    job: Job
    steps: tuple[Step, ...]


def read_workflow(root: Element) -> Workflow | None:
    """Takes a workflow out of a submission; None if it is an ordinary job. Raises ServiceError."""
    wanted = root.find("XflowInstance")
    if wanted is None:
        return None
    algorithm, project = wanted.text_of("Xflow"), wanted.text_of("Project")
    if (algorithm.lower(), project) != ("appendid", "algo_public"):
        raise bad_request(f"the emulator has the algorithm AppendID of algo_public, not {algorithm} of {project}")
    given, hints = _pairs(wanted, "Parameters", "Key"), _pairs(wanted, "Config", "Name")
    source, target = given.get("inputTableName", ""), given.get("outputTableName", "")
    for name, value in (("inputTableName", source), ("outputTableName", target)):
        if not _NAME.fullmatch(value):
            raise bad_request(f"AppendID needs the parameter {name}, the name of a table")
    column = given.get("IDColName", "append_id")
    if not _NAME.fullmatch(column):
        raise bad_request("IDColName must be the name of a column")
    return Workflow(show(root, 0), Job(task=algorithm, kind="Xflow"), _steps(source, target, column, hints))


def _steps(source: str, target: str, column: str, hints: Mapping[str, str]) -> tuple[Step, ...]:
    numbered = f"create table {target} as select row_number() over () - 1 as {column}, t.* from {source} t;"  # noqa: S608 - names
    settings = {name: text for name, text in hints.items() if name == "emulator.seconds"}

    def step(name: str, query: str, seconds: str = "") -> Step:
        if hints.get("emulator.fails") == name:
            query = f"select * from {source}_of_{name};"  # noqa: S608 - names
        pace = {"emulator.seconds": seconds, "emulator.wait": seconds} if seconds else settings
        return Step(name, Job(name, "SQL", query, f"{name} of a workflow", settings=pace))

    return (
        step("check", f"select count(*) as found from {source};"),  # noqa: S608 - names
        Step("number", Job("number", "Xflow"), (step("AppendID", numbered),)),
        step("verify", f"select count(*) as numbered from {target};", _QUICK),  # noqa: S608 - names
    )


async def carry(book: Book, parent: Instance, steps: Sequence[Step], begin: Callable[[Step], Instance]) -> None:
    """Begins one step after the other, and ends the parent with the last one, or as the first that did not succeed."""
    outcome, text = Outcome.SUCCESS, ""
    for step in steps:
        if parent.stopped or book.closing:
            return
        child = begin(step)
        await book.wait_for_end(child, inf)
        if child.plan.outcome is not Outcome.SUCCESS:
            outcome, text = child.plan.outcome, child.result.text
            break
    if not parent.stopped and not book.closing:
        book.revise(parent, Plan(wait=0.0, ends=book.elapsed(parent), outcome=outcome), Result(text))


def results(steps: Steps) -> str:
    """`?xresult`: the steps of the workflow that have begun."""
    rows = [_action("Local", "", "start"), *(_action(_kind(child), child.id, child.job.task) for child in steps.begun)]
    return f"{DECLARATION}<Xinstance>\n  <Actions>\n{''.join(rows)}  </Actions>\n</Xinstance>\n"


def _kind(child: Instance) -> str:
    return "Instance" if child.steps is None else "SubWorkflow"


def _action(kind: str, id_: str, name: str) -> str:
    return f'    <Action NodeType="{kind}"><InstanceId>{id_}</InstanceId><Name>{escape(name)}</Name></Action>\n'


def _pairs(wanted: Element, of: str, key: str) -> dict[str, str]:
    found = wanted.find(of)
    return {one.text_of(key): one.text_of("Value") for one in found.children} if found else {}
