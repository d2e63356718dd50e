from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product

import msgspec
import pytest
from hypothesis import given
from msgspec.structs import replace

from monitor.core.alerting import Alert, Rule, Rules, Trigger, decide, fingerprint
from monitor.core.codec import decode_alert, encode
from monitor.core.events import (
    AnyEvent,
    Contradicted,
    Discovered,
    Lost,
    Observation,
    PartiallyFailed,
    PhaseChanged,
    ProgressMoved,
    SourceChanged,
    VerdictChanged,
)
from monitor.core.model import Failure, InstanceKey, Phase, Stage, Task, Track, Verdict
from monitor.core.tracker import step
from tests.core.observations import POLICY, lives

AT = datetime(2016, 5, 19, 10, 15, tzinfo=UTC)
KEY = InstanceKey("warehouse", "analytics", "20160519101349613gzbzufck2")
TRACK = Track(
    KEY,
    "maxcompute",
    Phase.FAILED,
    name="nightly",
    owner="ALIYUN$me@example.test",
    created_at=AT - timedelta(hours=2),
    started_at=AT - timedelta(hours=1, minutes=2, seconds=3),
    ended_at=AT,
    tasks=(
        Task("Prepare", stages=(Stage("M1_Stg1_job0", 0, 1, 1, percent=100), Stage("R2_1", 1, 0, 2))),
        Task("Empty"),
        Task("Train", stages=(Stage("M1", 0, 0, 3),)),
    ),
    failure=Failure("Prepare", "ODPS-0130131", "[1,15] Table not found - t"),
)
URL = "https://stagewatch.example"


def rule(name: str = "InstanceFailed", when: Trigger = Trigger.FAILED, **limits: frozenset[str]) -> Rule:
    return Rule(name, when, "critical", ("ops", "mail"), **limits)


def fired(event: AnyEvent, *rules: Rule, track: Track = TRACK) -> tuple[Alert, ...]:
    return decide([event], {KEY: track}, Rules(rules, URL))


def phase(after: Phase) -> PhaseChanged:
    return PhaseChanged(AT, KEY, before=Phase.RUNNING, after=after)


def verdict(which: Verdict, *, raised: bool = True) -> VerdictChanged:
    return VerdictChanged(AT, KEY, which, raised, "nothing moved for 30 min" if raised else "")


def source(*, up: bool = False, project: str = "analytics") -> SourceChanged:
    outage = None if up else AT - timedelta(seconds=90)
    return SourceChanged(AT, "warehouse", project, up=up, reason="timeout", detail="no answer in 10 s", outage=outage)


def test_an_alert_is_complete() -> None:
    """Whoever delivers it looks nothing up: every label and annotation is there."""
    (alert,) = fired(phase(Phase.FAILED), rule())
    assert msgspec.to_builtins(alert) == {
        "id": fingerprint("InstanceFailed", str(KEY), "1"),
        "rule": "InstanceFailed",
        "severity": "critical",
        "key": {"source": "warehouse", "project": "analytics", "id": KEY.id},
        "attempt": 1,
        "at": "2016-05-19T10:15:00Z",
        "started_at": "2016-05-19T10:15:00Z",
        "labels": {
            "alertname": "InstanceFailed",
            "severity": "critical",
            "source": "warehouse",
            "project": "analytics",
            "instance": KEY.id,
            "task": "Prepare",
            "owner": "ALIYUN$me@example.test",
            "code": "ODPS-0130131",
        },
        "annotations": {
            "summary": "nightly in analytics failed",
            "message": "[1,15] Table not found - t",
            "progress": "M1_Stg1_job0:0/1/1[100%]\tR2_1:1/0/2\tM1:0/0/3",
            "duration": "1h02m03s",
            "logview": f"{URL}/api/v1/instances/{KEY}/logview?redirect",
        },
        "channels": ("ops", "mail"),
        "fallback": (),
    }


def test_an_alert_about_a_step_names_its_workflow() -> None:
    """So that it and the alert about the workflow read as one story."""
    (alert,) = fired(phase(Phase.FAILED), rule(), track=replace(TRACK, parent="20160519flow", step="train"))
    assert alert.annotations["summary"] == "nightly, step 'train' of 20160519flow, in analytics failed"


def test_an_alert_without_knowledge_has_empty_words() -> None:
    """What is unknown is the empty string, in an alert as complete as any other."""
    bare = Track(KEY, "maxcompute", Phase.FAILED)
    (known,), (unknown,) = fired(phase(Phase.FAILED), rule()), fired(phase(Phase.FAILED), rule(), track=bare)
    assert unknown.labels.keys() == known.labels.keys()
    assert unknown.annotations.keys() == known.annotations.keys()
    assert unknown.annotations["summary"] == f"{KEY.id} in analytics failed"
    assert {name for name, text in (unknown.labels | unknown.annotations).items() if not text} == {
        "task", "owner", "code", "message", "progress", "duration",
    }  # fmt: skip


