"""What several keys of a description say together.

Asked of the plain values, so that other faults do not hide it; what is not in shape is passed over here, for the types
have told that already.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from monitor.sources.base import Remark
from monitor.sources.batchcompute.description.order import cycles, predecessors
from monitor.sources.batchcompute.description.places import Place, place
from monitor.sources.batchcompute.description.values import is_directory

_MOST_NAMED = 10  # of the tasks there are, to whoever named another


def contradictions(job: Mapping[str, Any]) -> Iterator[Remark]:  # Any: JSON
    """All of a job in which two keys do not go together."""
    dag = _object(job, "DAG")
    tasks = _object(dag, "Tasks")
    for name, task in tasks.items():
        if isinstance(task, dict):
            yield from _of_task(task, ("DAG", "Tasks", name))
    yield from _of_dependencies(_object(dag, "Dependencies"), tasks)


def _of_task(task: Mapping[str, Any], path: Place) -> Iterator[Remark]:
    cluster, automatic = not _is_empty(task.get("ClusterId")), not _is_empty(task.get("AutoCluster"))
    if cluster and automatic:
        yield Remark(place((*path, "AutoCluster")), "there is a ClusterId too: keep one of them")
    if not cluster and not automatic:
        yield Remark(place(path), "says nowhere to run: write a ClusterId or an AutoCluster")
    for name in ("InputMapping", "OutputMapping"):
        for inside, other in _texts(task, name):
            if is_directory(inside) != is_directory(other):
                what = "of the two sides one is a directory and one is not: a directory ends in '/' on both"
                yield Remark(place((*path, name, inside)), what)
    mounted = {local: remote for remote, local in _texts(task, "InputMapping")}
    read_only = set(mounted.values())
    for local, remote in _texts(task, "OutputMapping"):
        if local in mounted:
            what = f"{mounted[local]} is mounted there, and an InputMapping is read only: write to another directory"
            yield Remark(place((*path, "OutputMapping", local)), what)
        elif remote in read_only:
            what = f"{remote} is an InputMapping, too, and those are read only: write to another directory"
            yield Remark(place((*path, "OutputMapping", local)), what)


def _of_dependencies(dependencies: Mapping[str, Any], tasks: Mapping[str, Any]) -> Iterator[Remark]:
    path: Place = ("DAG", "Dependencies")
    lists = {first: list(_strings(waiting)) for first, waiting in dependencies.items()}
    for first, waiting in lists.items():
        if first not in tasks:
            yield Remark(place((*path, first)), _no_task(first, tasks))
        for number, name in enumerate(waiting):
            if isinstance(name, str) and name not in tasks:
                yield Remark(place((*path, first, number)), _no_task(name, tasks))
    named = {first: [name for name in waiting if isinstance(name, str)] for first, waiting in lists.items()}
    for circle in cycles(predecessors(tasks, named)):
        way = " -> ".join((*circle, circle[0]))
        yield Remark(place(path), f"go round in a circle, so that none of these can start: {way}")


def _no_task(name: str, tasks: Mapping[str, Any]) -> str:
    if not tasks:
        return "there is no task"
    more = f" and {len(tasks) - _MOST_NAMED} more" if len(tasks) > _MOST_NAMED else ""
    return f"there is no task {name[:40]!r}; the tasks are {', '.join(islice(tasks, _MOST_NAMED))}{more}"


def _is_empty(value: object) -> bool:
    """Whether a key says nothing: the vendor's clients send "" and {} for what was not set, and fill an AutoCluster
    that was not set with keys that say nothing either."""
    if isinstance(value, dict):
        return all(map(_is_empty, value.values()))
    return value in (None, "", False)


def _object(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _texts(holder: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    return ((key, value) for key, value in _object(holder, name).items() if isinstance(value, str))


def _strings(value: object) -> Iterator[object]:
    return iter(value) if isinstance(value, list | tuple) else iter(())
