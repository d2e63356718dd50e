"""What holds for every life of an instance. Single lives are told in `tests/journeys`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from monitor.core.codec import decode_event, decode_track, encode
from monitor.core.events import (
    AnyEvent,
    Contradicted,
    Discovered,
    Gone,
    Lost,
    Observation,
    PartiallyFailed,
    PhaseChanged,
    ProgressMoved,
    Seen,
    Tick,
    VerdictChanged,
)
from monitor.core.model import LIVE, TERMINAL, Phase, Track, Verdict
from monitor.core.tracker import TRANSITIONS, step
from tests import diagram
from tests.core.observations import BEGINNING, KEY, POLICY, SAID, lives, one

README = Path(__file__).parents[2] / "README.md"

Told = tuple[Track | None, Observation, Track | None, tuple[AnyEvent, ...]]


def live_through(life: Sequence[Observation]) -> Iterator[Told]:
    """Each observation with the track before it, the track after it, and what came out."""
    track: Track | None = None
    for got in life:
        new, events = step(track, got, POLICY)
        yield track, got, new, events
        track = new


def events_of(life: Sequence[Observation]) -> list[AnyEvent]:
    return [event for told in live_through(life) for event in told[3]]


def test_every_phase_has_its_row() -> None:
    """The table speaks of each phase; a terminal phase is the last word, and nothing leads to itself."""
    assert TRANSITIONS.keys() == set(Phase)
    for phase, following in TRANSITIONS.items():
        assert phase not in following
        assert bool(following) is (phase not in TERMINAL)


@given(lives)
def test_discovered_first_and_once(life: list[Observation]) -> None:
    """A life begins with being discovered in a phase, and nothing comes out before the first answer."""
    events = events_of(life)
    assert sum(isinstance(event, Discovered) for event in events) == bool(events)
    assert bool(events) is any(isinstance(got, Seen) for got in life)
    if events:
        assert isinstance(events[0], Discovered)
        assert isinstance(events[1], PhaseChanged)
        assert events[1].before is None


@given(lives)
def test_phases_move_along_the_table(life: list[Observation]) -> None:
    """Each change starts where the last one ended, and is in the table unless a new attempt began."""
    stands: Phase | None = None
    attempt = 0
    for _, _, track, events in live_through(life):
        for event in events:
            if isinstance(event, PhaseChanged):
                assert event.before == stands
                assert event.attempt > attempt or (stands and event.after in TRANSITIONS[stands])
                stands, attempt = event.after, event.attempt
            elif isinstance(event, Lost):
                assert event.before == stands
                assert stands in LIVE
                stands = Phase.LOST
        assert (track.phase if track else None) is stands
        assert (track.attempt if track else 0) == attempt


@given(lives)
def test_one_end_per_attempt(life: list[Observation]) -> None:
    """An attempt ends at most once."""
    ends = Counter(
        event.attempt for event in events_of(life) if isinstance(event, PhaseChanged) and event.after in TERMINAL
    )
    assert set(ends.values()) <= {1}


@given(lives)
def test_progress_never_falls_within_an_attempt(life: list[Observation]) -> None:
    """Progress is a fraction, only grows, and is whole for what succeeded."""
    for before, _, after, _ in live_through(life):
        if after is None:
            continue
        assert after.progress is None or 0 <= after.progress <= 1
        assert after.phase is not Phase.SUCCEEDED or after.progress == 1
        if before and before.attempt == after.attempt and before.progress is not None:
            assert after.progress is not None
            assert after.progress >= before.progress


@given(lives)
def test_the_same_again_changes_nothing(life: list[Observation]) -> None:
    """An observation that arrives twice leaves the very same track and makes no event; only refusals are counted."""
    for _, got, track, _ in live_through(life):
        if not isinstance(got, Gone):
            again, events = step(track, got, POLICY)
            assert again is track
            assert events == ()


@given(lives)
def test_an_older_answer_teaches_nothing(life: list[Observation]) -> None:
    """What was learned before the newest answer moves nothing but newer stages, the last word and a new attempt."""
    for track, got, new, _ in live_through(life):
        if track is None or new is None or track.observed_at is None or got.at >= track.observed_at:
            continue
        if not isinstance(got, Seen):
            assert new is track
        elif got.attempt <= track.attempt and got.phase not in TERMINAL:
            assert (new.phase, new.queue, new.observed_at) == (track.phase, track.queue, track.observed_at)
            assert new is track or (got.stages_read and got.at >= (track.stages_at or got.at))


@given(lives)
def test_verdicts_are_told(life: list[Observation]) -> None:
    """The verdicts of a track are those raised and not taken back, and only what lives is judged."""
    holding: set[Verdict] = set()
    for _, _, track, events in live_through(life):
        for event in events:
            if isinstance(event, VerdictChanged):
                assert (event.verdict in holding) is not event.raised
                holding ^= {event.verdict}
                assert bool(event.evidence) is event.raised
        assert holding == (track.verdicts if track else set())
        assert not holding or (track and track.phase.is_live)


@given(lives)
def test_nothing_is_judged_blind(life: list[Observation]) -> None:
    """While a source does not answer, time raises and takes back nothing."""
    for _, got, _, events in live_through(life):
        if isinstance(got, Tick) and got.blind:
            assert events == ()


@given(lives)
def test_fields_fit_the_phase(life: list[Observation]) -> None:
    """Only what failed has a failure, only what ended has an end, only what may wait has a place in the queue."""
    for _, _, track, _ in live_through(life):
        if track is not None:
            assert track.failure is None or track.phase is Phase.FAILED
            assert track.ended_at is None or track.phase in TERMINAL
            assert track.queue is None or track.phase in (Phase.WAITING, Phase.SUSPENDED)


@given(lives)
def test_a_later_attempt_starts_clean(life: list[Observation]) -> None:
    """Nothing that the attempt before taught is left but who and what it is: it stands as if found now."""
    for before, got, after, events in live_through(life):
        if before and after and after.attempt > before.attempt:
            assert isinstance(got, Seen)
            found, _ = step(None, replace(got, at=after.observed_at, started_at=after.started_at), POLICY)
            assert found
            assert after == replace(
                found,
                attempt=after.attempt,
                name=found.name or before.name,
                owner=found.owner or before.owner,
                created_at=found.created_at or before.created_at,
                discovered_at=before.discovered_at,
                ended_before=before.ended_at,
                end_text=found.end_text or before.end_text,
            )
            assert got.at <= after.observed_at <= max(got.at, before.observed_at or got.at)
            assert sum(isinstance(event, PhaseChanged) for event in events) == 1


@given(lives)
def test_an_attempt_that_is_not_counted_follows_an_end(life: list[Observation]) -> None:
    """A service that restarts says so by what follows an end, and one answer makes one attempt."""
    for before, got, after, _ in live_through(life):
        if isinstance(got, Seen) and got.restarts and before and after and after.attempt != before.attempt:
            assert after.attempt == before.attempt + 1
            assert before.phase in TERMINAL
            assert after.phase in LIVE or (got.ended_at and before.ended_at)
            assert not (after.phase in TERMINAL and got.end_text) or got.end_text != before.end_text


@given(lives)
def test_partial_failure_is_told_once_per_attempt(life: list[Observation]) -> None:
    """Each attempt that succeeded with failed workers has one event that tells it, and no other has any."""
    told: Counter[int] = Counter()
    for _, _, track, events in live_through(life):
        for event in events:
            if isinstance(event, PartiallyFailed):
                assert track
                assert event.failed == track.failed_workers
                assert event.workers is None or event.workers >= event.failed
                told[track.attempt] += 1
        if track:
            assert told[track.attempt] == track.partial_failure


@given(lives)
def test_times_of_events_never_go_back(life: list[Observation]) -> None:
    """Within an attempt, what moved later is dated no earlier; verdicts and contradictions move nothing."""
    told: dict[int, datetime] = {}
    for _, _, track, events in live_through(life):
        for event in events:
            if track and not isinstance(event, VerdictChanged | Contradicted):
                assert event.at >= told.get(track.attempt, event.at)
                told[track.attempt] = event.at


@given(lives)
def test_contradictions_leave_the_phase(life: list[Observation]) -> None:
    """A contradiction is told of ended instances only, and changes nothing else about them."""
    for before, _, after, events in live_through(life):
        if any(isinstance(event, Contradicted) for event in events):
            assert len(events) == 1
            assert before
            assert after
            assert before.phase in TERMINAL
            assert after == replace(before, contradiction=after.contradiction)


@given(lives, one)
def test_storage_keeps_every_track_and_event(life: list[Observation], then: Observation) -> None:
    """Each track and event survives being stored, and a stored track goes on exactly like the one it was made from."""
    for _, _, track, events in live_through(life):
        assert [decode_event(encode(event)) for event in events] == list(events)
        if track is not None:
            stored = decode_track(encode(track))
            assert stored == track
            assert step(stored, then, POLICY) == step(track, then, POLICY)


@pytest.mark.parametrize("phase", sorted(LIVE))
def test_lost_needs_times_and_time(phase: Phase) -> None:
    """Enough refusals in a row over enough time make any live instance lost; an answer between them starts anew."""
    alive = Seen(key=KEY, at=BEGINNING, kind="maxcompute", phase=phase)
    track, _ = step(None, alive, POLICY)

    def gone(after: float) -> Gone:
        return Gone(KEY, BEGINNING + timedelta(seconds=after))

    for after in (1, 2, 10.9):
        track, events = step(track, gone(after), POLICY)
        assert not events
    interrupted, _ = step(track, replace(alive, at=BEGINNING + timedelta(seconds=11)), POLICY)
    _, events = step(interrupted, gone(12), POLICY)
    assert not events
    _, events = step(track, gone(11), POLICY)
    assert [type(event) for event in events] == [Lost]


def test_the_picture_shows_the_table() -> None:
    """Read back, the picture has all arrows of the table and no others."""
    groups = {name: set(group) for name, group in diagram.GROUPS.items()}
    arrows: dict[Phase, set[Phase]] = {phase: set() for phase in Phase}
    for line in diagram.draw(TRANSITIONS).splitlines():
        if " --> " in line:
            before, after = (groups.get(end) or {Phase(end)} for end in line.strip().split(" --> "))
            for phase in before:
                arrows[phase] |= after
    assert arrows == TRANSITIONS


@pytest.mark.parametrize("missing", SAID)
def test_the_picture_follows_the_table(missing: Phase) -> None:
    """Without one arrow the picture is another."""
    table = {phase: following - {missing} for phase, following in TRANSITIONS.items()}
    assert diagram.draw(table) != diagram.draw(TRANSITIONS)
    assert f"lost --> {missing}" not in diagram.draw(table)


def test_the_readme_shows_the_picture(rewrite: bool) -> None:
    """The README's picture is the one drawn from the table."""
    text = README.read_text(encoding="utf-8")
    opening, closing = diagram.MARKERS
    before, rest = text.split(opening)
    _, after = rest.split(closing)
    expected = before + opening + diagram.draw(TRANSITIONS) + closing + after
    if rewrite:
        README.write_text(expected, encoding="utf-8")
    else:
        assert text == expected


