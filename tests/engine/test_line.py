"""The whole line for an hour of service time: two hundred instances, failures, disappearances and an outage."""

from datetime import timedelta
from itertools import groupby, pairwise
from random import Random

import anyio
import pytest

from monitor.core.alerting import Trigger
from monitor.core.events import Discovered, Lost, PhaseChanged, SourceChanged, VerdictChanged
from monitor.core.model import Phase
from monitor.core.schedule import Pace
from monitor.core.tracker import TRANSITIONS, Policy
from monitor.core.verdicts import Limits
from monitor.notify.base import NotifyError
from monitor.notify.base import Reason as NotifyReason
from monitor.sources.base import Reason, SourceError
from tests.engine.line import running_line
from tests.engine.scripted import Life, ScriptedNotifier, ScriptedSource, key, rules

pytestmark = pytest.mark.anyio

HOUR = 3600.0
OUTAGE = (1500.0, 2100.0)
COUNT = 200


def lives(random: Random) -> dict[str, Life]:
    """Submitted all over the hour, from a second to half an hour long; one in five fails, one in twenty is forgotten
    by the service before its end."""
    found = {}
    for number in range(COUNT):
        submitted = random.uniform(0, HOUR - 1000)
        lasts = random.choice([random.uniform(1, 9), random.uniform(10, 300), random.uniform(300, 1800)])
        outcome = random.choices([Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED], [15, 4, 1])[0]
        life = Life(
            f"i{number:03}",
            submitted=submitted,
            begins=submitted + random.uniform(0, lasts / 2),
            ends=submitted + lasts,
            outcome=outcome,
            project=random.choice(["p", "q"]),
        )
        if number % 20 == 0 and not OUTAGE[0] - 100 < submitted < OUTAGE[1] + 300:  # nobody could know of it otherwise
            life.ends, life.forgotten = HOUR * 9, submitted + random.uniform(60, 600)
        found[life.id] = life
    return found


@pytest.mark.parametrize("seed", range(2))
async def test_an_hour_of_service_time(seed: int) -> None:
    """In the end the board equals the truth; each failure and loss was delivered once, each phase told once and in
    order, although requests failed at random, the source was away for ten minutes, and the channel stumbled."""
    random = Random(seed)
    source = ScriptedSource(lives(random), projects=("p", "q"), page_size=7)
    ops = ScriptedNotifier(script=[NotifyError(NotifyReason.TIMEOUT, "no answer", permanent=False)] * 3)

    stumbled: set[tuple[str, str]] = set()

    async def weather(operation: str, what: str) -> None:
        await anyio.sleep(random.uniform(0.01, 0.5))
        if OUTAGE[0] <= anyio.current_time() < OUTAGE[1]:
            raise SourceError(Reason.UNREACHABLE, "no connection")
        request = (operation, what)
        if random.random() < 0.05 and request not in stumbled:  # three times in a row would be an outage of its own
            stumbled.add(request)
            raise SourceError(random.choice(list(Reason)), "now and then")
        stumbled.discard(request)

    source.trouble = weather
    triggers = rules(Trigger.FAILED, Trigger.LOST, Trigger.SOURCE_DOWN)
    async with running_line(
        source, channels=[ops], rules=triggers, pace=Pace(requests_per_second=10), chance=random.random
    ) as line:
        await anyio.sleep(HOUR + 900)
        board = {life.id: line.board.get(key(life.id, life.project)) for life in source.lives.values()}

    truth = {life.id: Phase.LOST if life.forgotten <= HOUR + 900 else life.outcome for life in source.lives.values()}
    assert {name: track and track.phase for name, track in board.items()} == truth
    stored = {track.key.id: track for track in await line.storage.load()}
    assert {name: track.phase for name, track in stored.items()} == truth

    failed = sorted(name for name, phase in truth.items() if phase is Phase.FAILED)
    lost = sorted(name for name, phase in truth.items() if phase is Phase.LOST)
    assert len(failed) > 20
    assert len(lost) > 1
    delivered = [(alert.rule, alert.labels["instance"]) for alert in ops.taken]
    assert sorted(delivered) == sorted(
        [("failed", name) for name in failed] + [("lost", name) for name in lost] + [("source_down", "")]
    )
    assert len({alert.id for alert in ops.taken}) == len(ops.taken)
    messages = {alert.labels["instance"]: alert.annotations["message"] for alert in ops.taken}
    assert {messages[name] for name in failed} <= {f"{name} found no table" for name in failed} | {""}

    seqs = [record.seq for record in line.records]
    assert seqs == list(range(1, len(seqs) + 1))
    assert sorted(event.key.id for event in line.events(Discovered)) == sorted(truth)
    assert sorted(event.key.id for event in line.events(Lost)) == lost
    by_key = groupby(sorted(line.events(PhaseChanged), key=lambda event: event.key), key=lambda event: event.key)
    for _, events in by_key:
        steps = list(events)
        assert steps[0].before is None
        assert all(one.after is other.before for one, other in pairwise(steps))
        assert all(step.after in TRANSITIONS[step.before] for step in steps if step.before)
    assert [event.up for event in line.events(SourceChanged)] == [False, False, True, True]


async def test_what_is_out_of_sight_is_not_judged() -> None:
    """It ended, and how cannot be asked for an hour while the listing goes on: nobody saw it stand still."""

    async def denied(operation: str, _what: str) -> None:
        if operation == "inspect" and anyio.current_time() > 100:
            raise SourceError(Reason.UNAVAILABLE, "made up")

    source = ScriptedSource(trouble=denied)
    source.add(Life("moves", ends=4 * HOUR), Life("ends", ends=600.0))
    policy = Policy(limits=Limits(stalled=timedelta(minutes=30)))
    async with running_line(source, policy=policy) as line:
        await anyio.sleep(HOUR)
    assert [event.key.id for event in line.events(VerdictChanged)] == []
