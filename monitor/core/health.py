"""Whether a source answers: judged per project, spoken of on change only.

Rules of this file: one failed listing is weather, several in a row are an outage; while an outage lasts nothing about
the project's instances can be judged.
"""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from monitor.core.events import Failed, SourceChanged, Swept

DOWN_AFTER = 3  # listings that failed in a row
ALONE = frozenset({"forbidden", "not_found"})  # reasons of one project: they say nothing about the others


class Health(Struct, frozen=True, gc=False):
    """How one project's listing stands. `failing_since` is set from the first failure, `down` from the third; `outage`
    is the one of its source that it then belongs to, unless it is down `alone`."""

    swept_at: datetime | None = None
    failing_since: datetime | None = None
    failures: int = 0
    down: bool = False
    reason: str = ""
    detail: str = ""
    outage: datetime | None = None
    alone: bool = False

    @property
    def is_known(self) -> bool:
        """It was swept once, or is known not to answer: either way there is something true to show."""
        return self.swept_at is not None or self.failing_since is not None


Projects = Mapping[tuple[str, str], Health]


def step_health(projects: Projects, got: Swept | Failed) -> tuple[Health, tuple[SourceChanged, ...]]:
    """The new health of the project that `got` is about, and what changed by it."""
    old = projects.get((got.source, got.project), Health())
    if isinstance(got, Swept):
        new = Health(swept_at=got.at)
        if not old.down:
            return new, ()
        lasted = (got.at - old.failing_since).total_seconds() if old.failing_since else None
        return new, (SourceChanged(at=got.at, source=got.source, project=got.project, up=True, lasted=lasted),)

    new = replace(
        old,
        failures=old.failures + 1,
        failing_since=old.failing_since or got.at,
        reason=got.reason,
        detail=got.detail,
    )
    if old.down or new.failures < DOWN_AFTER:
        return new, ()
    alone = got.reason in ALONE
    shared = None if alone else outage_of(projects, got.source)
    new = replace(new, down=True, outage=shared or new.failing_since, alone=alone)
    changed = SourceChanged(
        at=got.at,
        source=got.source,
        project=got.project,
        up=False,
        reason=got.reason,
        detail=got.detail,
        outage=new.outage,
        alone=alone,
    )
    return new, (changed,)


def outage_of(projects: Projects, source: str) -> datetime | None:
    """When the outage of a source began that is still going on, also if the project where it began answers again.
    Projects that are down alone have no part in it."""
    began = [
        health.outage for (name, _), health in projects.items() if name == source and health.outage and not health.alone
    ]
    return min(began, default=None)


def source_is_up(projects: Projects, source: str) -> bool:
    """A source is up while any of its projects is; one that was never asked counts as up."""
    healths = [health for (name, _), health in projects.items() if name == source]
    return not healths or any(not health.down for health in healths)
