"""Anything that a source may say about one instance, in any order: what the properties of the core are tested with."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from monitor.core.events import Gone, Missed, Observation, Seen, Silent, Tick
from monitor.core.model import Failure, InstanceKey, Phase, Queue, Stage, Task
from monitor.core.tracker import Policy
from monitor.core.verdicts import Limits

BEGINNING = datetime(2016, 5, 19, 10, 0, tzinfo=UTC)
KEY = InstanceKey("warehouse", "analytics", "20160519101349613gzbzufck2")
# So short that verdicts and losses come up within a few observations.
POLICY = Policy(
    lost_after=2,
    lost_within=timedelta(seconds=10),
    limits=Limits(
        stalled=timedelta(seconds=20),
        straggling=timedelta(seconds=10),
        queued=timedelta(seconds=20),
        late=timedelta(seconds=60),
    ),
)
SAID = tuple(phase for phase in Phase if phase is not Phase.LOST)  # that one is ours: no service says it

# Few draws from small sets: a life is long, and what matters is how its parts meet.
MOMENTS = tuple(BEGINNING + timedelta(seconds=second) for second in range(0, 125, 5))
times = st.sampled_from(MOMENTS)


def _stage(name: str, running: int, terminated: int, total: int) -> Stage:
    return Stage(name, running, terminated, total, backups=running // 4, percent=10 * terminated)


STAGES = (
    (_stage("M1_Stg1_job0", 4, 0, 10), _stage("R2_1_Stg2_job0", 0, 0, 1)),
    (_stage("M1_Stg1_job0", 1, 9, 10), _stage("R2_1_Stg2_job0", 0, 0, 1)),
    (_stage("M1_Stg1_job0", 0, 10, 10), _stage("R2_1_Stg2_job0", 1, 0, 1)),
    (_stage("M1_Stg1_job0", 0, 10, 10), _stage("R2_1_Stg2_job0", 0, 1, 1)),
    (_stage("M1_Stg1_job0", 2, 10, 12),),
    (_stage("M1_Stg1_job0", 0, 0, 0), Stage("odd", 9, 9, 1, status="RUNNING")),
    (),
)
TASKS = (
    None,
    (),
    *((Task("Prepare", phase=Phase.RUNNING, stages=stages),) for stages in STAGES),
    (Task("Prepare", phase=Phase.SUCCEEDED), Task("Train", phase=Phase.RUNNING, stages=STAGES[0])),
    (Task("Prepare", phase=Phase.SUCCEEDED), Task("Train", phase=Phase.FAILED, stages=STAGES[1])),
)
FAILURES = (None, Failure("Train", "", ""), Failure("Train", "ODPS-0123055", "User script exception"))

seen = st.builds(
    Seen,
    key=st.just(KEY),
    at=times,
    kind=st.just("maxcompute"),
    phase=st.sampled_from((*SAID, Phase.RUNNING, Phase.RUNNING, None)),
    native_status=st.sampled_from(("", "Running", "Terminated")),
    attempt=st.sampled_from((1, 1, 1, 1, 2, 3)),
    owner=st.sampled_from(("", "ALIYUN$me@example.test")),
    created_at=st.sampled_from((None, BEGINNING)),
    started_at=st.sampled_from((None, *MOMENTS[:3])),
    ended_at=st.sampled_from((None, *MOMENTS[-3:])),
    progress=st.sampled_from((None, None, -0.5, 0.0, 0.3, 0.7, 1.0, 1.5)),
    queue=st.sampled_from((None, Queue(1, 2), Queue(0, 1, "Waiting for scheduling"))),
    tasks=st.sampled_from(TASKS),
    stages_read=st.booleans(),
    failure=st.sampled_from(FAILURES),
)
gone = st.builds(Gone, key=st.just(KEY), at=times)
missed = st.builds(Missed, key=st.just(KEY), at=times, reason=st.just("timeout"))
silent = st.builds(Silent, key=st.just(KEY), at=times, why=st.just("nothing was heard of it"))
ticks = st.builds(Tick, at=times, blind=st.booleans())

one: st.SearchStrategy[Observation] = st.one_of(seen, seen, seen, gone, missed, silent, ticks, ticks)


# Another service says itself which of its workers failed, runs an instance again under its id, and counts no attempts.
restarting = st.builds(
    Seen,
    key=st.just(KEY),
    at=times,
    kind=st.just("batchcompute"),
    phase=st.sampled_from((*SAID, Phase.WAITING, Phase.RUNNING, Phase.FAILED, None)),
    started_at=st.sampled_from((None, *MOMENTS[::6])),
    ended_at=st.sampled_from((None, *MOMENTS[::4])),
    end_text=st.sampled_from(("", "first", "second")),
    tasks=st.sampled_from(TASKS),
    stages_read=st.booleans(),
    failure=st.sampled_from(FAILURES),
    failed_workers=st.sampled_from((None, None, 0, 1, 3)),
    workers=st.sampled_from((None, 4)),
    restarts=st.just(True),
)
one_restarting: st.SearchStrategy[Observation] = st.one_of(restarting, restarting, restarting, gone, missed, ticks)


def _in_order(life: list[Observation]) -> list[Observation]:
    return sorted(life, key=lambda got: got.at)


lives = st.lists(one, max_size=20) | st.lists(one_restarting, max_size=20)
lives |= lives.map(_in_order)  # as it mostly is: what was learned first arrives first
