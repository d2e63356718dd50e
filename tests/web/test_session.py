"""What each listener of the feed is told, over a real websocket."""

from typing import Any

import pytest
from msgspec.structs import replace

from monitor.core.events import (
    AlertFired,
    Contradicted,
    Discovered,
    Lost,
    ProgressMoved,
    Removed,
    SourceChanged,
    StageFinished,
    VerdictChanged,
)
from monitor.core.model import Phase, Stage, Verdict
from monitor.engine.bus import REMEMBERED
from monitor.web.parts import FeedLimits
from tests.web.desk import HOSTILE, NOON, Desk, failed, key, moved, open_desk, staged, track
from tests.web.listener import Listener, until

pytestmark = pytest.mark.asyncio


def progress(desk: Desk, of: str, value: float) -> None:
    """It moved."""
    now = staged(of, int(value * 10), progress=value)
    desk.happen(ProgressMoved(NOON, now.key, value), tracks=(now,))


async def test_the_server_speaks_first() -> None:
    """The hello names the epoch, how far it has come, and the version."""
    async with open_desk() as desk, Listener(desk) as client:
        assert client.hello == {"type": "hello", "epoch": "e1", "seq": 100, "version": "0.1.0"}
        assert desk.stats.clients == 1


async def test_a_snapshot_then_what_changes() -> None:
    """A subscriber gets everything that matches as it stands, and then each event with the new state."""
    before = staged("i1", 4)
    async with open_desk(before, failed("i2")) as desk, Listener(desk) as client:
        (part,) = await client.subscribe(filter={"phase": ["running"]})
        assert (part["type"], part["id"], part["seq"], part["last"], part["total"]) == ("snapshot", "a", 100, True, 1)
        assert [one["id"] for one in part["instances"]] == ["i1"]
        assert part["instances"][0]["tasks"][0]["stages"][0]["terminated"] == 4

        after = failed("i1")
        desk.happen(moved(before, after), tracks=(after,))
        frame = await client.next()
        instance = frame["event"].pop("instance")
        assert frame == {
            "type": "event",
            "seq": 101,
            "event": {
                "kind": "phase",
                "key": "warehouse/analytics/i1",
                "at": "2016-05-19T12:00:00Z",
                "from": "running",
                "to": "failed",
                "attempt": 1,
            },
        }
        assert instance["failure"]["code"] == "ODPS-0130131"
        assert instance == {k: v for k, v in (await desk.get("/api/v1/instances/i1")).items() if k != "history"}


async def test_every_kind_of_event_has_its_shape() -> None:
    """Each kind carries what it promises beside the instance; removed instances and sources have none."""
    now = track("i1")
    stage = Stage("M1", 0, 3, 3)
    events = (
        Discovered(NOON, now.key),
        moved(None, now),
        ProgressMoved(NOON, now.key, 0.5),
        StageFinished(NOON, now.key, "SQL", stage),
        VerdictChanged(NOON, now.key, Verdict.STALLED, True, "no progress for 10m"),
        AlertFired(NOON, now.key, "a1", "Stalled", "warning"),
        Lost(NOON, now.key, Phase.RUNNING),
        Contradicted(NOON, now.key, Phase.FAILED, "Running"),
        Removed(NOON, key("gone")),
        SourceChanged(NOON, "warehouse", "analytics", False, "timeout", "no answer", NOON),
        AlertFired(NOON, None, "a2", "SourceDown", "critical"),
    )
    async with open_desk() as desk, Listener(desk) as client:
        await client.subscribe()
        desk.happen(*events, tracks=(now,))
        told = [(await client.next())["event"] for _ in events]
        assert [one["kind"] for one in told] == [
            *("discovered", "phase", "progress", "stage", "verdict", "alert", "lost", "contradicted", "removed"),
            *("source", "alert"),
        ]
        shown = {one["kind"]: one for one in told}
        assert shown["phase"]["from"] is None
        assert shown["progress"]["progress"] == 0.5
        assert (shown["stage"]["task"], shown["stage"]["stage"]["kind"]) == ("SQL", "M")
        assert (shown["verdict"]["verdict"], shown["verdict"]["raised"]) == ("stalled", True)
        assert (shown["lost"]["from"], shown["lost"]["to"]) == ("running", "lost")
        assert (shown["contradicted"]["phase"], shown["contradicted"]["said"]) == ("failed", "Running")
        assert (shown["source"]["up"], shown["source"]["reason"]) == (False, "timeout")
        assert told[5]["alert"] == "a1"
        assert told[-1]["key"] is None
        assert all(one["instance"]["id"] == "i1" for one in told[:8])
        assert shown["removed"]["instance"] is None
        assert "instance" not in shown["source"]


