"""Signed requests as they arrive, and what is mended when the service does not like them."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import md5
from pathlib import Path

import pytest

from monitor.section import Secret
from monitor.sources.base import Detail, Priority, Reason, RequestReport, SourceError
from monitor.sources.batchcompute import BatchComputeSource
from monitor.sources.batchcompute.signing import Account, Signer
from tests.sources.batchcompute.jobs import (
    ID,
    KEY,
    NOW,
    REGION,
    SECRETS,
    Answer,
    Clock,
    error,
    job,
    lists,
    one,
    page,
    watching,
    whole,
)
from tests.sources.scripted import Asked, serving

pytestmark = pytest.mark.asyncio

GOOD = one(job("Running"))


async def ask(source: BatchComputeSource) -> None:
    """One request, whatever it tells."""
    await source.inspect(KEY, Detail.PHASE, Priority.SWEEP)


def verify(asked: Asked, sts_token: str | None = None) -> None:
    """The signature fits what arrived, to the letter."""
    headers = {name.lower(): value for name, value in asked.headers.items()}
    account = Account(
        access_id=Secret("testAccessId"),
        access_key=Secret(SECRETS["access_key"]),
        region=REGION,
        sts_token=None if sts_token is None else Secret(sts_token),
    )
    signer = Signer(account, {})
    ours = signer.headers(asked.method, asked.target, headers["date"], headers["x-acs-signature-nonce"])
    for name, value in (signer.common | ours).items():
        assert headers[name.lower()] == value


async def test_a_request_as_it_arrives() -> None:
    """The version that is meant, our date, a nonce, no wish for compression; signed as it stands on the wire, with the
    path that the endpoint has."""
    async with serving() as service, watching(service, discover=False) as source:
        lists(service, running=[page(job("Running"), marker="a b/ü"), page()])
        await whole(source.sweep(REGION))
    for asked in service.asked:
        verify(asked)
        assert asked.headers["Date"] == "Fri, 24 Jan 2025 07:34:21 GMT"
        assert asked.headers["x-acs-version"] == "2015-11-11"
        assert asked.headers["Accept"] == asked.headers["Content-Type"] == "application/json"
        assert asked.headers["Accept-Encoding"] == "identity"
        assert asked.headers["User-Agent"].startswith("stagewatch/")
    assert service.asked[2].target == "/api/jobs?Marker=a%20b%2F%C3%BC&MaxItemCount=100&State=Running"
    assert len({asked.headers["x-acs-signature-nonce"] for asked in service.asked}) == 3


async def test_a_temporary_token_goes_along() -> None:
    """STS: the token beside the key, and signed."""
    async with serving() as service, watching(service, sts_token=SECRETS["sts_token"]) as source:
        service.on(ID, GOOD)
        await ask(source)
    verify(service.asked[0], SECRETS["sts_token"])
    assert service.asked[0].headers["x-acs-security-token"] == SECRETS["sts_token"]


async def test_a_body_goes_with_its_sum() -> None:
    """Under the name that the vendor's client gives it; a POST without a body says so."""
    async with serving() as service, watching(service) as source:
        service.on("/stop", Answer(status=201))
        await source.stop(KEY)
    (stop,) = service.asked
    verify(stop)
    assert (stop.method, stop.body, stop.headers["Content-Length"]) == ("POST", b"", "0")
    assert "contentMd5" not in stop.headers
    assert md5(b'{"Name": "n"}', usedforsecurity=False).hexdigest() == "6f07c20cebcf5bc60255ba7c5cb9bc77"


# --- the clock ---


def strict_about_time(theirs: datetime, code: str) -> Callable[[Asked], Answer]:
    """A service whose clock says so, and which takes no request that is more than a quarter of an hour off."""

    def answer(asked: Asked) -> Answer:
        date = {"Date": format_datetime(theirs, usegmt=True)}
        if abs(parsedate_to_datetime(asked.headers["Date"]) - theirs) > timedelta(minutes=15):
            return Answer(error(code, "made-up refusal").body, 400, date)
        return Answer(GOOD.body, headers=date)

    return answer


@pytest.mark.parametrize("hours", [-1, 1, 24 * 365])
@pytest.mark.parametrize("code", ["InvalidTimeStamp.Expired", "SignatureDoesNotMatch", "InvalidParameter", "Forbidden"])
async def test_a_clock_that_is_off_is_mended_at_once(hours: int, code: str) -> None:
    """Under whatever code it is refused: the date in the answer tells; the next requests are right from the start."""
    theirs = NOW + timedelta(hours=hours)
    async with serving() as service, watching(service, clock=Clock()) as source:
        service.on(ID, strict_about_time(theirs, code))
        await ask(source)
        await ask(source)
    dates = [parsedate_to_datetime(asked.headers["Date"]) for asked in service.asked]
    assert dates == [NOW, theirs, theirs]


async def test_a_clock_is_mended_once() -> None:
    """A service that goes on refusing is told of as it answers."""
    off = {"Date": format_datetime(NOW + timedelta(hours=1), usegmt=True)}
    async with serving() as service, watching(service) as source:
        service.on(ID, Answer(error("InvalidTimeStamp.Expired").body, 400, off))
        with pytest.raises(SourceError, match="clock of this machine") as caught:
            await ask(source)
    assert caught.value.reason is Reason.SKEWED
    assert len(service.asked) == 2


async def test_a_wrong_key_is_no_matter_of_time() -> None:
    """Where the clocks agree, one refusal is enough."""
    async with serving() as service, watching(service) as source:
        service.on(ID, error("SignatureDoesNotMatch"))
        with pytest.raises(SourceError) as caught:
            await ask(source)
    assert caught.value.reason is Reason.UNAUTHORIZED
    assert len(service.asked) == 1


