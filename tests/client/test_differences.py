"""What must have happened between two looks."""

from monitor.client.differences import changes, gone, inferred
from monitor.client.feed import Snapshot
from monitor.core.model import Phase, Verdict
from tests.client.test_model import shown
from tests.web.desk import NOON, failed, track


def told(before: object, after: object) -> list[tuple[str, dict[str, object]]]:
    """Kinds and details of what is inferred."""
    return [(event.kind, event.details) for event in changes(before, after, 7)]  # type: ignore[arg-type]


def test_nothing_happened() -> None:
    """Equal states tell nothing."""
    assert told(shown(track("a")), shown(track("a"))) == []


def test_a_new_one() -> None:
    """It was discovered, and has its first phase."""
    events = told(None, shown(failed("a")))
    assert events == [("discovered", {}), ("phase", {"from": None, "to": "failed", "attempt": 1})]


def test_an_end() -> None:
    """The phase says from where to where, as the event would have; it is marked and carries the new state."""
    new = shown(failed("a", phase_since=NOON))
    (event,) = changes(shown(track("a")), new, 7)
    assert (event.kind, event.details) == ("phase", {"from": "running", "to": "failed", "attempt": 1})
    assert (event.inferred, event.instance, event.seq, event.at, event.key) == (True, new, 7, NOON, new.key)


def test_another_attempt() -> None:
    """One that runs again was restarted, though its phase looks the same."""
    assert told(shown(track("a")), shown(track("a", attempt=2))) == [
        ("phase", {"from": "running", "to": "running", "attempt": 2})
    ]


def test_lost_progress_and_verdicts() -> None:
    """Each kind by its own name."""
    assert told(shown(track("a")), shown(track("a", Phase.LOST)))[0][0] == "lost"
    assert told(shown(track("a")), shown(track("a", progress=0.5))) == [("progress", {"progress": 0.5})]
    raised = told(shown(track("a")), shown(track("a", verdicts=frozenset({Verdict.LATE}))))
    assert raised == [("verdict", {"verdict": "late", "raised": True, "evidence": ""})]


def test_a_whole_snapshot() -> None:
    """Each instance beside what it was."""
    old, new = shown(track("a")), shown(track("a", progress=0.5))
    other = shown(track("b"))
    kinds = [
        (event.key, event.kind)
        for event in inferred({"warehouse/analytics/a": old}, Snapshot((new, other), 9, "epoch"))
    ]
    assert kinds == [(new.key, "progress"), (other.key, "discovered"), (other.key, "phase")]


def test_gone() -> None:
    """One that is not known any more has no state."""
    event = gone(shown(track("a", created_at=None)), 9)
    assert (event.kind, event.instance, event.at, event.inferred) == ("removed", None, None, True)