def _seen(second: int, phase: Phase | None, **told: Any) -> Seen:
    return Seen(key=KEY, at=BEGINNING + timedelta(seconds=second), kind="maxcompute", phase=phase, **told)


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.SUCCEEDED])
def test_who_started_it_may_be_told_late(phase: Phase) -> None:
    """Of one that ended long ago, or in an answer that was overtaken, too; it is told on once, and stays."""
    track, _ = step(None, _seen(10, phase), POLICY)
    adopted, events = step(track, _seen(5, None, parent="workflow", step="train"), POLICY)
    assert adopted is not None
    assert (adopted.parent, adopted.step, adopted.phase) == ("workflow", "train", phase)
    assert adopted.parent_key == replace(KEY, id="workflow")
    assert [type(event) for event in events] == [ProgressMoved]
    again, events = step(adopted, _seen(10, phase, parent="workflow", step="train"), POLICY)
    assert (again, events) == (adopted, ())
    silent, _ = step(adopted, _seen(11, phase), POLICY)
    assert silent is not None
    assert silent.parent == "workflow"


def test_a_new_attempt_has_the_same_parent() -> None:
    """Also where the answer that opens it does not name it."""
    track, _ = step(None, _seen(0, Phase.FAILED, parent="workflow", step="train"), POLICY)
    assert track is not None
    assert (track.parent, track.step) == ("workflow", "train")
    new, _ = step(track, _seen(5, Phase.RUNNING, attempt=2), POLICY)
    assert new is not None
    assert (new.attempt, new.parent, new.step) == (2, "workflow", "train")
