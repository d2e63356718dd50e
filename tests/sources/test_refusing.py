"""What the refusals of all services have in common."""

import pytest

from monitor.sources.base import Reason, SourceError
from monitor.sources.http import RefusedError, Reply
from monitor.sources.refusing import answer_reader, reason_of, refused_error
from tests.sources.scripted import NOW


def reply(status: int, **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"body", NOW)


def refusal(answer: Reply) -> RefusedError:
    return refused_error("s", "sweep", answer, reason=Reason.REJECTED, code="No", text="", advice=None, hide=())


@pytest.mark.parametrize(
    ("status", "by_code", "reason"),
    [
        (401, None, Reason.UNAUTHORIZED),
        (403, None, Reason.FORBIDDEN),
        (404, None, Reason.NOT_FOUND),
        (408, None, Reason.TIMEOUT),
        (409, None, Reason.CONFLICT),
        (418, None, Reason.REJECTED),
        (503, None, Reason.UNAVAILABLE),
        (400, Reason.SKEWED, Reason.SKEWED),
        (503, Reason.THROTTLED, Reason.THROTTLED),
        (429, Reason.FORBIDDEN, Reason.THROTTLED),
    ],
)
def test_the_code_says_more_than_the_status(status: int, by_code: Reason | None, reason: Reason) -> None:
    """But for 429, which leaves no doubt."""
    assert reason_of(status, by_code) is reason


def test_a_refusal_is_told_in_one_line() -> None:
    """Who asked for what, the service's code and words, what to do, and when to come again."""
    error = refused_error(
        "render",
        "sweep",
        reply(429, Retry_After="7", Date="Thu, 19 May 2016 10:15:00 GMT"),
        reason=Reason.THROTTLED,
        code="Throttling",
        text="Too \n many of k3y.",
        advice="ask less",
        hide=["k3y"],
    )
    assert str(error) == "render: sweep refused: Throttling (HTTP 429): Too many of <secret>; ask less"
    assert (error.code, error.text, error.retry_after) == ("Throttling", "Too many of <secret>.", 7)
    assert error.answered_at is not None
    assert error.answered_at.hour == 10


def test_what_is_long_is_cut() -> None:
    """Code and words of any length fit in a log."""
    error = refused_error(
        "s", "o", reply(400), reason=Reason.REJECTED, code="C" * 10**6, text="t" * 10**6, advice=None, hide=()
    )
    assert (len(error.code), len(error.text)) == (100, 1000)


def test_a_good_answer_is_read() -> None:
    """What cannot be read is told with who asked for what."""
    assert answer_reader("s", "sweep", refusal=refusal, read=lambda answer: answer.body)(reply(200)) == b"body"

    def misread(_answer: Reply) -> bytes:
        raise SourceError(Reason.MALFORMED, "not XML")

    with pytest.raises(SourceError, match=r"^s: sweep: not XML$") as caught:
        answer_reader("s", "sweep", refusal=refusal, read=misread)(reply(200))
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("status", [199, 302, 404, 500])
def test_another_answer_is_not_read(status: int) -> None:
    """It is a refusal, whatever its body holds."""
    with pytest.raises(RefusedError, match=r"^s: sweep refused: No "):
        answer_reader("s", "sweep", refusal=refusal, read=lambda answer: answer.body)(reply(status))
