"""Outages: whatever order projects fail and recover in, and whenever the daemon restarts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.alerting import Alert, Rules, Trigger
from monitor.core.events import Failed, SourceChanged, Swept
from monitor.core.health import DOWN_AFTER
from monitor.engine.outages import Outages
from monitor.storage.base import Batch
from monitor.storage.memory import MemoryStorage
from tests.engine.scripted import key, moment, rules

DOWN = rules(Trigger.SOURCE_DOWN)
Step = tuple[str, bool]
steps = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60)


def observe(
    outages: Outages, project: str, up: bool, second: int
) -> tuple[tuple[SourceChanged, ...], tuple[Alert, ...]]:
    at = moment(second)
    got = Swept("s", project, at, frozenset()) if up else Failed("s", project, at, "timeout", "no answer")
    _, changes, alerts = outages.observe(got, DOWN)
    return changes, alerts


@given(steps)
def test_one_alert_per_outage(given_steps: list[Step]) -> None:
    """An alert is due when the first project goes down while none is; every change of a project is told once."""
    outages = Outages()
    row = dict.fromkeys("abc", 0)
    for second, (project, up) in enumerate(given_steps):
        before = {name for name, failures in row.items() if failures >= DOWN_AFTER}
        row[project] = 0 if up else row[project] + 1
        after = {name for name, failures in row.items() if failures >= DOWN_AFTER}
        changes, alerts = observe(outages, project, up, second)
        assert [(change.project, change.up) for change in changes] == [
            (name, name in before) for name in sorted(before ^ after)
        ]
        assert len(alerts) == (1 if after and not before else 0)
        assert outages.is_blind(key("i", project=project)) == (not up)


def test_a_project_that_was_never_asked_is_blind() -> None:
    """Nothing can be judged before the first complete listing."""
    outages = Outages()
    assert outages.is_blind(key("i"))
    observe(outages, "p", True, 1)
    assert not outages.is_blind(key("i"))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reconciled", "first", "alerts"),
    [(None, False, 0), (None, True, 1), (2, False, 0), (2, True, 1), (5, False, 1), (5, True, 1)],
)
async def test_a_restart_goes_on_with_the_old_outage(reconciled: int | None, first: bool, alerts: int) -> None:
    """If nothing was reconciled since the alert, and the first listing fails, the outage is the one that was told:
    no second alert. In any other case the next outage is a new one."""
    storage, outages = MemoryStorage(), Outages()
    for second in range(1, 1 + DOWN_AFTER):
        _, fired = observe(outages, "p", False, second)
    checkpoints = {} if reconciled is None else {("s", "p"): moment(reconciled)}
    await storage.commit(Batch(alerts=fired, checkpoints=checkpoints))

    restarted = Outages()
    await restarted.recall(storage, DOWN)
    found = [observe(restarted, "p", first, 100)]
    found += [observe(restarted, "p", False, 101 + second) for second in range(DOWN_AFTER)]
    assert sum(len(alerts) for _, alerts in found) == alerts
    (down,) = (change for changes, _ in found for change in changes)
    assert down.outage == (moment(1) if not alerts else moment(100 if not first else 101))


@pytest.mark.anyio
async def test_a_project_that_is_no_longer_configured_silences_nothing() -> None:
    """The outage of before was about a project that nobody asks any more: the source's next outage is told."""
    storage, outages = MemoryStorage(), Outages()
    for second in range(DOWN_AFTER):
        _, fired = observe(outages, "gone", False, second)
    await storage.commit(Batch(alerts=fired))
    restarted = Outages()
    await restarted.recall(storage, DOWN)
    found = [observe(restarted, "p", False, 100 + second) for second in range(DOWN_AFTER)]
    assert sum(len(alerts) for _, alerts in found) == 1


@pytest.mark.anyio
async def test_without_a_rule_there_is_nothing_to_recall() -> None:
    """No rule about sources: changes are told, alerts are not."""
    outages = Outages()
    none = Rules(rules=(), external_url="")
    await outages.recall(MemoryStorage(), none)
    for second in range(DOWN_AFTER):
        _, changes, alerts = outages.observe(Failed("s", "p", moment(second), "timeout"), none)
    assert [change.up for change in changes] == [False]
    assert alerts == ()


def test_one_bad_project_mutes_no_other() -> None:
    """A project without a right is told by itself, and the whole source again when it goes down; each once."""
    outages = Outages()

    def fail(project: str, second: int, reason: str) -> list[tuple[str, str]]:
        _, _, alerts = outages.observe(Failed("s", project, moment(second), reason, "no"), DOWN)
        return [(alert.labels["project"], alert.annotations["summary"].split(" does")[0]) for alert in alerts]

    told = [alert for second in range(0, 60, 10) for alert in fail("bad", second, "forbidden")]
    assert told == [("bad", "s/bad")]
    told = [alert for second in range(60, 120, 10) for alert in fail("good", second, "timeout")]
    assert told == [("good", "s")]
    assert [alert for second in range(120, 180, 10) for alert in fail("bad", second, "forbidden")] == []
    outages.observe(Swept("s", "good", moment(180), frozenset()), DOWN)
    told = [alert for second in range(190, 250, 10) for alert in fail("good", second, "timeout")]
    assert told == [("good", "s")]
