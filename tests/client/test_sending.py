"""Lines on their way to a daemon that may be away."""

import asyncio
from collections.abc import Sequence

import pytest

from monitor.client import Away, Back, ClientError, Ingested, News, Stagewatch
from monitor.client.inbox import Inbox
from monitor.client.sending import Sender
from monitor.core.model import Phase
from tests.client.test_feed import client, port
from tests.e2e.eventually import eventually
from tests.web.desk import open_hearing_desk

ID = "20160519101349613gzbzufck2"
KEY = f"private/p1/{ID}"
pytestmark = pytest.mark.asyncio


async def inbox(*lines: str) -> Inbox:
    """With these lines and no more."""
    made = Inbox()
    await made.put("".join(f"{line}\n" for line in lines).encode())
    await made.close()
    return made


def sender(daemon: Stagewatch, news: list[News] | None = None, *, patience: float = 60, **place: str) -> Sender:
    heard = [] if news is None else news
    return Sender(daemon, patience=patience, status=heard.append, heard=lambda _told: None, **place)


async def test_one_batch() -> None:
    """What it told comes back: where the rest belongs, and how all stand."""
    async with open_hearing_desk() as desk, Stagewatch(desk.url) as daemon:
        told = await daemon.ingest([f"ID = {ID}", "M1:1/1/2[50%]", "M1_Stg1_job0:0/1/"], source="private", project="p1")
        assert (told.key, told.telling, told.unclaimed, told.malformed) == (KEY, 3, 0, 1)
        assert [(one.key, one.phase, one.progress) for one in told.instances] == [(KEY, Phase.RUNNING, 0.5)]
        with pytest.raises(ClientError, match="those that take lines: private") as refused:
            await daemon.ingest([], source="warehouse")
        assert refused.value.code == "conflict"


async def test_batches_follow_the_text() -> None:
    """What the answer to one batch named goes with the next: each statement of a session is an instance of its own."""
    other = ID.replace("2016", "2017")
    async with open_hearing_desk() as desk, Stagewatch(desk.url) as daemon:
        sending = sender(daemon, source="private", project="p1")
        for lines in (["M1:0/1/2"], [f"ID = {ID}"], ["M1:0/1/2"], ["OK", f"ID = {other}"], ["FAILED: made up"]):
            await sending.send(await inbox(*lines))
        assert {key: one.phase for key, one in sending.instances.items()} == {
            KEY: Phase.SUCCEEDED,
            f"private/p1/{other}": Phase.FAILED,
        }
        assert sending.unclaimed == 1


async def test_nothing_is_lost_while_the_daemon_is_away() -> None:
    """Neither at the beginning nor in the middle: what had no answer is sent again, to whoever comes back."""
    at = port()
    news: list[News] = []
    box = Inbox()

    async def heard() -> int:
        return len(news)

    async with asyncio.timeout(30), client(at) as daemon, asyncio.TaskGroup() as group:
        sending = sender(daemon, news, key=KEY)
        done = group.create_task(sending.send(box))
        await box.put(b"M1:1/0/2[0%]\n")
        await eventually(heard, lambda count: count == 1)
        async with open_hearing_desk(port=at) as desk:
            await eventually(heard, lambda count: count == 2)
            kept = desk.board.get(desk.board.with_id(ID)[0])
        assert kept is not None
        await box.put(b"M1:0/2/2[100%]\n")
        await eventually(heard, lambda count: count == 3)
        await box.put(b"FAILED: made up\n")
        async with open_hearing_desk(kept, port=at):
            await box.close()
            await done
    assert [type(one) for one in news] == [Away, Back, Away, Back]
    assert sending.instances[KEY].phase is Phase.FAILED
    assert sending.instances[KEY].progress == 1.0


async def test_patience_ends() -> None:
    """The error says for how long it has been away."""
    async with asyncio.timeout(20), client(port()) as daemon:
        with pytest.raises(ClientError, match="it has been away for") as error:
            await sender(daemon, patience=0.1).send(await inbox("OK"))
        assert error.value.code == "unreachable"


class Odd:
    """Answers in turn as it was told to."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[Sequence[str]] = []

    async def ingest(self, lines: Sequence[str], *, source: str, project: str, key: str) -> Ingested:
        self.asked.append(lines)
        code = self.answers.pop(0) if self.answers else ""
        if code:
            raise ClientError(code, f"{source}{project}{key}")
        return Ingested(key=KEY, instances=(), telling=0, unclaimed=0, malformed=0)


@pytest.mark.parametrize("code", ["unreachable", "not_recorded", "stopping", "storage_failed"])
async def test_what_may_pass_is_tried_again(code: str) -> None:
    """The same lines, until they are taken."""
    odd = Odd(code, code)
    await Sender(odd, patience=60, status=lambda _: None, heard=lambda _: None).send(await inbox("OK"))
    assert odd.asked == [["OK"]] * 3


@pytest.mark.parametrize("code", ["bad_request", "not_found", "conflict", "unauthorized", "not_stagewatch", "bad_url"])
async def test_what_does_not_pass_is_an_error_at_once(code: str) -> None:
    """A wrong address is no daemon that is away."""
    with pytest.raises(ClientError):
        await Sender(Odd(code), patience=60, status=lambda _: None, heard=lambda _: None).send(await inbox("OK"))


async def test_a_proxy_may_answer_for_a_daemon_that_was_there() -> None:
    """Its 502 while the daemon starts again is no reason to give up."""
    odd = Odd("", "not_stagewatch", "")
    sending = Sender(odd, patience=60, status=lambda _: None, heard=lambda _: None)
    await sending.send(await inbox("one"))
    await sending.send(await inbox("two"))
    assert odd.asked == [["one"], ["two"], ["two"]]


async def test_what_had_ended_before_the_text_came() -> None:
    """It is stale; what the text itself has ended is not, nor what it may have ended when the answer was lost."""
    async with open_hearing_desk() as desk, Stagewatch(desk.url) as daemon:
        sending = sender(daemon, key=KEY)
        await sending.send(await inbox("M1:1/0/2[0%]", "OK"))
        await sending.send(await inbox("M1:1/0/2[0%]", "OK"))
        assert sending.stale == set()
        again = sender(daemon, key=KEY)
        await again.send(await inbox("M1:1/0/2[0%]"))
        assert again.stale == {KEY}

        class Lossy:
            """Loses its first answer."""

            answers = iter((False, True))

            async def ingest(self, lines: Sequence[str], **place: str) -> Ingested:
                told = await daemon.ingest(lines, **place)
                if not next(self.answers):
                    raise ClientError("unreachable", "the answer was lost")
                return told

        lossy = Sender(Lossy(), key="private/p1/other", status=lambda _: None, heard=lambda _: None)
        await lossy.send(await inbox("OK"))
        assert lossy.stale == set()
        assert lossy.instances["private/p1/other"].phase is Phase.SUCCEEDED
