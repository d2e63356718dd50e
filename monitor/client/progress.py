"""Progress text as a value: what `M1_Stg1_job0:0/1/1[100%]` says, for programs that have such text."""

from typing import Self

from msgspec import Struct

from monitor.core.model import Stage
from monitor.core.progress import format_stages, parse_line, ratio


class Progress(Struct, frozen=True, gc=False):
    """What one line of progress text tells.

    `instance` and `time` are those of the line, as written, or None. `malformed` counts the words that look like a
    stage and are none. A text without progress has no stages, and is false.
    """

    stages: tuple[Stage, ...]
    instance: str | None = None
    time: str | None = None
    malformed: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read progress text, as a service or one of its tools prints it. No text raises, and nothing is guessed at.

        Of several lines the last one that holds progress counts: it is the newest.

        >>> progress = Progress.parse("2016-05-19 18:14:03 M1_Stg1_job0:0/1/1[100%]\\tR2_1_Stg1_job0:1/0/3(+1 backups)")
        >>> [(stage.name, stage.running, stage.total, stage.backups) for stage in progress.stages]
        [('M1_Stg1_job0', 0, 1, 0), ('R2_1_Stg1_job0', 1, 3, 1)]
        >>> progress.ratio
        0.25
        """
        for line in reversed(text.splitlines()):
            if parsed := parse_line(line):
                return cls(parsed.stages, parsed.instance, parsed.time, parsed.skipped)
        return cls(())

    @property
    def ratio(self) -> float | None:
        """The share of planned workers that have ended, 0..1 over all stages; None while no stage has planned any."""
        return ratio(self.stages)

    def __bool__(self) -> bool:
        return bool(self.stages)

    def __str__(self) -> str:
        """The stages as the service's own tools write them."""
        return format_stages(self.stages)
