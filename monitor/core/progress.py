"""The progress grammar: what `M1_Stg1_job0:0/1/1[100%]` says, and how we say it.

Rules of this file: a word is a stage to the letter or not at all, nothing is repaired; no text raises, whatever its
size; every pattern runs in linear time: no two neighbours in a pattern can share a character.

    LINE   [ID] [DATE TIME] [TASK:] STAGE..         stages apart by TAB, spaces or ", "; prose between them is passed over
    STAGE  NAME:running/terminated/total [(+N backups)] [[P%] | [STATUS]]       written without the spaces
    NAME   KIND ID (_DEP)* [_StgK] [_PROJECT_INSTANCE_TASKTYPE_a_b_c] [_jobN | _job_N]
"""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import msgspec
from msgspec import Struct

from monitor.core.model import Stage

# --- names --------------------------------------------------------------------------------------------------------


class StageName(Struct, frozen=True, gc=False):
    """What a stage's name tells: `J3_1_2_Stg1` is J, 3, reads from (1, 2). All empty where the name is opaque.

    `job` tells which of the task's jobs it belongs to; ids may start again in each job.
    """

    kind: str | None
    id: int | None
    depends_on: tuple[int, ...]
    job: int | None


_OPAQUE = StageName(None, None, (), None)
_LONGEST_NAME = 1024  # a longer one is nobody's structured name; this bounds what the cache can hold
_NAME = re.compile(
    r"(?P<kind>[^_0-9]++(?<=[A-Z]))(?P<id>[0-9]{1,18}+)(?P<depends_on>(?:_[0-9]{1,18}+)*+)"
    r"(?:_Stg[0-9]++)?+"
    r"(?:_[A-Za-z]\w*?_[0-9]{8,}+[0-9a-z]*+(?:_mcqa)?+_[A-Za-z]++(?:_[0-9]++){3})?"
    r"(?:_job_?(?P<job>[0-9]{1,18}+))?",
    re.ASCII,
)


def stage_name(name: str) -> StageName:
    """Read a stage's name. One without the known structure is opaque: it has no kind, no id and no dependencies."""
    return _structure(name) if len(name) <= _LONGEST_NAME else _OPAQUE


@lru_cache(maxsize=8192)
def _structure(name: str) -> StageName:
    found = _NAME.fullmatch(name)
    if found is None:
        return _OPAQUE
    kind, number, depends_on, job = found.group("kind", "id", "depends_on", "job")
    return StageName(
        kind, int(number), tuple(map(int, depends_on.split("_")[1:])), None if job is None else int(job)
    )


# --- lines --------------------------------------------------------------------------------------------------------


class ProgressLine(Struct, frozen=True, gc=False):
    """One line of progress text. `instance` and `time` are as written directly or nearest before the first stage.

    `skipped` counts words that look like progress and do not keep to the grammar. Where there are only such words
    `stages` is empty: the line holds no progress that can be known.
    """

    instance: str | None
    time: str | None
    stages: tuple[Stage, ...]
    skipped: int


def parse_line(line: str) -> ProgressLine | None:
    """Read one line; None if nothing in it is, or looks like, progress."""
    if ":" not in line or "/" not in line:
        return None
    raise NotImplementedError


def format_stages(stages: Sequence[Stage]) -> str:
    """Write stages as the service's own tools do, apart by TAB: `M1:0/1/1[100%]`, `M1:3/2/5(+1 backups)[RUNNING]`."""
    return "\t".join(map(_format, stages))


def _format(stage: Stage) -> str:
    backups = f"(+{stage.backups} backups)" if stage.backups else ""
    if stage.percent is not None:
        state = f"[{stage.percent}%]"
    else:
        state = f"[{stage.status}]" if stage.status else ""
    return f"{stage.name}:{stage.running}/{stage.terminated}/{stage.total}{backups}{state}"


def ratio(stages: Sequence[Stage]) -> float | None:
    """The share of planned workers that have ended, 0..1 over all stages; None while no stage has planned any."""
    total = sum(stage.total for stage in stages if stage.total > 0)
    if not total:
        return None
    return min(1.0, max(0.0, sum(stage.terminated for stage in stages if stage.total > 0) / total))
