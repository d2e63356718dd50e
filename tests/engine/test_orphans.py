"""What nobody asks about any more does not look as if it went on."""

from structlog.testing import capture_logs

from monitor.core.model import InstanceKey, Phase, Queue, Track, Verdict
from monitor.engine.orphans import let_go
from tests.engine.scripted import moment


def track(source: str, instance: str, phase: Phase) -> Track:
    return Track(
        key=InstanceKey(source, "p", instance),
        kind="maxcompute",
        phase=phase,
        observed_at=moment(60),
        phase_since=moment(10),
        queue=Queue(1, 2) if phase is Phase.WAITING else None,
        verdicts=frozenset({Verdict.STALLED}) if phase is Phase.RUNNING else frozenset(),
    )


def test_live_tracks_without_a_source_are_lost() -> None:
    """Those of a configured project, and those that have ended, stay as they are; the log counts the others."""
    watched, gone = track("here", "1", Phase.RUNNING), track("gone", "1", Phase.RUNNING)
    waiting, ended = track("gone", "2", Phase.WAITING), track("gone", "3", Phase.FAILED)
    with capture_logs() as logs:
        kept = let_go([watched, gone, waiting, ended], {("here", "p")}, moment(1000))
    assert kept[0] is watched
    assert kept[3] is ended
    for one in kept[1:3]:
        assert (one.phase, one.phase_since, one.queue, one.verdicts) == (Phase.LOST, moment(60), None, frozenset())
    assert [(line["event"], line["source"], line["instances"]) for line in logs] == [
        ("no_longer_configured", "gone", 2)
    ]
