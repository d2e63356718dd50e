"""The channel against Debian's Alertmanager, and against servers that answer worse."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from msgspec.structs import replace
from pydantic import ValidationError

from monitor.notify.alertmanager import Alertmanager, AlertmanagerSection
from monitor.notify.base import NotifyError, Reason
from monitor.section import Secret
from tests.e2e.eventually import eventually
from tests.notify.alertmanagers import alertmanager
from tests.notify.receiver import NOON, alert, answering, receiving

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def wall() -> datetime:
    """Alertmanager goes by the wall clock."""
    return datetime.now(UTC)  # noqa: TID251


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@asynccontextmanager
async def channel(
    *urls: str,
    hold: timedelta = HOUR,
    resend_every: timedelta = timedelta(minutes=1),
    now: Callable[[], datetime] = lambda: NOON,
    **headers: str,
) -> AsyncIterator[Alertmanager]:
    """The channel `ops` to these peers, closed in the end."""
    secrets = {name: Secret(value) for name, value in headers.items()}
    section = AlertmanagerSection(
        type="alertmanager", name="ops", urls=list(urls), hold=hold, resend_every=resend_every, headers=secrets
    )
    it = Alertmanager(section, now=now, version="1.2.3")
    try:
        yield it
    finally:
        await it.aclose()
        await asyncio.sleep(0)


# --- the real one -------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_alertmanager_has_it_as_we_told_it(tmp_path: Path) -> None:
    """Labels without the empty ones, annotations, the link, when it began, and an end that is `hold` away."""
    async with alertmanager(tmp_path) as peer, channel(peer.url, now=wall) as ops:
        before = wall()
        receipt = await ops.send([alert(owner="", message="bad \ud800 half\n<名>")])
        after = wall()
        (held,) = await peer.alerts()
    told = alert()
    assert held["labels"] == {name: text for name, text in told.labels.items() if name != "owner"}
    assert held["annotations"] == {**told.annotations, "message": "bad ? half\n<名>"}
    assert held["generatorURL"] == told.annotations["logview"]
    assert at(held["startsAt"]) == NOON
    assert before + HOUR - SECOND / 100 <= at(held["endsAt"]) <= after + HOUR
    assert held["status"]["state"] in {"active", "unprocessed"}
    assert receipt.status == 200
    assert receipt.again_at is not None
    assert before + 60 * SECOND <= receipt.again_at <= after + 60 * SECOND


@pytest.mark.asyncio
async def test_it_resolves_when_its_hold_is_over_and_not_before(tmp_path: Path) -> None:
    """Telling it again on the way changes nothing about that."""
    hold = 1.5 * SECOND
    async with alertmanager(tmp_path) as peer, channel(peer.url, now=wall, hold=hold, resend_every=SECOND / 5) as ops:
        told = wall()
        receipt = await ops.send([alert()])
        while receipt.again_at is not None:
            await asyncio.sleep((receipt.again_at - wall()).total_seconds())  # the courier's part
            assert len(await peer.alerts()) == 1
            receipt = await ops.send([alert()], told)
        assert hold - SECOND / 4 < wall() - told < hold
        (held,) = await peer.alerts()
        assert at(held["startsAt"]) == NOON
        assert abs(at(held["endsAt"]) - told - hold) < SECOND / 10
        assert await eventually(peer.alerts, lambda held: held == []) == []
        assert wall() >= told + hold


@pytest.mark.asyncio
async def test_a_restart_of_alertmanager_is_made_good_by_telling_it_again(tmp_path: Path) -> None:
    """It has forgotten everything; then it has the alert again, with the same beginning and the same end."""
    async with alertmanager(tmp_path) as peer:
        url = peer.url
        async with channel(url, now=wall) as ops:
            told = wall()
            await ops.send([alert()])
            (first,) = await peer.alerts()
    async with alertmanager(tmp_path, address=url.removeprefix("http://")) as peer, channel(url, now=wall) as ops:
        assert await peer.alerts() == []
        await ops.send([alert()], told)
        (again,) = await peer.alerts()
    assert again["startsAt"] == first["startsAt"]
    assert again["fingerprint"] == first["fingerprint"]
    assert abs(at(again["endsAt"]) - at(first["endsAt"])) < SECOND


@pytest.mark.asyncio
async def test_one_peer_is_enough_and_the_other_gets_it_later(tmp_path: Path) -> None:
    """The receipt names the peer that missed it; when it is back it is told with the others."""
    async with alertmanager(tmp_path / "a") as one:
        async with alertmanager(tmp_path / "b") as other:
            down = other.url
        async with channel(down, one.url, now=wall) as ops:
            told = wall()
            receipt = await ops.send([alert()])
            assert receipt.status == 200
            assert receipt.detail.startswith(f"1 of 2 peers took it; {down}: cannot reach the receiver")
            assert len(await one.alerts()) == 1
            async with alertmanager(tmp_path / "b", address=down.removeprefix("http://")) as other:
                assert (await ops.send([alert()], told)).detail == ""
                assert len(await one.alerts()) == len(await other.alerts()) == 1


@pytest.mark.asyncio
async def test_two_instances_are_two_alerts(tmp_path: Path) -> None:
    """Also with everything odd that names may hold; one request for both."""
    async with alertmanager(tmp_path) as peer, channel(peer.url, now=wall) as ops:
        await ops.send([alert("a"), alert("b", owner="名\n<script>\0\u202e\"'{}\\")])
        assert {held["labels"]["instance"] for held in await peer.alerts()} == {"a", "b"}


@pytest.mark.asyncio
async def test_a_source_that_is_down_is_an_alert_like_any_other(tmp_path: Path) -> None:
    """It has no instance, and so no label of that name."""
    about = alert(instance="", task="", owner="", code="unreachable", logview="http://127.0.0.1:9690")
    async with alertmanager(tmp_path) as peer, channel(peer.url, now=wall) as ops:
        await ops.send([about])
        (held,) = await peer.alerts()
    assert "instance" not in held["labels"]
    assert held["generatorURL"] == "http://127.0.0.1:9690"


@pytest.mark.asyncio
async def test_a_beginning_in_the_future_is_no_beginning(tmp_path: Path) -> None:
    """The service's clock may be ahead of ours: the alert has then begun when it fired."""
    fired = wall()
    ahead = replace(alert(), at=fired, started_at=fired + 2 * HOUR)
    async with alertmanager(tmp_path) as peer, channel(peer.url, now=wall) as ops:
        await ops.send([ahead])
        (held,) = await peer.alerts()
    assert abs(at(held["startsAt"]) - fired) < SECOND


