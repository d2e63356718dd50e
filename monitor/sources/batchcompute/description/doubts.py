"""What is allowed in a description, and yet seldom meant."""

from collections import Counter
from collections.abc import Iterator

from monitor.sources.base import Remark
from monitor.sources.batchcompute.description.model import App, AppJob, AppLogging, Job, Task
from monitor.sources.batchcompute.description.places import Place, place
from monitor.sources.batchcompute.description.values import is_directory

_LOST = "is missing: what a failed instance printed there will not be found"


def doubts(job: Job) -> Iterator[Remark]:
    """Worth a warning each; a job may be submitted with them."""
    if isinstance(job, AppJob):
        yield from _of_app(job.app)
        return
    for name, task in job.dag.tasks.items():
        yield from _of_task(task, ("DAG", "Tasks", name))
    for first, waiting in (job.dag.dependencies or {}).items():
        for name, times in Counter(waiting).items():
            if times > 1:
                yield Remark(place(("DAG", "Dependencies", first)), f"names {name} {times} times")


def _of_task(task: Task, path: Place) -> Iterator[Remark]:
    parameters = task.parameters
    inside = (*path, "Parameters")
    if not parameters.stdout_redirect_path:
        yield Remark(place((*inside, "StdoutRedirectPath")), _LOST)
    if not parameters.stderr_redirect_path:
        yield Remark(place((*inside, "StderrRedirectPath")), _LOST)
    package = parameters.command.package_path or ""
    if package and not package.endswith((".tar.gz", ".tgz")):
        what = "is unpacked as a .tar.gz, and does not look like one"
        yield Remark(place((*inside, "Command", "PackagePath")), what)
    for variable in parameters.command.env_vars or {}:
        if variable.startswith("BATCH_COMPUTE_DAG_"):
            what = "is set by the service for each instance: this value may be lost"
            yield Remark(place((*inside, "Command", "EnvVars", variable)), what)
    for local, remote in (task.output_mapping or {}).items():
        if (task.instance_count or 1) > 1 and not is_directory(remote):
            what = f"each of the {task.instance_count} instances writes this one file: the last one wins"
            yield Remark(place((*path, "OutputMapping", local)), what)


def _of_app(app: App) -> Iterator[Remark]:
    logging = app.logging or AppLogging()
    if not logging.stdout_path:
        yield Remark("App.Logging.StdoutPath", _LOST)
    if not logging.stderr_path:
        yield Remark("App.Logging.StderrPath", _LOST)