# --- credentials that are renewed ---


def accepts(*tokens: str) -> Callable[[Asked], Answer]:
    """A service by which every other token has expired."""
    expired = error("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
    return lambda asked: GOOD if asked.headers.get("x-acs-security-token") in tokens else expired


async def test_a_token_that_was_renewed_is_read_again(tmp_path: Path) -> None:
    """The request that is refused goes out once more with what the file holds now; those behind it are right."""
    file = tmp_path / "token"
    file.write_text("old-token")
    async with serving() as service, watching(service, sts_token={"file": str(file)}) as source:
        service.on(ID, accepts("old-token"))
        await ask(source)
        file.write_text("new-token")
        service.on(ID, accepts("new-token"))
        await ask(source)
        await ask(source)
    for asked, token in zip(service.asked, ("old-token", "old-token", "new-token", "new-token"), strict=True):
        verify(asked, token)


async def test_a_pair_of_keys_that_was_renewed(tmp_path: Path) -> None:
    """A new id and a new key, as they come with every temporary token, sign together."""
    pair = {name: tmp_path / name for name in ("access_id", "access_key")}
    pair["access_id"].write_text("oldAccessId")
    pair["access_key"].write_text("old-key")
    files = {name: {"file": str(file)} for name, file in pair.items()}
    async with serving() as service, watching(service, **files) as source:
        pair["access_id"].write_text("testAccessId")
        pair["access_key"].write_text(SECRETS["access_key"])
        service.on(ID, error("InvalidAccessKeyId.NotFound"), GOOD)
        await ask(source)
    assert service.asked[0].headers["x-acs-access-key-id"] == "oldAccessId"
    verify(service.asked[1])


async def test_what_may_not_come_twice_is_asked_again_with_a_renewed_token(tmp_path: Path) -> None:
    """A stop that was refused for its token has stopped nothing."""
    file = tmp_path / "token"
    file.write_text("old-token")
    async with serving() as service, watching(service, sts_token={"file": str(file)}) as source:
        service.on("/stop", accepts("new-token"))
        file.write_text("new-token")
        await source.stop(KEY)
    assert [asked.method for asked in service.asked] == ["POST", "POST"]


async def test_a_token_that_nobody_renewed_is_refused_once(tmp_path: Path) -> None:
    """One request, and the reason is told."""
    file = tmp_path / "token"
    file.write_text("old-token")
    async with serving() as service, watching(service, sts_token={"file": str(file)}) as source:
        service.on(ID, accepts())
        with pytest.raises(SourceError, match="that its sts_token has not expired") as caught:
            await ask(source)
    assert caught.value.reason is Reason.UNAUTHORIZED
    assert len(service.asked) == 1


async def test_a_renewed_token_that_is_refused_as_well(tmp_path: Path) -> None:
    """Two requests and no more; where the service repeats the tokens, neither is in the message."""
    file = tmp_path / "token"
    file.write_text("old-token")
    async with serving() as service, watching(service, sts_token={"file": str(file)}) as source:
        service.on(ID, error("InvalidSecurityToken.Malformed", "what are old-token and new-token?"))
        file.write_text("new-token")
        with pytest.raises(SourceError, match="what are <secret> and <secret>"):
            await ask(source)
    assert len(service.asked) == 2


async def test_a_wrong_clock_and_an_old_token(tmp_path: Path) -> None:
    """Both are mended in one question: time, then the token."""
    file = tmp_path / "token"
    file.write_text("old-token")
    strict = strict_about_time(NOW + timedelta(hours=2), "InvalidTimeStamp.Expired")

    def answer(asked: Asked) -> Answer:
        said = strict(asked)
        return Answer(accepts("new-token")(asked).body, 400, said.headers) if is_old(asked, said) else said

    def is_old(asked: Asked, said: Answer) -> bool:
        return said.status == 200 and asked.headers["x-acs-security-token"] != "new-token"

    async with serving() as service, watching(service, sts_token={"file": str(file)}) as source:
        file.write_text("new-token")
        service.on(ID, answer)
        await ask(source)
    assert len(service.asked) == 3


# --- trouble ---


@pytest.mark.parametrize(
    ("answer", "reason", "requests"),
    [
        (Answer(status=503), Reason.UNAVAILABLE, 3),
        (Answer(status=500), Reason.UNAVAILABLE, 1),
        (Answer(status=429, headers={"Retry-After": "600"}), Reason.THROTTLED, 1),
        (error("Throttling.User"), Reason.THROTTLED, 1),
        (Answer(status=302, headers={"Location": "/elsewhere"}), Reason.REJECTED, 1),
        (Answer(GOOD.body, cut=10), Reason.UNREACHABLE, 3),
        (Answer(b"x" * (16 * 2**20 + 1)), Reason.MALFORMED, 1),
    ],
)
async def test_trouble(answer: Answer, reason: Reason, requests: int) -> None:
    """Each kind has its reason; only what may pass in a moment is tried again."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports) as source:
        service.on(ID, answer)
        with pytest.raises(SourceError) as caught:
            await ask(source)
    assert caught.value.reason is reason
    assert len(service.asked) == requests
    assert {(report.source, report.operation, report.result) for report in reports} == {("render", "inspect", reason)}


async def test_no_message_holds_a_secret() -> None:
    """Also where the service repeats one."""
    secrets = SECRETS["access_key"], SECRETS["sts_token"]
    said = json.dumps({"Code": "InvalidSecurityToken", "Message": f"what is {' and '.join(secrets)}?"})
    async with serving() as service, watching(service, sts_token=secrets[1]) as source:
        service.on(ID, Answer(said, 400))
        with pytest.raises(SourceError) as caught:
            await ask(source)
    assert not any(secret in str(caught.value) for secret in secrets)
