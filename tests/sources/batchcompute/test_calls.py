"""Every question as it stands on the wire."""

from collections.abc import Callable

import pytest

from monitor.core.model import InstanceKey
from monitor.sources.base import Reason, SourceError
from monitor.sources.batchcompute.calls import Call, Calls, is_job_id
from tests.sources.batchcompute.jobs import ID, KEY, REGION

CALLS = Calls("render", REGION)


@pytest.mark.parametrize(
    ("call", "operation", "target"),
    [
        (CALLS.live(REGION, "Running", ""), "sweep", "/jobs?Marker&MaxItemCount=100&State=Running"),
        (CALLS.live(REGION, "Waiting", ID), "sweep", f"/jobs?Marker={ID}&MaxItemCount=100&State=Waiting"),
        (
            CALLS.ended(REGION, "Failed", ""),
            "ended",
            "/jobs?IsReverse=True&Marker&MaxItemCount=100&OrderBy=CreationTime&State=Failed",
        ),
        (CALLS.job(KEY), "inspect", f"/jobs/{ID}"),
        (CALLS.description(KEY), "description", f"/jobs/{ID}?description"),
        (CALLS.tasks(KEY, ""), "stages", f"/jobs/{ID}/tasks?Marker&MaxItemCount=100"),
        (
            CALLS.instances(KEY, "count", "100", state="Failed"),
            "instances",
            f"/jobs/{ID}/tasks/count/instances?Marker=100&MaxItemCount=100&State=Failed",
        ),
        (
            CALLS.instances(KEY, "a/b c", ""),
            "instances",
            f"/jobs/{ID}/tasks/a%2Fb%20c/instances?Marker&MaxItemCount=100",
        ),
        (CALLS.instances(KEY, "..", ""), "instances", f"/jobs/{ID}/tasks/%2E%2E/instances?Marker&MaxItemCount=100"),
    ],
)
def test_questions(call: Call, operation: str, target: str) -> None:
    """They change nothing and may be sent twice."""
    assert call == Call(operation, target)
    assert (call.method, call.body, call.repeatable) == ("GET", None, True)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (CALLS.stop(KEY), Call("stop", f"/jobs/{ID}/stop", "POST", None, repeatable=False)),
        (CALLS.restart(KEY), Call("restart", f"/jobs/{ID}/start", "POST", None, repeatable=False)),
        (
            CALLS.submit(REGION, {"Name": "é"}, "tok 1/x"),
            Call("submit", "/jobs?IdempotentToken=tok%201%2Fx", "POST", '{"Name":"é"}'.encode(), repeatable=True),
        ),
        (CALLS.submit(REGION, {}, ""), Call("submit", "/jobs", "POST", b"{}", repeatable=False)),
    ],
)
def test_wishes(call: Call, expected: Call) -> None:
    """What changes something is sent once; only a token makes a submission repeatable."""
    assert call == expected


@pytest.mark.parametrize(
    "ask",
    [
        lambda project: CALLS.live(project, "Running", ""),
        lambda project: CALLS.ended(project, "Failed", ""),
        lambda project: CALLS.submit(project, {}, "token"),
        lambda project: CALLS.job(InstanceKey("render", project, ID)),
        lambda project: CALLS.stop(InstanceKey("render", project, ID)),
    ],
)
def test_another_project(ask: Callable[[str], Call]) -> None:
    """The region is the only one: that is said before anything is sent."""
    with pytest.raises(SourceError, match=r"not one of its projects.*cn-qingdao") as caught:
        ask("elsewhere")
    assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize("id_", ["", "a/../b", "a b", "中文", "x" * 129, "a?b", "a%00"])
def test_what_cannot_be_an_id(id_: str) -> None:
    """It is not sent."""
    assert not is_job_id(id_)
    with pytest.raises(SourceError) as caught:
        CALLS.tasks(InstanceKey("render", REGION, id_), "")
    assert caught.value.reason is Reason.NOT_FOUND


def test_ids() -> None:
    """As the service makes them."""
    assert is_job_id(ID)
