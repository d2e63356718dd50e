"""What one line of a tool's output tells: progress, that it waits, whose lines follow, and how it ended.

Pure, and each line is read by itself, so that it does not matter how a text is cut into batches. Progress is read by
the one parser of the grammar; what else MaxCompute's command line prints stands here:

    ID = 20160519101349613gzbzufck2              the lines that follow are about this instance
    Job Queueing...                              in place of progress, while there is none
    train: running, predict: running             in place of progress, of tasks that show no stages
    OK                                           it succeeded
    FAILED: ODPS-0123131:User defined ...        it failed, and why
    FAILED: .. Task got cancelled                somebody stopped it

Any other line tells nothing.
"""

import re

from msgspec import Struct
from msgspec.structs import replace

from monitor.core.model import Failure, Phase, Stage
from monitor.core.progress import parse_line
from monitor.core.text import clip
from monitor.sources.maxcompute.failures import LONGEST_NAME, read_failure

LONGEST = 64 << 10  # characters: a longer line is none of a tool's
TASK = "log"  # lines seldom tell the name of a task: stages and failures stand under this one

# Every pattern reads its line in linear time.
_PREFIX = r"(?:[0-9]{17}g[0-9A-Za-z]++(?:_mcqa)?+ )?+(?:[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} )?+"
_ID = re.compile(r"ID\s*+=\s*+([0-9]{17}g[0-9A-Za-z]++(?:_mcqa)?+)", re.ASCII)
_QUEUEING = re.compile(_PREFIX + r"Job Queueing\.\.\.", re.ASCII)
_RUNNING = re.compile(_PREFIX + r"[\w.-]++: running(?:, [\w.-]++: running)*+", re.ASCII)
_CANCELLED = re.compile(r"\btask got cancell?ed\b", re.IGNORECASE)
_INSTANCE = re.compile(r"[0-9]{17}g[0-9A-Za-z]++(?:_mcqa)?+(?= )", re.ASCII)
_FAILED = "FAILED:"


class Told(Struct, frozen=True, gc=False, kw_only=True):
    """What a line told. `instance` is the id that it names, which those that follow are about, too; None where it names
    none. `stages` is None where it is no progress; `malformed` counts words that look like progress and are not."""

    instance: str | None = None
    phase: Phase | None = None
    stages: tuple[Stage, ...] | None = None
    failure: Failure | None = None
    malformed: int = 0


def read_line(line: str) -> Told | None:
    """Read a line of any length; None if it tells nothing."""
    text = line.strip() if len(line) <= LONGEST else line[:LONGEST].lstrip()
    if text == "OK":
        return Told(phase=Phase.SUCCEEDED)
    if text.startswith(_FAILED):
        if _CANCELLED.search(text):
            return Told(phase=Phase.CANCELLED)
        return Told(phase=Phase.FAILED, failure=read_failure(TASK, text))
    if len(line) > LONGEST:
        return None  # half of it might tell something else
    if named := _ID.fullmatch(text):
        return Told(instance=named[1])
    if _QUEUEING.fullmatch(text):
        return Told(instance=_leading(text), phase=Phase.WAITING)
    if progress := parse_line(text):
        stages = tuple(map(_clipped, progress.stages)) or None
        phase = Phase.RUNNING if stages else None
        return Told(instance=progress.instance, phase=phase, stages=stages, malformed=progress.skipped)
    if _RUNNING.fullmatch(text):
        return Told(instance=_leading(text), phase=Phase.RUNNING)
    return None


def _clipped(stage: Stage) -> Stage:
    return stage if len(stage.name) <= LONGEST_NAME else replace(stage, name=clip(stage.name, LONGEST_NAME))


def _leading(text: str) -> str | None:
    found = _INSTANCE.match(text)
    return found[0] if found else None
