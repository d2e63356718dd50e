"""Signed requests as they arrive, and what is mended when the service does not like them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

import pytest

from monitor.core.model import InstanceKey
from monitor.sources.base import Detail, Priority, Reason, RequestReport, SourceError
from monitor.sources.maxcompute import MaxComputeSource
from tests.sources.scripted import NOW, SECRETS, Answer, Asked, Clock, error, instance, serving, task, watching

KEY = InstanceKey("warehouse", "analytics", "20250124073421123gabc0def1")
GOOD = Answer(instance("Running", task("Running")))


async def ask(source: MaxComputeSource) -> None:
    """One request, whatever it tells."""
    await source.inspect(KEY, Detail.PHASE, Priority.SWEEP)


@pytest.mark.asyncio
async def test_a_request_as_it_arrives() -> None:
    """Bare keys, the project, the date of our clock, a signature, and no wish for compression."""
    async with serving() as service, watching(service) as source:
        service.on("taskstatus", GOOD)
        await ask(source)
    (asked,) = service.asked
    assert asked.target == f"/api/projects/analytics/instances/{KEY.id}?curr_project=analytics&taskstatus"
    assert asked.headers["Date"] == "Fri, 24 Jan 2025 07:34:21 GMT"
    assert asked.headers["Authorization"].startswith("ODPS testAccessId:")
    assert asked.headers["Accept-Encoding"] == "identity"
    assert asked.headers["User-Agent"] == asked.headers["x-odps-user-agent"]
    assert asked.headers["User-Agent"].startswith("stagewatch/")


@pytest.mark.asyncio
async def test_a_temporary_token_goes_along() -> None:
    """STS: the token beside the signature."""
    async with serving() as service, watching(service, sts_token=SECRETS["sts_token"]) as source:
        service.on("taskstatus", GOOD)
        await ask(source)
    headers = service.asked[0].headers
    assert headers["authorization-sts-token"] == SECRETS["sts_token"]
    assert "Authorization" in headers


@pytest.mark.asyncio
async def test_a_bearer_token_goes_alone() -> None:
    """Nothing is signed, also where a region is known."""
    token = SECRETS["bearer_token"]
    async with (
        serving() as service,
        watching(service, bearer_token=token, access_key=None, access_id=None, region="cn-hangzhou") as source,
    ):
        service.on("taskstatus", GOOD)
        await ask(source)
    headers = service.asked[0].headers
    assert headers["x-odps-bearer-token"] == token
    assert "Authorization" not in headers


# --- the clock ---


def strict_about_time(theirs: datetime) -> Callable[[Asked], Answer]:
    """A service whose clock says so, and which takes no request that is more than a quarter of an hour off."""

    def answer(asked: Asked) -> Answer:
        date = {"Date": format_datetime(theirs, usegmt=True)}
        if abs(parsedate_to_datetime(asked.headers["Date"]) - theirs) > timedelta(minutes=15):
            refused = error("RequestTimeTooSkewd", "ODPS-0410031:Authentication request expired")
            return Answer(refused.body, 400, date)
        return Answer(GOOD.body, headers=date)

    return answer


@pytest.mark.parametrize("hours", [-1, 1, 24 * 365])
@pytest.mark.asyncio
async def test_a_clock_that_is_off_is_corrected_once(hours: int) -> None:
    """The first answer tells the service's time; from then on every request is right the first time."""
    reports: list[RequestReport] = []
    async with serving() as service, watching(service, reports=reports) as source:
        service.on("taskstatus", strict_about_time(NOW + timedelta(hours=hours)))
        for _ in range(3):
            await ask(source)
    assert [it.result for it in reports] == [Reason.SKEWED, "ok", "ok", "ok"]


