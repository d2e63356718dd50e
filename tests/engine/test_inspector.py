"""Questions about single instances: who is asked first, how often, how much, and when to leave somebody alone."""

from datetime import timedelta
from itertools import pairwise
from math import inf

import anyio
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from monitor.core.alerting import Trigger
from monitor.core.events import AlertFired, Discovered, Gone, Missed, PhaseChanged, Seen
from monitor.core.model import InstanceKey, Phase
from monitor.core.schedule import Pace
from monitor.sources.base import Detail, Priority, Reason, SourceError
from tests.engine.line import running_line
from tests.engine.scripted import Asked, Life, ScriptedSource, Trouble, key, moment, rules

pytestmark = pytest.mark.anyio

NO_ATTENTION = Pace(coarse=timedelta(days=1))


def failing(*ids: str, until: float = inf) -> Trouble:
    """Inspections of these fail until then."""

    async def trouble(operation: str, what: str) -> None:
        if operation == "inspect" and what in ids and anyio.current_time() < until:
            raise SourceError(Reason.UNAVAILABLE, "internal error")

    return trouble


def at(asked: list[Asked]) -> list[float]:
    return [one.at for one in asked]


async def test_a_lead_that_keeps_failing_backs_off_and_is_asked_for_less() -> None:
    """It rests 2, 4, 8 .. 300 s whatever sweeps and reconciles ask meanwhile, and from the fourth try on only its phase
    is wanted."""
    source = ScriptedSource({"i": Life("i", submitted=43, ends=46)}, trouble=failing("i"))
    async with running_line(source, chance=lambda: 1.0) as line:
        await anyio.sleep(2500)
        assert {got.reason for _, got in line.saw(Missed)} == {"unavailable"}
    asked = source.requests("inspect", "i")
    gaps = [after - before for before, after in pairwise(at(asked))]
    assert gaps[:9] == pytest.approx([2, 4, 8, 16, 32, 64, 128, 256, 300])
    assert [one.detail for one in asked[:3]] == [Detail.OUTCOME] * 3
    assert {one.detail for one in asked[3:]} == {Detail.PHASE}


async def test_what_vanished_and_keeps_failing_backs_off_too() -> None:
    """An instance absent from every sweep is not asked after each of them while its last questions failed."""
    source = ScriptedSource({"i": Life("i", ends=97)}, trouble=failing("i"))
    async with running_line(source, pace=NO_ATTENTION, chance=lambda: 1.0):
        await anyio.sleep(1500)
    asked = [one for one in source.requests("inspect", "i") if one.at > 97]
    assert len(asked) < 15


async def test_a_failing_lead_delays_no_other() -> None:
    """Fifty leads that fail and one that does not: it is known after one round of sweeps."""
    ids = [f"i{number}" for number in range(50)]
    lives = {name: Life(name, submitted=41, ends=44) for name in (*ids, "good")}
    source = ScriptedSource(lives, trouble=failing(*ids))
    async with running_line(source) as line:
        await anyio.sleep(75)
        assert [event.key.id for event in line.events(PhaseChanged)] == ["good"]


async def test_the_text_of_a_failure_is_given_up_before_the_failure_is() -> None:
    """The request for the reason fails for good: the instance is still known to have failed, within half a minute."""

    class NoReasons(ScriptedSource):
        async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
            seen = await super().inspect(key, want, priority)
            if want is not Detail.PHASE and isinstance(seen, Seen) and seen.ended:
                raise SourceError(Reason.MALFORMED, "no such element")
            return seen

    source = NoReasons({"i": Life("i", ends=97, outcome=Phase.FAILED)})
    async with running_line(source, pace=NO_ATTENTION) as line:
        await anyio.sleep(130)
        assert line.board.counts()["s", "p", Phase.FAILED] == 1


