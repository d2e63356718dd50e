"""Observations per CPU-second of `step`, in the four lives that an observation can have.

    python -m tests.benchmarks.step

Each round walks many tracks once, as the ledger does; the median of all rounds counts. A listing says how an instance
stands and how far it is, an inspection its task and four stages too.
"""

import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from monitor.core.events import Observation, Seen, Tick
from monitor.core.model import InstanceKey, Phase, Stage, Task, Track
from monitor.core.tracker import Policy, step

ROUNDS = 15
TRACKS = 5_000
BEGAN = datetime(2016, 5, 19, 10, 13, 49, tzinfo=UTC)
LATER = BEGAN + timedelta(seconds=10)
POLICY = Policy()


def listed(number: int, at: datetime, phase: Phase = Phase.RUNNING, progress: float = 0.4) -> Seen:
    """What a listing says."""
    return Seen(
        key=InstanceKey("warehouse", "analytics", f"2016051910134961{number:08}"),
        at=at,
        kind="maxcompute",
        phase=phase,
        native_status="Running",
        owner="ALIYUN$me@example.test",
        created_at=BEGAN,
        progress=progress,
    )


def inspected(number: int, at: datetime, terminated: int = 40) -> Seen:
    """What an inspection with stages says: new values each time, as a parser makes them."""
    stages = tuple(Stage(f"M{stage}_Stg{stage}_job0", 10, terminated, 100, 1, terminated) for stage in range(1, 5))
    tasks = (Task("AnonymousSQLTask", "SQL", Phase.RUNNING, BEGAN, None, stages),)
    return replace(listed(number, at), tasks=tasks, stages_read=True)


def measure(title: str, tracks: Sequence[Track], observations: Sequence[Observation], events: int) -> None:
    """Print how many of these a second of CPU takes in; each must yield so many events."""
    spent = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for track, got in zip(tracks, observations, strict=True):
            step(track, got, POLICY)
        spent.append(time.process_time() - started)
    seen = {len(step(track, got, POLICY)[1]) for track, got in zip(tracks, observations, strict=True)}
    if seen != {events}:
        raise AssertionError(f"{title}: {events} events were expected of each step, not {seen}")
    print(f"{title:<28} {TRACKS / statistics.median(spent):>11,.0f} observations per CPU-second")


def main() -> None:
    numbers = range(TRACKS)
    tracks = [track for number in numbers if (track := step(None, inspected(number, BEGAN), POLICY)[0])]
    measure("listed again, unchanged", tracks, [listed(number, LATER) for number in numbers], 0)
    measure("inspected again, unchanged", tracks, [inspected(number, LATER) for number in numbers], 0)
    measure("progress moved", tracks, [listed(number, LATER, progress=0.5) for number in numbers], 1)
    measure("stages moved", tracks, [inspected(number, LATER, terminated=50) for number in numbers], 1)
    measure("phase changed", tracks, [listed(number, LATER, phase=Phase.SUCCEEDED) for number in numbers], 1)
    measure("tick", tracks, [Tick(LATER)] * TRACKS, 0)


if __name__ == "__main__":
    main()
