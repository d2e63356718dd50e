"""Answers that say no: the reason, and what the message tells."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from monitor.sources.base import Reason
from monitor.sources.http import RefusedError, Reply
from monitor.sources.maxcompute.refusals import refusal, speaks_against_v4

NOW = datetime(2025, 1, 24, 7, 34, 21, tzinfo=UTC)


def refused(status: int, code: str = "", text: str = "", hide: tuple[str, ...] = (), **headers: str) -> RefusedError:
    """The error of such an answer; without a code the body is a gateway's page."""
    body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>" if code else "<html>made up</html>"
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return refusal("warehouse", "sweep", Reply(status, named, body.encode(), NOW), hide=hide)


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, "", Reason.REJECTED),
        (401, "", Reason.UNAUTHORIZED),
        (403, "", Reason.FORBIDDEN),
        (404, "", Reason.NOT_FOUND),
        (408, "", Reason.TIMEOUT),
        (409, "", Reason.CONFLICT),
        (418, "", Reason.REJECTED),
        (429, "", Reason.THROTTLED),
        (302, "", Reason.REJECTED),
        (500, "", Reason.UNAVAILABLE),
        (502, "", Reason.UNAVAILABLE),
        (504, "", Reason.UNAVAILABLE),
        (429, "NoPermission", Reason.THROTTLED),
        (400, "FlowExceeded", Reason.THROTTLED),
        (400, "QPSExceeded", Reason.THROTTLED),
        (503, "RequestQuotaExceeded", Reason.THROTTLED),
        (400, "SlotExceeded", Reason.THROTTLED),
        (400, "RequestTimeTooSkewd", Reason.SKEWED),
        (400, "RequestTimeTooSkewed", Reason.SKEWED),
        (400, "Unauthorized", Reason.UNAUTHORIZED),
        (400, "SignatureNotMatch", Reason.UNAUTHORIZED),
        (400, "AuthenticationRequestExpired", Reason.UNAUTHORIZED),
        (400, "ODPS-0410042", Reason.UNAUTHORIZED),
        (400, "ODPS-0410051:Invalid credentials", Reason.UNAUTHORIZED),
        (400, "NoPermission", Reason.FORBIDDEN),
        (401, "ODPS-0130013", Reason.FORBIDDEN),
        (404, "NoSuchObject", Reason.NOT_FOUND),
        (404, "NoSuchProject", Reason.NOT_FOUND),
        (400, "InvalidStateSetting", Reason.CONFLICT),
        (405, "MethodNotAllowed", Reason.REJECTED),
        (400, "InvalidParameter", Reason.REJECTED),
        (400, "InternalServerError", Reason.UNAVAILABLE),
        (400, "ODPS_0410077", Reason.UNAVAILABLE),
        (400, "ODPS-0430055", Reason.UNAVAILABLE),
    ],
)
def test_reasons(status: int, code: str, reason: Reason) -> None:
    """The code goes before the status, and 429 before both."""
    assert refused(status, code).reason is reason


def test_a_wrong_credential_behind_a_vague_code() -> None:
    """`InvalidParameter` about credentials is a matter of credentials."""
    assert refused(400, "InvalidParameter", "ODPS-0410051: Invalid credentials").reason is Reason.UNAUTHORIZED


def test_the_message_says_who_what_why_and_the_fix() -> None:
    """Source, operation, code, status, the service's own sentence, and what to do."""
    message = str(refused(403, "NoPermission", "ODPS-0420095: no privilege odps:List on\n projects/analytics"))
    assert message.startswith("warehouse: sweep refused: NoPermission (HTTP 403): ")
    assert "no privilege odps:List on projects/analytics" in message
    assert "grant this account the right" in message


def test_a_gateways_page_is_not_repeated() -> None:
    """HTML tells nobody anything: the status does."""
    assert str(refused(502)) == "warehouse: sweep refused: no code (HTTP 502)"


def test_no_secret_is_repeated() -> None:
    """A service that echoes what it was sent does not bring a token into the log."""
    error = refused(401, "Unauthorized made-up", "bad token made-up-token", hide=("made-up-token", "made-up"))
    assert "made-up" not in str(error) + error.text + error.code
    assert "<secret>" in str(error)


def test_a_long_text_is_cut() -> None:
    """An error of a megabyte is a line."""
    assert len(str(refused(400, "x" * 10_000, "y" * 1_000_000))) < 1_500


def test_times_are_read() -> None:
    """Retry-After in both forms, and when the service answered."""
    assert refused(429, Retry_After="5").retry_after == 5.0
    error = refused(429, Retry_After="Fri, 24 Jan 2025 07:34:51 GMT", Date="Fri, 24 Jan 2025 07:34:31 GMT")
    assert error.retry_after == 20.0
    assert error.answered_at == NOW.replace(second=31)


@pytest.mark.parametrize(
    ("status", "code", "text", "expected"),
    [
        (500, "InternalServerError", "need ak v3 support", True),
        (500, "InternalServerError", "AccessKey ACL denied", True),
        (400, "InvalidParameter", "ODPS-0410051: made up", True),
        (401, "Unauthorized", "authorization header is invalid or missing", True),
        (401, "AuthorizationRequired", "is invalid or missing", True),
        (500, "InternalServerError", "made up", False),
        (401, "SignatureNotMatch", "invalid or missing", False),
        (400, "InvalidParameter", "made up", False),
    ],
)
def test_what_speaks_against_the_derived_signature(status: int, code: str, text: str, expected: bool) -> None:
    """Exactly the answers after which the legacy signature is worth a try."""
    assert speaks_against_v4(refused(status, code, text)) is expected


@given(st.integers(300, 599), st.binary(max_size=200), st.text(max_size=20))
def test_any_answer_is_classified(status: int, body: bytes, after: str) -> None:
    """Whatever the body and the headers hold, there is a reason and a message."""
    error = refusal("warehouse", "sweep", Reply(status, CIMultiDict({"Retry-After": after}), body, NOW))
    assert error.reason in Reason
    assert f"HTTP {status}" in str(error)
