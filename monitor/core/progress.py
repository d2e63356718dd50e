"""The progress grammar: what `M1_Stg1_job0:0/1/1[100%]` says, and how we say it.

Rules of this file: a word is a stage to the letter or not at all, nothing is repaired; no text raises, and every
pattern reads its text in linear time, so a line may have any length.

    LINE   ID? (DATE TIME)? STAGE..    stages apart by TAB, spaces or ", "; prose before and between is passed over
    STAGE  NAME:running/terminated/total "(+N backups)"? ("[P%]" or "[STATUS]")?
    NAME   KIND ID (_DEP)* _StgK? _PROJECT_INSTANCE_TASKTYPE_a_b_c? (_jobN or _job_N)?
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
    r"(?P<kind>[A-Za-z]++(?<=[A-Z]))(?P<id>[0-9]{1,18}+)(?P<depends_on>(?:_[0-9]{1,18}+)*+)"
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
    return StageName(kind, int(number), tuple(map(int, depends_on.split("_")[1:])), None if job is None else int(job))


# --- lines --------------------------------------------------------------------------------------------------------


class ProgressLine(Struct, frozen=True, gc=False):
    """One line of progress text: what it told, and how many words it had that look like progress and are not.

    `instance` and `time` are the last ones before the first stage, as written; the time is the printing machine's own.
    `stages` is empty where every such word was malformed: the line meant to tell something, and nothing is known.
    """

    instance: str | None
    time: str | None
    stages: tuple[Stage, ...]
    skipped: int


# Alternatives are tried in this order at the beginning of each word. A bracket or backups that stand apart from their
# stage belong to it still: reading the stage without them would contradict the text, so such a stage is malformed.
_WORD = re.compile(
    r"""(?<!\S)(?:
        ([^\s:]++):([0-9]{1,19}+)/([0-9]{1,19}+)/([0-9]{1,19}+)             # name:running/terminated/total
            (?:\(\+([0-9]{1,19}+)\ backups\))?+
            (?:\[(?:(100|[0-9]{1,2}+)%|([A-Z]++))\]                         # percent, or status, or neither:
                |(?!\s++(?:\[[^\s:\]]*+\],?+|\(\+[^\s:]*+)(?!\S)))          # nor standing apart
            (?=,?+(?!\S))
      | ([0-9]{4}-[0-9]{2}-[0-9]{2}\ [0-9]{2}:[0-9]{2}:[0-9]{2})(?!\S)      # time
      | ([0-9]{17}g[0-9A-Za-z]++(?:_mcqa)?+)(?!\S)                          # instance
        # What follows only looks like a stage. Not an address: it has `//` after its first colon.
      | [^\s:]*+:(?!//)(?:
            \S*?(?<=:)[+-]?[0-9]++/[+-]?[0-9]                              # name:1/2.. to any end
          | [^\s/\[(]*+/[^\s\[(]*+(?:\(\+|\[(?:[0-9.+-]*+%?+|[A-Z]*+)\]?+,?+(?!\S))    # name:../..[50%], however cut
        )
      | [0-9]++/[0-9]++/[0-9]++[\[(]                                       # counts parted from their name
    )""",
    re.VERBOSE,
)


def parse_line(line: str) -> ProgressLine | None:
    """Read one line of any length; None if no word in it is a stage or looks like one."""
    if "/" not in line:
        return None
    instance = time = None
    stages: list[Stage] = []
    skipped = 0
    for name, running_, terminated_, total_, backups_, percent, status, a_time, an_instance in _WORD.findall(line):
        if name:
            running, terminated, total = int(running_), int(terminated_), int(total_)
            backups = int(backups_) if backups_ else 0
            if (running | terminated | total | backups) >> 63:  # one of them is beyond 64 bits, signed
                skipped += 1
                continue
            points = int(percent) if percent else None
            stages.append(Stage(name, running, terminated, total, backups, points, status or None))
        elif not (a_time or an_instance):
            skipped += 1
        elif not stages:
            time, instance = a_time or time, an_instance or instance
    if not stages and not skipped:
        return None
    return ProgressLine(instance, time if time and _is_a_time(time) else None, tuple(stages), skipped)


def _is_a_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:  # the 30th of February, the 25th hour
        return False
    return True


def format_stages(stages: Sequence[Stage]) -> str:
    """Write stages as the service's own tools do, apart by TAB: `M1:0/1/1[100%]`, `M1:3/2/5(+1 backups)[RUNNING]`."""
    return "\t".join(map(_format, stages))


def _format(stage: Stage) -> str:
    backups = f"(+{stage.backups} backups)" if stage.backups else ""
    state = stage.status if stage.percent is None else f"{stage.percent}%"
    return f"{stage.name}:{stage.running}/{stage.terminated}/{stage.total}{backups}{f'[{state}]' if state else ''}"


def ratio(stages: Sequence[Stage]) -> float | None:
    """The share of planned workers that have ended, 0..1 over all stages; None while no stage has planned any."""
    total = sum(stage.total for stage in stages if stage.total > 0)
    if not total:
        return None
    return min(1.0, max(0.0, sum(stage.terminated for stage in stages if stage.total > 0) / total))


# --- the `parse` command's JSON -----------------------------------------------------------------------------------


class NamedStage(Struct, frozen=True, gc=False):
    """A stage beside what its name tells, as the public JSON shows it wherever there are stages."""

    name: str
    kind: str | None
    id: int | None
    depends_on: tuple[int, ...]
    running: int
    terminated: int
    total: int
    backups: int
    percent: int | None
    status: str | None


class _WireLine(Struct, frozen=True, gc=False):
    line: int
    instance: str | None
    time: str | None
    stages: tuple[NamedStage, ...]


_encode = msgspec.json.Encoder().encode


def encode_line(number: int, parsed: ProgressLine) -> bytes:
    """One line's JSON object in UTF-8. Half a surrogate pair in a name, which JSON cannot hold, becomes U+FFFD."""
    try:
        return _encode(_wire(number, parsed))
    except UnicodeEncodeError:
        stages = tuple(msgspec.structs.replace(stage, name=_whole(stage.name)) for stage in parsed.stages)
        return _encode(_wire(number, msgspec.structs.replace(parsed, stages=stages)))


def _wire(number: int, parsed: ProgressLine) -> _WireLine:
    return _WireLine(number, parsed.instance, parsed.time, tuple(map(_named, parsed.stages)))


def _named(s: Stage) -> NamedStage:
    n = stage_name(s.name)
    return NamedStage(
        s.name, n.kind, n.id, n.depends_on, s.running, s.terminated, s.total, s.backups, s.percent, s.status
    )


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
