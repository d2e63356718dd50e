"""What is known of the tasks of one attempt and what is said of them now, in one.

Rules of this file: pure; tasks go by their names; what an answer does not tell stays as it is known.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from monitor.core.model import Stage, Task


def merge_tasks(known: tuple[Task, ...], said: tuple[Task, ...]) -> tuple[Task, ...]:
    """The tasks that are said, with the rest of what is known of them; `known` itself where nothing is new.

    A service forgets stages after the end, not every look reads what a task depends on, and how a step of a workflow
    stands is not told again by who did not see it end.
    """
    if not said or said == known:
        return known
    before = {task.name: task for task in known}
    merged = tuple(_merge(before[task.name], task) if task.name in before else task for task in said)
    return known if merged == known else merged


def finished_stages(old: tuple[Task, ...], new: tuple[Task, ...]) -> Iterator[tuple[str, Stage]]:
    """The stages, each with the name of its task, whose last worker has ended since `old`."""
    finished = {(task.name, stage.name) for task in old for stage in task.stages if stage.is_finished}
    for task in new:
        for stage in task.stages:
            if stage.is_finished and (task.name, stage.name) not in finished:
                yield task.name, stage


def _merge(known: Task, said: Task) -> Task:
    stages, depends_on = said.stages or known.stages, said.depends_on or known.depends_on
    if said.phase is None and known.phase is not None:
        said = replace(
            said,
            type=said.type or known.type,
            phase=known.phase,
            started_at=said.started_at or known.started_at,
            ended_at=said.ended_at or known.ended_at,
        )
    if stages is said.stages and depends_on is said.depends_on:
        return said
    return replace(said, stages=stages, depends_on=depends_on)