@pytest.mark.parametrize("outcome", [Phase.FAILED, Phase.SUCCEEDED])
async def test_what_a_listing_says_is_believed_where_nobody_can_be_asked(outcome: Phase) -> None:
    """Questions about it fail for good, and the listing of the ended says how: after a minute that is what is known,
    and nothing is asked any more."""
    source = ScriptedSource({"i": Life("i", ends=97, outcome=outcome)}, says_how=True, trouble=failing("i"))
    async with running_line(source, pace=NO_ATTENTION, rules=rules(Trigger.FAILED)) as line:
        await anyio.sleep(200)
        assert line.board.counts()["s", "p", outcome] == 1
        assert len(line.events(AlertFired)) == (outcome is Phase.FAILED)
        asked = len(source.requests("inspect", "i"))
        await anyio.sleep(1000)
        assert len(source.requests("inspect", "i")) == asked


async def test_an_undecided_end_is_asked_again() -> None:
    """ "It ended" without "how" leaves the phase as it was, and is asked again until it is told."""

    class Undecided(ScriptedSource):
        async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
            seen = await super().inspect(key, want, priority)
            if isinstance(seen, Seen) and seen.ended and anyio.current_time() < 200:
                return Seen(key=key, at=seen.at, kind=seen.kind, phase=None, ended=True)
            return seen

    source = Undecided({"i": Life("i", ends=97)})
    async with running_line(source, pace=NO_ATTENTION) as line:
        await anyio.sleep(190)
        assert line.board.counts()["s", "p", Phase.RUNNING] == 1
        assert {got.reason for _, got in line.saw(Missed)} == {"undecided"}
        await anyio.sleep(200)
        assert line.board.counts()["s", "p", Phase.SUCCEEDED] == 1


async def test_what_was_deleted_after_it_was_listed_has_ended_as_listed() -> None:
    """A listing told of a failure and of an end without how; both are deleted before anybody asks. The failure is
    known and alerted; of the other nobody can say anything."""

    class Deleting(ScriptedSource):
        async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
            await super().inspect(key, want, priority)
            return Gone(key, moment(anyio.current_time()))

        def _listed(self, life: Life, at: float) -> Seen:
            seen = super()._listed(life, at)
            return seen if life.id == "told" else replace(seen, phase=None)

    lives = {name: Life(name, submitted=41, ends=44, outcome=Phase.FAILED) for name in ("told", "untold")}
    source = Deleting(lives, says_how=True)
    async with running_line(source, pace=NO_ATTENTION) as line:
        await anyio.sleep(120)
        assert line.board.counts() == {("s", "p", Phase.FAILED): 1}
        assert line.board.get(key("told")) is not None


async def test_watched_keys_are_read_every_two_seconds_from_the_first_look_on() -> None:
    """A key gets its stages read as soon as somebody looks, then every `watch_every`, until nobody does."""
    source = ScriptedSource({"i": Life("i")})
    async with running_line(source, pace=NO_ATTENTION) as line:
        await anyio.sleep(33)
        with line.attention.on(key("i")):
            await anyio.sleep(20.5)
        await anyio.sleep(100)
    asked = [one for one in source.requests("inspect", "i") if one.at >= 33]
    assert at(asked) == pytest.approx([33 + 2 * number for number in range(11)])
    assert {(one.detail, one.priority) for one in asked} == {(Detail.STAGES, Priority.WATCHED)}


async def test_looking_again_and_again_costs_no_more_than_looking() -> None:
    """Somebody who opens and closes a page ten times a second causes a request every two seconds."""
    source = ScriptedSource({"i": Life("i")})
    async with running_line(source, pace=NO_ATTENTION) as line:
        await anyio.sleep(33)
        for _ in range(200):
            with line.attention.on(key("i")):
                await anyio.sleep(0.1)
    asked = [one for one in source.requests("inspect", "i") if one.at >= 33]
    assert len(asked) <= 12


async def test_watched_keys_come_before_planned_ones() -> None:
    """Two hundred instances nobody has looked at, on a slow service: the watched one keeps its rhythm."""

    async def slow(operation: str, _what: str) -> None:
        if operation == "inspect":
            await anyio.sleep(0.7)

    source = ScriptedSource({f"i{number}": Life(f"i{number}") for number in range(200)}, trouble=slow)
    async with running_line(source, pace=Pace(concurrency=3, requests_per_second=1000)) as line:
        await anyio.sleep(3)
        with line.attention.on(key("i150")):
            await anyio.sleep(60)
    asked = [one.at for one in source.requests("inspect", "i150") if one.priority is Priority.WATCHED]
    assert asked[0] - 3 <= 0.7
    assert max(after - before for before, after in pairwise(asked)) <= 2 + 0.7 + 0.7 + 1e-6


