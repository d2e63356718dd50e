"""What every examination asks before it comes to rights."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from monitor.sources.base import Check, Reason, SourceError
from monitor.sources.examining import Examiner, refused, said
from monitor.sources.http import RefusedError, Reply
from tests.sources.scripted import serving

NOON = datetime(2025, 1, 24, 12, 0, tzinfo=UTC)
MISSING = Check(name="project", ok=False, detail="no such project", fix="check its name")


def refusal(reason: Reason, *, at: datetime | None = None) -> RefusedError:
    return RefusedError(reason, "whole message", status=403, code="NoPermission", text="no right", answered_at=at)


def reply(at: datetime | None) -> Reply:
    headers = {} if at is None else {"Date": format_datetime(at, usegmt=True)}
    return Reply(200, headers, b"", NOON)


async def begun(ask: Callable[[Examiner], Awaitable[object]]) -> list[Check]:
    """The checks of an examination whose first request is this one, of a service that listens."""
    async with serving() as service:
        examiner = Examiner(service.endpoint, "access id me", lambda: NOON)
        checks = [check async for check in examiner.begin(lambda: ask(examiner), project=MISSING)]
    assert [check.name for check in checks[:2]] == ["address", "tls"]
    return checks[2:]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("theirs", "ok", "detail"),
    [
        (NOON, True, "agrees with the service's"),
        (NOON - timedelta(seconds=59), True, "59 s ahead of the service's"),
        (NOON + timedelta(seconds=61), False, "61 s behind the service's"),
        (NOON - timedelta(days=1), False, "86400 s ahead of the service's"),
    ],
)
async def test_the_clock(theirs: datetime, ok: bool, detail: str) -> None:
    """A minute is what clocks that are set may differ by."""

    async def ask(examiner: Examiner) -> object:
        return examiner.dated(lambda reply: reply.body)(reply(theirs))

    clock, credentials = await begun(ask)
    assert (clock.name, clock.ok, clock.detail) == ("clock", ok, detail)
    assert ("NTP" in clock.fix) is not ok
    assert credentials == Check(name="credentials", ok=True, detail="the service knows access id me")


@pytest.mark.asyncio
async def test_an_answer_without_a_date() -> None:
    """Nobody knows what time it is there: the check is left out."""

    async def ask(examiner: Examiner) -> object:
        return examiner.dated(lambda reply: reply.body)(reply(None))

    assert [check.name for check in await begun(ask)] == ["credentials"]


@pytest.mark.asyncio
@pytest.mark.parametrize("reason", Reason)
async def test_every_refusal_says_what_to_do(reason: Reason) -> None:
    """A missing right is no wrong key; what the service does not know is the project; all else is told as it is."""

    async def ask(_examiner: Examiner) -> object:
        raise refusal(reason, at=NOON)

    clock, check = await begun(ask)
    assert clock.ok
    match reason:
        case Reason.FORBIDDEN:
            assert (check.name, check.ok) == ("credentials", True)
        case Reason.UNAUTHORIZED:
            assert (check.name, check.ok) == ("credentials", False)
            assert "access_key" in check.fix
        case Reason.NOT_FOUND:
            assert check == MISSING
        case _:
            assert (check.name, check.ok) == ("answer", False)
            assert check.detail == "NoPermission (HTTP 403): no right"
            assert check.fix


@pytest.mark.parametrize("reason", Reason)
def test_a_right_that_cannot_be_used(reason: Reason) -> None:
    """Where it is missing, the fix is to grant it; trouble of another kind has a fix of its own."""
    check = refused("odps:List", refusal(reason), "grant it")
    assert check.ok is False
    assert (check.fix == "grant it") is (reason is Reason.FORBIDDEN)
    assert check.fix


def test_what_was_said() -> None:
    """The service's code and words, or those of what is on the way to it."""
    assert said(refusal(Reason.FORBIDDEN)) == "NoPermission (HTTP 403): no right"
    assert said(RefusedError(Reason.REJECTED, "m", status=400)) == "no code (HTTP 400)"
    assert said(SourceError(Reason.TIMEOUT, "no answer within 30 s")) == "no answer within 30 s"
