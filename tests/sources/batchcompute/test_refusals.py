"""Answers that say no."""

import json
from datetime import UTC, datetime

import pytest

from monitor.sources.base import Reason
from monitor.sources.batchcompute.refusals import names_no_job, refusal
from monitor.sources.http import Reply
from tests.sources.scripted import NOW


def reply(status: int, code: str = "", message: str = "made-up text", **headers: str) -> Reply:
    """An error document, or an empty body where there is no code."""
    body = json.dumps({"HostId": "127.0.0.1", "Code": code, "Message": message}).encode() if code else b""
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, NOW)


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (404, "InvalidResource.NotFound", Reason.NOT_FOUND),
        (409, "StateConflict", Reason.CONFLICT),
        (400, "StateConflict", Reason.CONFLICT),
        (400, "InvalidMaxItemCount", Reason.REJECTED),
        (400, "InvalidParameter", Reason.REJECTED),
        (400, "MissingPriority", Reason.REJECTED),
        (400, "InvalidAccessKeyId.NotFound", Reason.UNAUTHORIZED),
        (404, "InvalidAccessKeyId.NotFound", Reason.UNAUTHORIZED),
        (400, "SignatureDoesNotMatch", Reason.UNAUTHORIZED),
        (400, "IncompleteSignature", Reason.UNAUTHORIZED),
        (400, "InvalidSecurityToken.Expired", Reason.UNAUTHORIZED),
        (400, "InvalidTimeStamp.Expired", Reason.SKEWED),
        (400, "IllegalTimestamp", Reason.SKEWED),
        (403, "Forbidden.RAM", Reason.FORBIDDEN),
        (400, "Throttling.User", Reason.THROTTLED),
        (503, "ServiceUnavailable", Reason.UNAVAILABLE),
        (500, "InternalError", Reason.UNAVAILABLE),
        (401, "", Reason.UNAUTHORIZED),
        (403, "", Reason.FORBIDDEN),
        (404, "", Reason.NOT_FOUND),
        (408, "", Reason.TIMEOUT),
        (409, "", Reason.CONFLICT),
        (429, "Whatever", Reason.THROTTLED),
        (302, "", Reason.REJECTED),
        (502, "", Reason.UNAVAILABLE),
        (418, "Teapot", Reason.REJECTED),
    ],
)
def test_reasons(status: int, code: str, reason: Reason) -> None:
    """By code, then by status."""
    error = refusal("render", "sweep", reply(status, code))
    assert (error.reason, error.status, error.code) == (reason, status, code)


def test_what_is_said() -> None:
    """Who asked for what, the service's code and words, and what to do."""
    error = refusal("render", "sweep", reply(400, "SignatureDoesNotMatch", "The  request\nsignature"))
    assert str(error) == (
        "render: sweep refused: SignatureDoesNotMatch (HTTP 400): The request signature; "
        "check access_id and access_key of this source, and that its sts_token has not expired"
    )


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (400, "", "check `endpoint`, which has no path as a rule: what answers does not speak Batch Compute"),
        (302, "", "check `endpoint`, which has no path as a rule: what answers does not speak Batch Compute"),
        (404, "", "check `endpoint`, which has no path as a rule: what answers does not speak Batch Compute"),
        (404, "InvalidResource.NotFound", "check the id of the job"),
        (400, "InvalidMaxItemCount", "made-up text"),
        (503, "", "(HTTP 503)"),
    ],
)
def test_what_to_do_about_a_wrong_address(status: int, code: str, advice: str) -> None:
    """Whatever says no without a word of this service is another one; what the service says stands without its dot."""
    assert str(refusal("render", "sweep", reply(status, code, "made-up text."))).endswith(advice)


def test_secrets_are_blotted_out() -> None:
    """A service that repeats a token does not bring it into a log."""
    error = refusal("render", "sweep", reply(400, "Bad.t0ken", "unknown token t0ken"), hide=("t0ken",))
    assert "t0ken" not in str(error)
    assert "<secret>" in error.text
    assert "t0ken" not in error.code


def test_times() -> None:
    """When to come back, and what time it is there."""
    error = refusal("render", "sweep", reply(429, Retry_After="7", Date="Fri, 24 Jan 2025 08:00:00 GMT"))
    assert error.retry_after == 7
    assert error.answered_at == datetime(2025, 1, 24, 8, tzinfo=UTC)


@pytest.mark.parametrize("body", [b"<html>no</html>", b"[]", b'{"Code": 7, "Message": null}', b'{"Code":', b"\xff"])
def test_a_body_of_somebody_else(body: bytes) -> None:
    """A gateway's page has no code; long codes and texts are cut."""
    error = refusal("render", "sweep", Reply(502, {}, body, NOW))
    assert (error.code, error.text) == ("", "")
    long = refusal("render", "sweep", reply(400, "C" * 10_000, "m" * 10_000))
    assert (len(long.code), len(long.text)) == (100, 1_000)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "InvalidResource.NotFound", True),
        (404, "", False),
        (404, "InvalidAccessKeyId.NotFound", False),
        (400, "InvalidResource.NotFound", False),
    ],
)
def test_no_such_job(status: int, code: str, expected: bool) -> None:
    """Only the service itself can say so: a proxy's 404 does not lose a job."""
    assert names_no_job(refusal("render", "inspect", reply(status, code))) is expected
