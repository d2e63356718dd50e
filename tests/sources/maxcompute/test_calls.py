"""The questions, as they go to the wire."""

from datetime import UTC, datetime

import pytest

from monitor.core.model import InstanceKey
from monitor.sources.base import Reason, SourceError
from monitor.sources.maxcompute.calls import Call, Calls

KEY = InstanceKey("warehouse", "analytics", "20250124073421123gabc0def1")
I = f"/projects/analytics/instances/{KEY.id}"  # noqa: E741 - as the protocol's reference calls it
PAGE = "&maxitems=1000&onlyowner=no"
CALLS = Calls("warehouse", ["analytics", "日志 x"], only_own=False)


def target(call: Call) -> str:
    """Path and query on the wire."""
    return call.quoted + call.words.sent


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (CALLS.status(KEY), f"{I}?curr_project=analytics"),
        (CALLS.task_status(KEY), f"{I}?curr_project=analytics&taskstatus"),
        (CALLS.results(KEY), f"{I}?curr_project=analytics&result"),
        (CALLS.source(KEY), f"{I}?curr_project=analytics&source"),
        (CALLS.progress(KEY, "T&1"), f"{I}?curr_project=analytics&instanceprogress=T%261&taskname=T%261"),
        (CALLS.stop(KEY), f"{I}?curr_project=analytics"),
        (CALLS.token(KEY, 24), "/projects/analytics/authorization?curr_project=analytics&sign_bearer_token"),
        (CALLS.host("logview"), "/logview/host"),
        (
            CALLS.queueing("analytics", ""),
            "/projects/analytics/cachedinstances?curr_project=analytics" + PAGE,
        ),
        (
            CALLS.live("analytics", "Running", "m/1"),
            "/projects/analytics/instances?curr_project=analytics&marker=m%2F1&maxitems=1000&onlyowner=no&status=Running",
        ),
        (
            CALLS.ended("analytics", datetime(2025, 1, 24, 7, 34, 21, 900_000, tzinfo=UTC), ""),
            "/projects/analytics/instances?curr_project=analytics&daterange=1737704061%3A"
            + PAGE
            + "&status=Terminated",
        ),
    ],
)
def test_targets(call: Call, expected: str) -> None:
    """Each question's path and parameters."""
    assert target(call) == expected


def test_only_own() -> None:
    """`owner: mine` asks for nothing else."""
    own = Calls("warehouse", ["analytics"], only_own=True)
    assert "onlyowner=yes" in own.queueing("analytics", "").words.sent


def test_a_projects_name_is_quoted_for_the_wire_and_plain_for_the_signature() -> None:
    """Names in any script work."""
    call = CALLS.queueing("日志 x", "")
    assert call.path == "/projects/日志 x/cachedinstances"
    assert call.quoted == "/projects/%E6%97%A5%E5%BF%97%20x/cachedinstances"


def test_bodies() -> None:
    """What is sent with a stop and with the request for a token."""
    stop, token = CALLS.stop(KEY), CALLS.token(KEY, 24)
    assert (stop.method, stop.content_type) == ("PUT", "application/xml")
    assert stop.body == b"<Instance><Status>Terminated</Status></Instance>"
    assert (token.method, token.content_type) == ("POST", "application/json")
    assert token.body == (
        b'{"expires_in_hours":24,"policy":{"Statement":[{"Action":["odps:Read"],"Effect":"Allow",'
        b'"Resource":"acs:odps:*:projects/analytics/instances/20250124073421123gabc0def1"}],"Version":"1"}}'
    )


@pytest.mark.parametrize("make", [CALLS.status, CALLS.results, CALLS.stop, lambda key: CALLS.token(key, 1)])
def test_what_cannot_be_asked(make: object) -> None:
    """A project that is not configured and an id that is none are not found, and the message says what to do."""
    assert callable(make)
    with pytest.raises(SourceError, match="add it to `projects`") as caught:
        make(InstanceKey("warehouse", "other", KEY.id))
    assert caught.value.reason is Reason.NOT_FOUND
    with pytest.raises(SourceError, match="cannot be an id") as caught:
        make(InstanceKey("warehouse", "analytics", "../x"))
    assert caught.value.reason is Reason.NOT_FOUND
