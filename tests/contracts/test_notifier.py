"""What every channel promises, over every channel, and over the scripted one that the engine's tests rely on."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from aiohttp import web

from monitor.notify.alertmanager import Alertmanager, AlertmanagerSection
from monitor.notify.base import Notifier, NotifyError, Reason
from tests.engine.scripted import ScriptedNotifier
from tests.notify.receiver import NOON, Receiver, alert, receiving, webhook


@dataclass
class Desk:
    """A channel, and the other end of it: `arrived` are the ids that were taken, `refuse` is what happens next."""

    channel: Notifier
    arrived: Callable[[], list[str]]
    refuse: Callable[[NotifyError], None]
    hang: Callable[[], None]


Opened = Callable[[], AbstractAsyncContextManager[Desk]]


def behind(receiver: Receiver, channel: Notifier, ids: Callable[[bytes], list[str]]) -> Desk:
    """A channel that posts; `ids` reads what a body tells."""
    taken: list[str] = []
    answers: list[NotifyError | None] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if answers:
            error = answers.pop(0)
            if error is None:
                await asyncio.sleep(3600)
                raise AssertionError
            headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:.0f}"}
            return web.Response(status=error.status or 500, text="no", headers=headers)
        taken.extend(ids(await request.read()))
        return web.Response()

    receiver.answer = answer
    return Desk(channel, lambda: taken, answers.append, lambda: answers.append(None))


@asynccontextmanager
async def of_webhook() -> AsyncIterator[Desk]:
    async with receiving() as receiver, webhook(receiver.url) as channel:
        yield behind(receiver, channel, lambda body: [one["fingerprint"] for one in json.loads(body)["alerts"]])


@asynccontextmanager
async def of_alertmanager() -> AsyncIterator[Desk]:
    async with receiving() as receiver:
        section = AlertmanagerSection(type="alertmanager", name="ops", urls=[receiver.url])
        channel = Alertmanager(section, now=lambda: NOON, version="1.2.3")
        yield behind(receiver, channel, lambda body: [alert(one["labels"]["instance"]).id for one in json.loads(body)])
        await channel.aclose()
        await asyncio.sleep(0)


@asynccontextmanager
async def of_script() -> AsyncIterator[Desk]:
    channel = ScriptedNotifier()
    ids = lambda: [one.id for one in channel.taken]  # noqa: E731 - it is one of four parts, and the shortest
    yield Desk(channel, ids, channel.script.append, lambda: channel.script.append(3600.0))
    await channel.aclose()


@pytest.fixture(params=[of_webhook, of_alertmanager, of_script])
def opened(request: pytest.FixtureRequest) -> Opened:
    return request.param


@pytest.mark.asyncio
async def test_returning_means_that_it_was_taken(opened: Opened) -> None:
    """Each alert arrives, in order, under its own id."""
    async with opened() as desk:
        await desk.channel.send([alert("a"), alert("b")])
        await desk.channel.send([alert("c")])
        assert desk.arrived() == [alert(name).id for name in "abc"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "error",
    [
        NotifyError(Reason.REFUSED, "no", permanent=True, status=400),
        NotifyError(Reason.UNAVAILABLE, "no", permanent=False, status=503),
        NotifyError(Reason.THROTTLED, "no", permanent=False, status=429, retry_after=30.0),
    ],
    ids=lambda error: error.reason.value,
)
async def test_a_refusal_says_what_kind_it_is(opened: Opened, error: NotifyError) -> None:
    """NotifyError and nothing else, with reason, finality, status and the time that was named; the alert is not taken,
    and the channel works on."""
    async with opened() as desk:
        desk.refuse(error)
        with pytest.raises(NotifyError) as caught:
            await desk.channel.send([alert("a")])
        for part in ("reason", "permanent", "status", "retry_after"):
            assert getattr(caught.value, part) == getattr(error, part)
        assert desk.arrived() == []
        await desk.channel.send([alert("a")])
        assert desk.arrived() == [alert("a").id]


@pytest.mark.asyncio
async def test_sending_can_be_cancelled(opened: Opened) -> None:
    """The courier bounds a try from outside; the channel can be used again afterwards."""
    async with opened() as desk:
        desk.hang()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await desk.channel.send([alert("a")])
        await desk.channel.send([alert("b")])
        assert desk.arrived()[-1] == alert("b").id


@pytest.mark.asyncio
async def test_telling_it_again_is_the_channels_wish(opened: Opened) -> None:
    """If it wants to, it says when, later than now; if told about the first time long ago, it has an end."""
    async with opened() as desk:
        receipt = await desk.channel.send([alert("a")])
        assert receipt.again_at is None or receipt.again_at > NOON
        assert (await desk.channel.send([alert("a")], NOON - timedelta(days=1000))).again_at is None


@pytest.mark.asyncio
async def test_a_channel_has_a_name_and_can_be_closed_unused(opened: Opened) -> None:
    """The name is what outbox rows and labels call it; closing without ever sending, or twice, is no error."""
    async with opened() as desk:
        assert desk.channel.name == "ops"
        await desk.channel.aclose()
        await desk.channel.aclose()
