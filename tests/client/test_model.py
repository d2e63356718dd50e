"""What the API says of an instance, as values."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from monitor.client.model import Instance, Outcome, Projects, Stage
from monitor.core import model
from monitor.core.model import Failure, Phase, Queue, Verdict
from monitor.engine.board import Board
from monitor.web import wire
from tests.web.desk import NOON, failed, staged, track


def shown(of: model.Track) -> Instance:
    """As the client reads what the API writes."""
    return msgspec.json.decode(wire.encode(wire.instance(of, Board())), type=Instance)


@pytest.mark.parametrize(
    "of",
    [
        staged("i1", 3, name="中文", queue=Queue(1, 2, "busy"), verdicts=frozenset({Verdict.STALLED}), stages_at=NOON),
        failed("i2", contradiction="Running", started_at=NOON, phase_since=NOON),
    ],
)
def test_nothing_that_the_api_says_is_left_out(of: model.Track) -> None:
    """What is read and written again is the API's own JSON, field for field."""
    said = msgspec.json.decode(wire.encode(wire.instance(of, Board())))
    assert msgspec.json.decode(msgspec.json.encode(shown(of))) == said


def test_steps_and_what_started_them() -> None:
    """Both ways, as the API says it."""
    whole, step = track("w"), track("s", parent="w", step="AppendID", progress=0.5)
    for one in (whole, step):
        said = wire.encode(wire.instance(one, Board([whole, step])))
        read = msgspec.json.decode(said, type=Instance)
        assert msgspec.json.decode(msgspec.json.encode(read)) == msgspec.json.decode(said)
        assert bool(read.children) is (one is whole)


def test_stages_of_all_tasks() -> None:
    """An instance knows its stages, and how far each is."""
    one = shown(staged("i1", 3, total=10))
    assert [(stage.name, stage.id, stage.depends_on) for stage in one.stages] == [
        ("M1_Stg1_job0", 1, ()),
        ("R2_1_Stg1_job0", 2, (1,)),
    ]
    assert [stage.ratio for stage in one.stages] == [0.3, 0.0]


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Stage("a", 0, 1, 4), 0.25),
        (Stage("a", 0, 1, 4, percent=80), 0.8),
        (Stage("a", 0, 0, 0), None),
        (Stage("a", 0, 5, 4), 1.0),
    ],
)
def test_how_far_a_stage_is(stage: Stage, expected: float | None) -> None:
    """By the service's percent, else by workers, never beyond the whole; not known where nothing is planned."""
    assert stage.ratio == expected


def test_duration() -> None:
    """From the start, or else the making, to the end, or to now; not known where neither is."""
    later = NOON + timedelta(seconds=90)
    assert shown(track("a", started_at=later)).duration(later + timedelta(seconds=5)) == 5
    assert shown(track("a", Phase.SUCCEEDED, ended_at=later)).duration() == 90
    assert shown(track("a")).duration() is None
    assert shown(track("a", created_at=None)).duration(NOON) is None


def test_the_outcome_of_a_failure() -> None:
    """Everything that people ask about an end."""
    outcome = Outcome.of(shown(failed("i1", started_at=NOON - timedelta(seconds=35), progress=0.5)))
    assert outcome.key == "warehouse/analytics/i1"
    assert not outcome.succeeded
    assert (outcome.code, outcome.message) == ("ODPS-0130131", "Table not found")
    assert (outcome.progress, outcome.duration, outcome.phase, outcome.attempt) == (0.5, 35, Phase.FAILED, 1)


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.CANCELLED, Phase.LOST])
def test_only_success_is_success(phase: Phase) -> None:
    """Cancelled and lost are none, and have no failure's text."""
    outcome = Outcome.of(shown(track("i1", phase)))
    assert outcome.succeeded is (phase is Phase.SUCCEEDED)
    assert (outcome.code, outcome.message, outcome.failure) == ("", "", None)


def test_a_failure_is_the_cores_own() -> None:
    """Its category says who has to act."""
    assert shown(failed("i1")).failure == Failure("AnonymousSQLTask", "ODPS-0130131", "Table not found")


def test_projects() -> None:
    """The health of every project, with the daemon's clock."""
    board = Board([track("a")])
    read = msgspec.json.decode(wire.encode(wire.projects(board, NOON)), type=Projects)
    assert read.now == datetime(2016, 5, 19, 12, tzinfo=UTC)
    (project,) = read.sources
    assert (project.source, project.project, project.up, project.instances["running"]) == (
        "warehouse", "analytics", True, 1,
    )  # fmt: skip