@pytest.mark.asyncio
async def test_the_day_of_the_derived_key_is_the_services() -> None:
    """A clock that is off over midnight would derive the wrong day's key as well."""
    theirs = datetime(2025, 1, 25, 1, 0, tzinfo=UTC)
    async with serving() as service, watching(service, region="cn-hangzhou") as source:
        service.on("taskstatus", strict_about_time(theirs))
        await ask(source)
    assert ["/20250124/" in it.headers["Authorization"] for it in service.asked] == [True, False]
    assert "/20250125/" in service.asked[1].headers["Authorization"]


@pytest.mark.parametrize(
    "headers", [{"Date": "nonsense"}, {"Date": "Fri, 24 Jan 2025 09:34:21 GMT"}], ids=["no time", "same time again"]
)
@pytest.mark.asyncio
async def test_a_clock_that_cannot_be_corrected(headers: dict[str, str]) -> None:
    """The service names no time, or refuses its own: the reason is told, and it is not tried for ever."""
    async with serving() as service, watching(service) as source:
        service.on("taskstatus", Answer(error("RequestTimeTooSkewd").body, 400, headers))
        with pytest.raises(SourceError, match="set the clock of this machine") as caught:
            await ask(source)
    assert caught.value.reason is Reason.SKEWED
    assert len(service.asked) <= 2


# --- the derived signature ---


def knows_only_legacy(refusal: Answer) -> Callable[[Asked], Answer]:
    """A service from before the derived signature."""
    return lambda asked: refusal if "aliyun_v4_request" in asked.headers["Authorization"] else GOOD


@pytest.mark.parametrize(
    "refusal",
    [
        error("InternalServerError", "need ak v3 support", 500),
        error("InvalidParameter", "ODPS-0410051: invalid credentials", 400),
        error("Unauthorized", "The request authorization header is invalid or missing.", 401),
    ],
)
@pytest.mark.asyncio
async def test_a_service_without_the_derived_signature(refusal: Answer) -> None:
    """The same request goes out once more with the legacy signature, and that is remembered."""
    async with serving() as service, watching(service, region="cn-hangzhou") as source:
        service.on("taskstatus", knows_only_legacy(refusal))
        for _ in range(3):
            await ask(source)
    derived = ["aliyun_v4_request" in it.headers["Authorization"] for it in service.asked]
    assert derived == [True, False, False, False]


@pytest.mark.asyncio
async def test_a_wrong_key_is_no_reason_to_leave_the_derived_signature() -> None:
    """Neither signature is taken: the key is wrong, and the next request begins with the better one again."""
    async with serving() as service, watching(service, region="cn-hangzhou") as source:
        service.on("taskstatus", error("Unauthorized", "authorization header is invalid or missing", 401))
        for _ in range(2):
            with pytest.raises(SourceError, match="check access_id, access_key and region") as caught:
                await ask(source)
            assert caught.value.reason is Reason.UNAUTHORIZED
    derived = ["aliyun_v4_request" in it.headers["Authorization"] for it in service.asked]
    assert derived == [True, False, True, False]


@pytest.mark.asyncio
async def test_an_old_service_with_another_clock() -> None:
    """Both are mended in one question: signature, then time."""
    strict = strict_about_time(NOW + timedelta(hours=2))
    refusal = error("InternalServerError", "need ak v3 support", 500)
    async with serving() as service, watching(service, region="cn-hangzhou") as source:
        service.on(
            "taskstatus",
            lambda asked: refusal if "aliyun_v4_request" in asked.headers["Authorization"] else strict(asked),
        )
        await ask(source)
    assert len(service.asked) == 3


# --- tokens that are renewed ---


def accepts(*tokens: str) -> Callable[[Asked], Answer]:
    """A service by which every other token has expired."""
    expired = error("AuthenticationRequestExpired", "ODPS-0410031:Authentication request expired", 401)
    return lambda asked: GOOD if asked.headers.get("authorization-sts-token") in tokens else expired


