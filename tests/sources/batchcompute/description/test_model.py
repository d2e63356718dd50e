"""What a good description tells."""

import pytest
from pydantic import ValidationError

from monitor.sources.batchcompute.description import DagJob, Step, check
from tests.sources.batchcompute.description.jobs import EXAMPLE, job, with_tasks


def test_steps_in_running_order() -> None:
    """Each behind those it waits for, with its numbers."""
    made = with_tasks("merge", "split", "count", split=["count"], count=["merge"])
    made["DAG"]["Tasks"]["merge"] |= {"InstanceCount": 1, "MaxRetryCount": 2, "Timeout": 60}
    assert check(made).steps() == (
        Step("split", 3, (), 0, 21600),
        Step("count", 3, ("split",), 0, 21600),
        Step("merge", 1, ("count",), 2, 60),
    )


def test_what_is_not_said() -> None:
    """A task runs once, and is not run again; its time is left to the service."""
    made = with_tasks("count")
    for key in ("InstanceCount", "MaxRetryCount", "Timeout"):
        del made["DAG"]["Tasks"]["count"][key]
    assert check(made).steps() == (Step("count", 1, (), 0, None),)


def test_steps_of_an_app() -> None:
    """A prepared program is one step."""
    app = {"AppName": ":isolate", "Config": {"InstanceCount": 2, "MaxRetryCount": 1, "Timeout": 60}}
    assert check({"Type": "App", "Name": "x", "App": app}).steps() == (Step(":isolate", 2, (), 1, 60),)
    assert check({"Type": "App", "Name": "x", "App": {"AppName": "y"}}).steps() == (Step("y", 1, (), 0, None),)


def test_a_description_does_not_change() -> None:
    """What was checked stays as it was checked, and is written out as it came, nothing added."""
    found = check(job(AutoRelease=None))
    assert isinstance(found, DagJob)
    with pytest.raises(ValidationError):
        found.priority = 5
    assert found.document() == {**EXAMPLE, "AutoRelease": None}