async def test_an_end_that_is_watched_is_told_with_its_last_stages() -> None:
    """An instance whose stages were shown is asked for its stages once more when it ended."""
    source = ScriptedSource({"i": Life("i", ends=97)})
    async with running_line(source) as line:
        await anyio.sleep(120)
        track = line.board.get(key("i"))
        assert track is not None
        assert track.tasks[0].stages[0].terminated == 10
    assert [one.detail for one in source.requests("inspect", "i") if one.at > 97] == [Detail.STAGES]


async def test_the_plan_spends_half_of_the_requests() -> None:
    """A thousand moving instances in five projects: per round of sweeps not more looks than the pace allows."""
    projects = tuple("abcde")
    lives = {f"i{number}": Life(f"i{number}", ends=9000, project=projects[number % 5]) for number in range(1000)}
    pace = Pace(requests_per_second=8)
    source = ScriptedSource(lives, projects=projects)
    async with running_line(source, pace=pace):
        await anyio.sleep(302)
    looks = [one for one in source.requests("inspect") if one.priority is Priority.ATTENTION]
    assert pace.attention_per_sweep() == 20
    assert len(looks) == 30 * 20


async def test_the_plan_reaches_everybody() -> None:
    """Three hundred instances, two looks a round: the first look at each comes before the second at any."""
    source = ScriptedSource({f"i{number}": Life(f"i{number}") for number in range(30)})
    async with running_line(source, pace=Pace(requests_per_second=1)):
        await anyio.sleep(152)
    looks = [one.what for one in source.requests("inspect")]
    assert len(looks) == 30
    assert len(set(looks)) == 30


async def test_failing_looks_leave_their_place_to_others() -> None:
    """Twenty instances whose stages cannot be read do not keep ten others from being looked at."""
    bad = [f"bad{number}" for number in range(20)]
    good = [f"good{number}" for number in range(10)]
    source = ScriptedSource({name: Life(name) for name in (*bad, *good)}, trouble=failing(*bad))
    async with running_line(source, pace=Pace(requests_per_second=1)) as line:
        await anyio.sleep(400)
        looked = [name for name in good if (track := line.board.get(key(name))) and track.stages_at]
    assert looked == good
    assert max(len(source.requests("inspect", name)) for name in bad) < 10


async def test_failures_of_what_is_over_are_forgotten() -> None:
    """An instance whose stages could not be read and that has ended since leaves nothing behind."""
    source = ScriptedSource({"i": Life("i", ends=100)}, trouble=failing("i", until=120))
    async with running_line(source) as line:
        await anyio.sleep(100)
        inspector = line.pollers[0]._inspector
        assert len(inspector._rota._setbacks) == 1
        await anyio.sleep(100)
        assert line.board.counts()["s", "p", Phase.SUCCEEDED] == 1
        assert inspector._rota._setbacks == {}
        assert inspector._under_way == set()


@pytest.mark.parametrize("since", [0, 100])
async def test_trouble_with_stages_neither_delays_nor_thins_an_outcome(since: float) -> None:
    """The stages cannot be read any more; the failure is asked for at once, and told with its reason."""

    class NoStages(ScriptedSource):
        async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
            seen = await super().inspect(key, want, priority)
            if want is Detail.STAGES and anyio.current_time() > since:
                raise SourceError(Reason.UNAVAILABLE, "internal error")
            return seen

    source = NoStages({"i": Life("i", ends=1202, outcome=Phase.FAILED)})
    async with running_line(source) as line:
        await anyio.sleep(1215)
        track = line.board.get(key("i"))
        assert track is not None
        assert track.failure is not None
        assert track.failure.message == "i found no table"


