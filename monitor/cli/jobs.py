"""`stagewatch check-job`: all that is wrong with job descriptions, or what they will run. Also how a file is read."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from msgspec import Struct

from monitor.cli.asking import print_json
from monitor.cli.exits import FAILED, USAGE
from monitor.cli.streams import standard_input
from monitor.core.text import plain
from monitor.sources.base import BadJobError, Remark
from monitor.sources.batchcompute.description import Job, Step, read
from monitor.sources.batchcompute.description.doubts import doubts


class Checked(Struct, frozen=True, kw_only=True):
    """What is to be said of one file. `tasks` are in running order; there are none where there are faults."""

    file: str
    name: str | None = None
    type: str | None = None
    instances: int = 0
    tasks: tuple[Step, ...] = ()
    warnings: tuple[Remark, ...] = ()
    faults: tuple[Remark, ...] = ()


def check_jobs(files: Sequence[Path], *, as_json: bool) -> NoReturn:
    """Look at every file. Exit 2 if one cannot be read, else 1 if one has faults."""
    worst = 0
    for file in files:
        checked, _, code = look(file)
        worst = max(worst, code)
        if as_json:
            print_json(checked)
            continue
        if not code:
            print(plain(f"{checked.file}: good: {_summary(checked)}"), flush=True)
        tell_troubles(checked)
    raise SystemExit(worst)


def look(file: Path) -> tuple[Checked, Job | None, int]:
    """What is to be said of a file, or of standard input if it is `-`; the job, if it is good; the exit code."""
    name = "standard input" if str(file) == "-" else str(file)
    try:
        job = read(_text(file))
    except BadJobError as error:
        return Checked(file=name, faults=error.faults), None, FAILED
    except OSError as error:
        return Checked(file=name, faults=(Remark("", f"cannot be read: {error.strerror}"),)), None, USAGE
    steps = job.steps()
    checked = Checked(
        file=name,
        name=job.name,
        type=job.type,
        instances=sum(step.instances for step in steps),
        tasks=steps,
        warnings=tuple(doubts(job)),
    )
    return checked, job, 0


def tell_troubles(checked: Checked) -> None:
    """Faults and warnings, each with its place, on stderr."""
    for fault in checked.faults:
        print(plain(f"{checked.file}: {fault}"), file=sys.stderr)
    for warning in checked.warnings:
        print(plain(f"{checked.file}: warning: {warning}"), file=sys.stderr)


def _text(file: Path) -> str:
    raw = standard_input().read() if str(file) == "-" else file.read_bytes()
    try:
        return raw.decode("utf-8-sig")  # some editors put a mark in front
    except UnicodeDecodeError:
        raise BadJobError([Remark("", "is not UTF-8 text")]) from None


def _summary(checked: Checked) -> str:
    counts = f"{_count(len(checked.tasks), 'task')}, {_count(checked.instances, 'instance')}"
    return f"{checked.name}: {counts}: {', '.join(map(_step, checked.tasks))}"


def _step(step: Step) -> str:
    behind = f" after {' and '.join(step.depends_on)}" if step.depends_on else ""
    return f"{step.name} ({step.instances}){behind}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
