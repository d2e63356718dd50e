"""The order of a job's tasks: a graph given as predecessor to successors, in which nothing may wait for itself."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from monitor.emulator.batchcompute.refusals import invalid


def predecessors(tasks: Sequence[str], dependencies: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """For every task those that must be finished before it, in the order of `tasks`.

    Raises ServiceError for names that are no tasks, for lists that are none, and for circles.
    """
    before: dict[str, set[str]] = {task: set() for task in tasks}
    for first, successors in dependencies.items():
        if first not in before:
            raise invalid("Dependencies", f"There is no task '{first[:80]}'.")
        if not isinstance(successors, list):
            raise invalid("Dependencies", f"What follows '{first}' must be a list of task names.")
        for task in successors:
            if not isinstance(task, str) or task not in before:
                raise invalid("Dependencies", f"There is no task '{str(task)[:80]}', which '{first}' leads to.")
            before[task].add(first)
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        raise invalid("Dependencies", f"These tasks wait for each other: {' -> '.join(error.args[1])}.") from None
    return {task: tuple(first for first in tasks if first in before[task]) for task in tasks}