def test_a_source_alert_is_complete_too() -> None:
    """An alert about a source has the same labels and annotations, and speaks of no instance."""
    (alert,) = fired(source(), rule("SourceDown", Trigger.SOURCE_DOWN))
    (other,) = fired(phase(Phase.FAILED), rule())
    assert alert.key is None
    assert alert.started_at == AT - timedelta(seconds=90)
    assert alert.labels.keys() == other.labels.keys()
    assert alert.annotations.keys() == other.annotations.keys()
    assert alert.labels["code"] == "timeout"
    assert alert.annotations["message"] == "no answer in 10 s"
    assert alert.annotations["duration"] == "1m30s"


@pytest.mark.parametrize("event", [phase(Phase.FAILED), source()], ids=["instance", "source"])
def test_an_alert_knows_its_fallback(event: AnyEvent) -> None:
    """So that it falls back as its rule said when it fired; what was stored before there were any has none."""
    when = Trigger.FAILED if isinstance(event, PhaseChanged) else Trigger.SOURCE_DOWN
    (alert,) = fired(event, replace(rule(when=when), fallback=("pager",)))
    assert (alert.channels, alert.fallback) == (("ops", "mail"), ("pager",))
    fields = msgspec.msgpack.decode(encode(alert))
    del fields["fallback"]
    assert decode_alert(msgspec.msgpack.encode(fields)) == replace(alert, fallback=())


EVENTS: dict[Trigger, AnyEvent] = {
    Trigger.FAILED: phase(Phase.FAILED),
    Trigger.CANCELLED: phase(Phase.CANCELLED),
    Trigger.LOST: Lost(AT, KEY, before=Phase.RUNNING),
    Trigger.SOURCE_DOWN: source(),
    Trigger.PARTIAL_FAILURE: PartiallyFailed(AT, KEY, failed=1, workers=3),
    **{Trigger(which.value): verdict(which) for which in Verdict},
}


@pytest.mark.parametrize(("waits", "happens"), [*product(Trigger, Trigger)])
def test_a_rule_fires_on_its_own_event_only(waits: Trigger, happens: Trigger) -> None:
    """Every trigger has its event, and no other event fires it."""
    alerts = fired(EVENTS[happens], rule(when=waits))
    assert [alert.rule for alert in alerts] == (["InstanceFailed"] if waits is happens else [])
    assert all(alert.annotations["summary"] for alert in alerts)


@pytest.mark.parametrize(
    "event",
    [
        Discovered(AT, KEY),
        phase(Phase.SUCCEEDED),
        phase(Phase.RUNNING),
        ProgressMoved(AT, KEY, 0.5),
        Contradicted(AT, KEY, Phase.SUCCEEDED, "Running"),
        *(verdict(which, raised=False) for which in Verdict),
        source(up=True),
    ],
    ids=lambda event: type(event).__name__,
)
def test_good_news_fires_nothing(event: AnyEvent) -> None:
    """Nothing fires on what needs nobody."""
    assert not fired(event, *(rule(when, when) for when in Trigger))


def test_evidence_is_the_message_of_a_verdict() -> None:
    """A verdict says why it was raised."""
    live = replace(TRACK, phase=Phase.RUNNING, failure=None, ended_at=None)
    (alert,) = fired(verdict(Verdict.STALLED), rule("Stalled", Trigger.STALLED), track=live)
    assert alert.annotations["message"] == "nothing moved for 30 min"
    assert alert.annotations["summary"] == "nightly in analytics does not move"
    assert alert.started_at == AT


@pytest.mark.parametrize(
    ("failed", "workers", "message"),
    [
        (2, 5, "2 of 5 workers failed"),
        (1, 1, "1 of 1 workers failed"),
        (1, None, "1 worker failed"),
        (2, None, "2 workers failed"),
    ],
)
def test_a_partial_failure_says_how_many_failed(failed: int, workers: int | None, message: str) -> None:
    """Of how many, where that is known."""
    succeeded = replace(TRACK, phase=Phase.SUCCEEDED, failure=None, failed_workers=failed)
    event = PartiallyFailed(AT, KEY, failed=failed, workers=workers)
    (alert,) = fired(event, rule("Partial", Trigger.PARTIAL_FAILURE), track=succeeded)
    assert alert.annotations["message"] == message
    assert alert.annotations["summary"] == "nightly in analytics succeeded, though some of its workers failed"
    assert alert.annotations["duration"] == "1h02m03s"