async def test_an_outcome_that_cannot_be_had_is_told_once() -> None:
    """After a minute or two of trying the log names the instance and the reason."""
    source = ScriptedSource({"i": Life("i", ends=97)}, trouble=failing("i"))
    with capture_logs() as logs:
        async with running_line(source):
            await anyio.sleep(1000)
    told = [entry for entry in logs if entry["event"] == "outcome_unknown"]
    assert [(entry["instance"], entry["reason"]) for entry in told] == [("s/p/i", "unavailable")]


async def test_a_look_at_what_another_source_holds_is_not_ours() -> None:
    """Attention is shared by all sources: each reads its own keys only."""
    mine, theirs = ScriptedSource({"i": Life("i")}), ScriptedSource({"i": Life("i")}, name="other")
    async with running_line(mine, theirs, pace=NO_ATTENTION) as line:
        await anyio.sleep(33)
        with line.attention.on(key("i")):
            await anyio.sleep(9)
    assert [one for one in theirs.requests("inspect") if one.at >= 33] == []
    assert len([one for one in mine.requests("inspect") if one.at >= 33]) == 5


async def test_who_watches_goes_on_seeing_after_one_denial() -> None:
    """One "no such instance" about an instance that the listing shows all the time: it is looked at again."""

    class Denying(ScriptedSource):
        denials = 1

        async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
            got = await super().inspect(key, want, priority)
            if anyio.current_time() > 40 and self.denials:
                self.denials -= 1
                return Gone(key, got.at)
            return got

    source = Denying({"i": Life("i", ends=4 * 3600.0)})
    async with running_line(source) as line:
        await anyio.sleep(20)
        with line.attention.on(key("i")):
            await anyio.sleep(60)
        assert len(line.saw(Gone)) == 1
    assert len([one for one in source.requests("inspect") if one.at > 45]) >= 10


def workflow() -> dict[str, Life]:
    """Three steps, of which one appears while it runs and one at its end, and a stranger."""
    lives = (
        Life("flow", ends=300, starts=("first", "second", "last"), outcome=Phase.FAILED),
        Life("first", submitted=5, ends=60),
        Life("second", submitted=100, ends=299.5, outcome=Phase.FAILED),
        Life("last", submitted=299, ends=299.2),
        Life("stranger", submitted=5, ends=60),
    )
    return {life.id: life for life in lives}


@pytest.mark.parametrize("discovery", [True, False])
async def test_the_steps_of_a_workflow_are_met_as_they_appear(discovery: bool) -> None:
    """Soon while it runs, and the last ones after its end: each is tracked once, as its step, even where nothing is
    discovered; a failed one and its workflow alert once each."""
    source = ScriptedSource(workflow(), discovery=discovery)
    async with running_line(source, rules=rules(Trigger.FAILED)) as line:
        await anyio.sleep(3)
        await line.control.register(key("flow"))
        await anyio.sleep(27)
        assert [one.key.id for one in line.board.children(key("flow"))] == ["first"]
        await anyio.sleep(90)
        assert [one.key.id for one in line.board.children(key("flow"))] == ["first", "second"]
        await anyio.sleep(230)
        assert {one.step for one in line.board.children(key("flow"))} == {"step first", "step second", "step last"}
        children = {one.key.id: one.phase for one in line.board.children(key("flow"))}
        assert children == {"first": Phase.SUCCEEDED, "second": Phase.FAILED, "last": Phase.SUCCEEDED}
        assert (line.board.get(key("stranger")) is not None) is discovery
        discovered = [event.key.id for event in line.events(Discovered)]
        assert len(discovered) == len(set(discovered)) == 4 + discovery
        assert sorted(event.key.id for event in line.events(AlertFired) if event.key) == ["flow", "second"]
    asked = [one for one in source.requests("inspect", "flow") if one.at < 300]
    assert len(asked) <= 300 / 10 + 5


async def test_a_step_that_nobody_can_answer_about_is_asked_about_again() -> None:
    """With each look at its workflow, and by itself as everything that must be known."""
    source = ScriptedSource(workflow(), discovery=False, trouble=failing("first", until=40))
    async with running_line(source) as line:
        await anyio.sleep(3)
        await line.control.register(key("flow"))
        await anyio.sleep(80)
        assert [one.key.id for one in line.board.children(key("flow"))] == ["first"]
    assert len(source.requests("inspect", "first")) < 10