async def test_a_large_snapshot_comes_in_parts() -> None:
    """Only the last part says so, each instance comes once, and an empty snapshot is one empty part."""
    limits = FeedLimits(part=100)
    async with open_desk(*(track(f"i{n}") for n in range(350)), limits=limits) as desk, Listener(desk) as client:
        parts = await client.subscribe()
        assert [part["last"] for part in parts] == [False, False, False, True]
        assert [part["total"] for part in parts] == [350] * 4
        assert len({one["id"] for part in parts for one in part["instances"]}) == 350
        (empty,) = await client.subscribe("b", filter={"source": ["none"]})
        assert (empty["instances"], empty["last"], empty["total"]) == ([], True, 0)


async def test_a_limit_cuts_the_snapshot_to_the_newest() -> None:
    """The total still counts all, and events come for those left out as well."""
    async with open_desk(*(track(f"i{n}") for n in range(9))) as desk, Listener(desk) as client:
        (part,) = await client.subscribe(limit=2)
        assert ([one["id"] for one in part["instances"]], part["total"]) == (["i8", "i7"], 9)
        progress(desk, "i0", 0.5)
        assert (await client.next())["event"]["key"] == "warehouse/analytics/i0"


async def test_no_gap_and_no_repetition_between_snapshot_and_events() -> None:
    """Whatever happens while a snapshot is on its way is told after it, and nothing older than it is told at all."""
    limits = FeedLimits(part=10)
    async with open_desk(*(track(f"i{n}") for n in range(500)), limits=limits) as desk, Listener(desk) as client:
        for n in range(20):
            progress(desk, f"i{n}", 0.1)
        await client.say(type="subscribe", id="a")
        first = await client.next()
        assert first["seq"] == 120
        for n in range(300, 400):
            progress(desk, f"i{n}", 0.2)
        parts = [first]
        while not parts[-1]["last"]:
            parts.append(await client.next())
        assert all(part["seq"] == 120 for part in parts)
        told = [await client.next() for _ in range(100)]
        assert [frame["seq"] for frame in told] == list(range(121, 221))


# --- who hears what -----------------------------------------------------------------------------------------------


async def test_what_leaves_the_filter_is_announced_and_then_silent() -> None:
    """Subscribed to what runs: the event that ends it is told, later ones about it are not."""
    async with open_desk(track("i1"), track("i2")) as desk, Listener(desk) as client:
        await client.subscribe(filter={"phase": ["running"]})
        done = track("i1", Phase.SUCCEEDED)
        desk.happen(moved(track("i1"), done), tracks=(done,))
        desk.happen(Contradicted(NOON, done.key, Phase.SUCCEEDED, "Running"), tracks=(done,))
        gone = track("i2", Phase.LOST)
        desk.happen(Lost(NOON, gone.key, Phase.RUNNING), tracks=(gone,))
        assert [(await client.next())["event"]["kind"] for _ in range(2)] == ["phase", "lost"]


async def test_an_event_comes_once_however_many_subscriptions_match() -> None:
    """Two subscriptions, one event, one frame; after one ends the other goes on."""
    async with open_desk(track("i1")) as desk, Listener(desk) as client:
        await client.subscribe("a")
        await client.subscribe("b", filter={"phase": ["running"]})
        progress(desk, "i1", 0.1)
        await client.say(type="unsubscribe", id="a")
        await client.say(type="unsubscribe", id="none")
        first, refusal = await client.next(), await client.next()
        assert (first["seq"], refusal["code"], refusal["id"]) == (101, "not_found", "none")
        progress(desk, "i1", 0.2)
        assert (await client.next())["seq"] == 102


async def test_the_same_id_replaces_a_subscription() -> None:
    """A client changes its filter under the same id."""
    async with open_desk(track("i1"), track("i2")) as desk, Listener(desk) as client:
        await client.subscribe("a", filter={"key": ["warehouse/analytics/i1"]})
        (part,) = await client.subscribe("a", filter={"key": ["warehouse/analytics/i2"]})
        assert [one["id"] for one in part["instances"]] == ["i2"]
        progress(desk, "i1", 0.1)
        progress(desk, "i2", 0.1)
        assert (await client.next())["event"]["key"] == "warehouse/analytics/i2"