@pytest.mark.parametrize(
    ("limits", "covered"),
    [
        ({}, True),
        ({"sources": frozenset({"warehouse"})}, True),
        ({"sources": frozenset({"render"})}, False),
        ({"projects": frozenset({"analytics", "ads"})}, True),
        ({"projects": frozenset({"ads"})}, False),
        ({"sources": frozenset({"warehouse"}), "projects": frozenset({"ads"})}, False),
    ],
)
def test_a_rule_speaks_about_its_projects(limits: dict[str, frozenset[str]], *, covered: bool) -> None:
    """Sources and projects of a rule limit it, for instances and for sources alike."""
    assert bool(fired(phase(Phase.FAILED), rule(**limits))) is covered
    assert bool(fired(source(), rule(when=Trigger.SOURCE_DOWN, **limits))) is covered


def test_what_has_fired_stays_silent() -> None:
    """A rule that the track remembers does not fire again in the same attempt; others do."""
    remembered = replace(TRACK, fired=frozenset({"InstanceFailed"}))
    alerts = fired(phase(Phase.FAILED), rule(), rule("Other"), track=remembered)
    assert [alert.rule for alert in alerts] == ["Other"]


def test_alerts_come_in_the_order_of_events_then_rules() -> None:
    """The first thing that happened is told first; the same alert is told once."""
    events = [verdict(Verdict.STALLED), phase(Phase.FAILED), phase(Phase.FAILED)]
    rules = Rules((rule("A"), rule("Slow", Trigger.STALLED), rule("B")), URL)
    assert [alert.rule for alert in decide(events, {KEY: TRACK}, rules)] == ["Slow", "A", "B"]


def test_the_fingerprint_is_for_ever() -> None:
    """The id of an alert is sixteen hexadecimal digits, which outlive every release: receivers know alerts by it."""
    (alert,) = fired(phase(Phase.FAILED), rule())
    assert alert.id == "14d0cdc4f09ec565"
    (again,) = fired(replace(phase(Phase.FAILED), at=AT + timedelta(days=1)), rule())
    assert again.id == alert.id


def test_fingerprints_tell_things_apart() -> None:
    """Another rule, instance or attempt is another alert, however the parts are cut."""
    parts = [("ab", "c"), ("a", "bc"), ("abc",), ("ab", "c", ""), ("AB", "c")]
    assert len({fingerprint(*one) for one in parts}) == len(parts)
    (first,), (second,) = (
        fired(phase(Phase.FAILED), rule(), track=replace(TRACK, attempt=attempt)) for attempt in (1, 2)
    )
    assert first.id != second.id


@pytest.mark.parametrize("name", ['a"b', "line\nbreak", "<script>", "nul\0", "\u202egnp", "名字", "a b?c#d%2F"])
def test_hostile_names_stay_text(name: str) -> None:
    """Whatever an instance is called, its alert can be stored, and the link holds nothing that ends or splits it."""
    key = InstanceKey("warehouse", "analytics", name)
    track = replace(TRACK, key=key, name=name)
    (alert,) = decide([replace(phase(Phase.FAILED), key=key)], {key: track}, Rules((rule(),), URL))
    assert alert.labels["instance"] == name
    assert decode_alert(encode(alert)) == alert
    link = alert.annotations["logview"]
    assert link.isascii()
    assert link.isprintable()
    assert link.count("?") == 1
    assert not set(link) & set('<>" #')


@given(lives)
def test_each_rule_fires_once_per_attempt(life: list[Observation]) -> None:
    """However a life goes, each rule fires at most once per attempt, as a whole alert that storage gives back."""
    rules = Rules(tuple(rule(when.value, when) for when in Trigger), URL)
    track: Track | None = None
    told: Counter[tuple[str, int]] = Counter()
    ids: set[str] = set()
    for got in life:
        track, events = step(track, got, POLICY)
        if track is None:
            continue
        alerts = decide(events, {track.key: track}, rules)
        track = replace(track, fired=track.fired | {alert.rule for alert in alerts})
        told.update((alert.rule, alert.attempt) for alert in alerts)
        ids |= {alert.id for alert in alerts}
        assert [decode_alert(encode(alert)) for alert in alerts] == list(alerts)
        failed = any(isinstance(event, PhaseChanged) and event.after is Phase.FAILED for event in events)
        assert failed is any(alert.rule == "failed" for alert in alerts)  # no failure goes untold
    assert not told or set(told.values()) == {1}
    assert len(ids) == len(told)