@pytest.mark.asyncio
async def test_a_token_that_was_renewed_is_read_again(tmp_path: Path) -> None:
    """The request that is refused goes out once more with what the file holds now; those behind it are right."""
    file = tmp_path / "token"
    file.write_text("old-token")
    async with serving() as service, watching(service, sts_token={"file": str(file)}) as source:
        service.on("taskstatus", accepts("old-token"))
        await ask(source)
        file.write_text("new-token")
        service.on("taskstatus", accepts("new-token"))
        await ask(source)
        await ask(source)
    sent = [it.headers["authorization-sts-token"] for it in service.asked]
    assert sent == ["old-token", "old-token", "new-token", "new-token"]


@pytest.mark.asyncio
async def test_a_key_that_was_renewed_signs(tmp_path: Path) -> None:
    """Everything that is derived from it is made anew, and the better signature comes first again."""
    file = tmp_path / "key"
    file.write_text("old-key")
    async with serving() as service, watching(service, access_key={"file": str(file)}, region="cn-hangzhou") as source:
        service.on("taskstatus", GOOD)
        await ask(source)
        old = service.asked[0].headers["Authorization"]
        file.write_text("new-key")
        refused = error("Unauthorized", "authorization header is invalid or missing", 401)
        service.on("taskstatus", lambda asked: GOOD if is_new(asked) else refused)

        def is_new(asked: Asked) -> bool:
            said = asked.headers["Authorization"]
            return "aliyun_v4_request" in said and said != old

        await ask(source)
    derived = ["aliyun_v4_request" in it.headers["Authorization"] for it in service.asked]
    assert derived == [True, True, False, True]


@pytest.mark.asyncio
async def test_a_token_that_nobody_renewed_is_refused_once(tmp_path: Path) -> None:
    """One request, and the reason is told; neither the old token nor the new one is in it."""
    file = tmp_path / "token"
    file.write_text("old-token")
    async with serving() as service, watching(service, sts_token={"file": str(file)}) as source:
        service.on("taskstatus", accepts())
        for written, requests in (("old-token", 1), ("new-token", 2)):
            file.write_text(written)
            with pytest.raises(SourceError, match="that its token has not expired") as caught:
                await ask(source)
            assert caught.value.reason is Reason.UNAUTHORIZED
            assert len(service.asked) == requests
            assert "token-" not in str(caught.value)


# --- secrets ---


@pytest.mark.asyncio
async def test_an_echo_of_what_was_sent_holds_no_secret() -> None:
    """A service that repeats every header in its error does not bring a secret into ours."""
    secrets = {"access_key": SECRETS["access_key"], "sts_token": SECRETS["sts_token"]}

    def echo(asked: Asked) -> Answer:
        return error("SignatureNotMatch", f"{asked.headers} {SECRETS['access_key']}", 401)

    async with serving() as service, watching(service, **secrets) as source:
        service.on("taskstatus", echo)
        with pytest.raises(SourceError) as caught:
            await ask(source)
    assert "<secret>" in str(caught.value)
    for secret in secrets.values():
        assert secret not in str(caught.value) + repr(caught.value) + repr(source)


# --- throttling ---


@pytest.mark.parametrize("after", ["600", format_datetime(NOW + timedelta(seconds=600), usegmt=True)])
@pytest.mark.asyncio
async def test_both_forms_of_retry_after(after: str) -> None:
    """The whole source stands still until then: the next question is not sent."""
    reports: list[RequestReport] = []
    clock = Clock()
    async with serving() as service, watching(service, clock=clock, reports=reports) as source:
        date = {"Date": format_datetime(NOW, usegmt=True)}
        service.on("taskstatus", Answer(error("FlowExceeded").body, 429, {"Retry-After": after, **date}), GOOD)
        with pytest.raises(SourceError) as caught:
            await ask(source)
        assert (caught.value.reason, caught.value.retry_after) == (Reason.THROTTLED, 600.0)
        with pytest.raises(SourceError) as caught:
            await source.results(KEY)
        assert caught.value.reason is Reason.THROTTLED
        assert caught.value.retry_after == pytest.approx(600, abs=2)
    assert len(service.asked) == 1
    assert [(it.result, it.throttled_seconds) for it in reports] == [(Reason.THROTTLED, pytest.approx(600))]