# --- resuming -----------------------------------------------------------------------------------------------------


async def test_a_client_that_comes_back_is_told_what_it_missed() -> None:
    """No snapshot: only the events behind its number that it subscribed to, then the new ones."""
    async with open_desk(track("i1"), failed("i2")) as desk:
        for value in (0.1, 0.2, 0.3):
            progress(desk, "i1", value)
            desk.happen(Contradicted(NOON, key("i2"), Phase.FAILED, "Running"), tracks=(failed("i2"),))
        async with Listener(desk) as client:
            await client.say(type="subscribe", id="a", filter={"phase": ["running"]}, after={"epoch": "e1", "seq": 102})
            assert [(await client.next())["seq"] for _ in range(2)] == [103, 105]
            progress(desk, "i1", 0.4)
            assert (await client.next())["seq"] == 107


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ({"epoch": "other", "seq": 100}, "epoch"),
        ({"epoch": "e1", "seq": 99}, "history"),
        ({"epoch": "e1", "seq": 10_000_000}, "history"),
    ],
)
async def test_what_cannot_be_resumed_is_shown_afresh(after: dict[str, Any], reason: str) -> None:
    """Another epoch, too long ago, or never given out: a resync names why, then comes a whole snapshot."""
    async with open_desk(track("i1")) as desk, Listener(desk) as client:
        await client.say(type="subscribe", id="a", after=after)
        assert await client.next() == {"type": "resync", "id": "a", "reason": reason}
        assert [one["id"] for one in (await client.next())["instances"]] == ["i1"]


async def test_history_that_the_bus_forgot_is_shown_afresh() -> None:
    """The bus remembers so many events; a client that was away for more gets a resync."""
    async with open_desk(track("i1")) as desk:
        desk.happen(*(ProgressMoved(NOON, key("i1"), 0.1) for _ in range(REMEMBERED + 1)), tracks=(track("i1"),))
        async with Listener(desk) as client:
            await client.say(type="subscribe", id="a", after={"epoch": "e1", "seq": 100})
            assert (await client.next())["reason"] == "history"


async def test_several_subscriptions_resume_together_in_order() -> None:
    """Both get what they missed, an event that both want comes once, and the numbers do not fall."""
    async with open_desk(track("i1"), track("i2")) as desk:
        for of in ("i1", "i2", "i1", "i2"):
            progress(desk, of, 0.1)
        after = {"epoch": "e1", "seq": 100}
        async with Listener(desk) as client:
            one = '{"type":"subscribe","id":"%s","filter":{"key":["warehouse/analytics/%s"]},"after":%s}'
            place = '{"epoch":"e1","seq":100}'
            transport = client.socket.get_extra_info("transport") or client.socket._writer.transport
            transport.pause_reading()
            await client.socket.send_str(one % ("a", "i1", place))
            await client.socket.send_str(one % ("b", "i2", place))
            await client.say(type="subscribe", id="c", after=after)
            transport.resume_reading()
            frames = [await client.next() for _ in range(4)]
            numbers = [frame["seq"] for frame in frames if frame["type"] == "event"]
            assert numbers == sorted(set(numbers))


async def test_resuming_behind_what_was_told_is_shown_afresh() -> None:
    """A subscription that would make numbers fall on its connection gets a snapshot instead."""
    async with open_desk(track("i1"), track("i2")) as desk, Listener(desk) as client:
        progress(desk, "i1", 0.1)
        await client.subscribe("a")
        await client.say(type="subscribe", id="b", after={"epoch": "e1", "seq": 100})
        assert await client.next() == {"type": "resync", "id": "b", "reason": "order"}
        assert len((await client.next())["instances"]) == 2


# --- detail -------------------------------------------------------------------------------------------------------


async def test_detail_keeps_attention_on_live_matches() -> None:
    """Matching live instances are attended to, those that end or leave are not, and none once the client is gone."""
    async with open_desk(track("i1"), failed("i2")) as desk:
        async with Listener(desk) as client:
            await client.subscribe(detail=True)
            assert (key("i1") in desk.attention, key("i2") in desk.attention) == (True, False)
            new = track("i3", Phase.WAITING)
            done = track("i1", Phase.SUCCEEDED)
            desk.happen(Discovered(NOON, new.key), moved(track("i1"), done), tracks=(new, done))
            assert (key("i1") in desk.attention, key("i3") in desk.attention) == (False, True)
            assert [(await client.next())["type"] for _ in range(2)] == ["event", "event"]
            await client.say(type="unsubscribe", id="a")
            await until(lambda: key("i3") not in desk.attention)
            await client.subscribe("b", detail=True)
            assert key("i3") in desk.attention
        await until(lambda: desk.stats.clients == 0)
        assert key("i3") not in desk.attention