# --- peers that answer worse --------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_end_is_counted_from_when_it_was_told_first() -> None:
    """An alert that could not be told for hours is held as long as any other."""
    clock = NOON + 5 * HOUR
    async with receiving() as receiver, channel(receiver.url, now=lambda: clock) as ops:
        first = await ops.send([alert()])
        assert first.again_at == clock + timedelta(minutes=1)
        told, clock = clock, clock + HOUR - timedelta(minutes=1)
        last = await ops.send([alert()], told)
        assert last.again_at is None
        bodies = [json.loads(body) for _, body in receiver.requests]
        assert [one["endsAt"] for (one,) in bodies] == ["2016-05-19T18:00:00Z"] * 2
        clock += timedelta(minutes=1)
        over = await ops.send([alert()], told)
        assert (over.again_at, over.detail) == (None, "its time is over: not told again")
        assert len(receiver.requests) == 2


@pytest.mark.asyncio
async def test_the_request_is_version_2_below_any_prefix() -> None:
    """Where the address says, with the headers that it wants."""
    async with receiving() as receiver:
        for url in (receiver.url, f"{receiver.url}/"):
            async with channel(url, Authorization="Bearer t0k3n-t0k3n") as ops:
                await ops.send([alert()])
    for request, _ in receiver.requests:
        assert (request.method, request.path) == ("POST", "/hook/api/v2/alerts")
        assert request.headers["Authorization"] == "Bearer t0k3n-t0k3n"
        assert request.content_type == "application/json"


@pytest.mark.asyncio
async def test_a_peer_that_hangs_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One has it: the other is left after a moment, and the receipt says so."""
    monkeypatch.setattr("monitor.notify.alertmanager._PEERS_WITHIN", 0.05)

    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError

    async with receiving(hang) as slow, receiving() as quick, channel(slow.url, quick.url) as ops:
        receipt = await ops.send([alert()])
    assert receipt.detail == "1 of 2 peers took it; 1 did not answer"
    assert len(slow.requests) == 1


@pytest.mark.asyncio
async def test_no_peer_took_it() -> None:
    """It may pass if it may pass at one of them; each is named with its reason, and the sooner wish holds."""
    async with (
        receiving(answering(400, "bad")) as strict,
        receiving(answering(503, "busy", Retry_After="30")) as busy,
        receiving(answering(429, "slower", Retry_After="7")) as slower,
    ):
        async with channel(strict.url, busy.url, slower.url) as ops:
            with pytest.raises(NotifyError) as caught:
                await ops.send([alert()])
        error = caught.value
        assert (error.reason in {Reason.UNAVAILABLE, Reason.THROTTLED}, error.permanent) == (True, False)
        assert error.retry_after == 7
        for words in ("no peer took it", f"{strict.url.removesuffix('/hook')}: the receiver answered 400: bad", "busy"):
            assert words in str(error)
        async with channel(strict.url) as ops:
            with pytest.raises(NotifyError) as caught:
                await ops.send([alert()])
    assert (caught.value.permanent, caught.value.status) == (True, 400)


def test_a_section_is_checked_before_anything_is_sent() -> None:
    """At least one peer, each once, each the place and no more."""
    for urls, says in (
        ([], "at least 1 item"),
        (["ops"], "URL"),
        (["http://am.example:9093/?x=1"], "write where Alertmanager is"),
        (["http://am.example:9093/api/v2/alerts"], "write where Alertmanager is"),
        (["http://am.example:9093"] * 2, "name each peer once"),
    ):
        with pytest.raises(ValidationError, match=says):
            AlertmanagerSection(type="alertmanager", name="ops", urls=urls)
    with pytest.raises(ValidationError, match="not both"):
        AlertmanagerSection(
            type="alertmanager",
            name="ops",
            urls=["http://am.example:9093", "http://me:p4ss@am.example:9094"],
            headers={"Authorization": "Bearer t0k3n"},
        )
    section = AlertmanagerSection(type="alertmanager", name="ops", urls=["http://am.example:9093"])
    assert (section.hold, section.resend_every) == (HOUR, timedelta(minutes=1))