async def test_detail_is_bounded_and_says_so() -> None:
    """So many instances per connection; the rest is left out with an error frame, and room is used again."""
    tracks = [track(f"i{n}") for n in range(5)]
    async with open_desk(*tracks, limits=FeedLimits(watched=3)) as desk, Listener(desk) as client:
        await client.subscribe(detail=True)
        refusal = await client.next()
        assert (refusal["type"], refusal["code"], refusal["id"]) == ("error", "too_many", "a")
        assert "5 instances match" in refusal["message"]
        assert [one.key in desk.attention for one in tracks] == [False, False, True, True, True]
        done = replace(tracks[4], phase=Phase.SUCCEEDED)
        desk.happen(moved(tracks[4], done), tracks=(done,))
        progress(desk, "i0", 0.1)
        assert key("i0") in desk.attention


async def test_a_resumed_subscription_keeps_attention_too() -> None:
    """Coming back without a snapshot still means that somebody is looking."""
    async with open_desk(track("i1")) as desk, Listener(desk) as client:
        assert key("i1") not in desk.attention
        await client.say(type="subscribe", id="a", detail=True, after={"epoch": "e1", "seq": 100})
        await until(lambda: key("i1") in desk.attention)
        progress(desk, "i1", 0.1)
        assert (await client.next())["type"] == "event"


# --- bad frames ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ("not json", "send one JSON object in each frame"),
        ("[]", "Expected `object`"),
        ("{}", "send subscribe or unsubscribe"),
        ('{"type": "publish"}', "Invalid value 'publish' - at `$.type`: send subscribe or unsubscribe"),
        ('{"type": "subscribe"}', "missing required field `id`"),
        ('{"type": "subscribe", "id": ""}', "`$.id`"),
        ('{"type": "subscribe", "id": "a", "filter": {"phase": ["done"]}}', "use waiting, running, suspended"),
        ('{"type": "subscribe", "id": "a", "filter": {"fase": []}}', "unknown field `fase`"),
        ('{"type": "subscribe", "id": "a", "filter": []}', "`$.filter`"),
        ('{"type": "subscribe", "id": "a", "after": {"epoch": "e1", "seq": -1}}', "`$.after.seq`"),
        ('{"type": "subscribe", "id": "a", "after": {"epoch": "e1", "seq": "5"}}', "`$.after.seq`"),
        ('{"type": "subscribe", "id": "a", "after": 5}', "`$.after`"),
        ('{"type": "subscribe", "id": "\\ud800"}', "send one JSON object"),
        ("[" * 60_000, "Expected `object`"),
    ],
)
async def test_a_bad_frame_is_explained_and_the_connection_stays(frame: str, says: str) -> None:
    """An error frame says what is wrong; the same connection then subscribes."""
    async with open_desk(track("i1")) as desk, Listener(desk) as client:
        await client.socket.send_str(frame)
        refusal = await client.next()
        assert (refusal["type"], refusal["code"]) == ("error", "bad_request")
        assert says in refusal["message"]
        assert (await client.subscribe())[-1]["last"]


async def test_subscriptions_are_bounded() -> None:
    """One more than allowed is refused by name; the others go on."""
    async with open_desk(track("i1"), limits=FeedLimits(subscriptions=2)) as desk, Listener(desk) as client:
        for name in "ab":
            await client.subscribe(name)
        (refusal,) = await client.subscribe("c")
        assert (refusal["code"], refusal["id"]) == ("too_many", "c")
        await client.say(type="unsubscribe", id="a")
        assert (await client.subscribe("c"))[-1]["last"]


async def test_hostile_names_travel_unchanged() -> None:
    """Whatever a name holds, the frame is one JSON object that holds it."""
    async with open_desk() as desk, Listener(desk) as client:
        await client.subscribe()
        for n, name in enumerate(HOSTILE):
            now = failed(f"i{n}", message=name, name=name)
            desk.happen(moved(None, now), tracks=(now,))
            instance = (await client.next())["event"]["instance"]
            assert (instance["name"], instance["failure"]["message"]) == (name, name)
