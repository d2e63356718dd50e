"""From text to a job, or to every fault at once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.base import BadJobError, Reason
from monitor.sources.batchcompute.description import AppJob, DagJob, check, read
from tests.sources.batchcompute.description.jobs import (
    EXAMPLE,
    any_json,
    app_jobs,
    faults_of,
    job,
    jobs,
    with_task,
    with_tasks,
)


def test_the_vendors_example() -> None:
    """What the vendor's page shows is good."""
    found = read(json.dumps(EXAMPLE))
    assert isinstance(found, DagJob)
    assert (found.name, [(step.name, step.instances) for step in found.steps()]) == ("log-count", [("count", 3)])
    assert found.document() == EXAMPLE


def test_what_the_vendors_client_makes_of_it() -> None:
    """So is what it becomes when the vendor's client sends it."""
    sent = with_task(ClusterId="")
    sent |= {"AutoRelease": False}
    sent["DAG"]["Dependencies"] = {}
    task = sent["DAG"]["Tasks"]["count"]
    task["AutoCluster"] |= {"ECSImageId": "", "UserData": {}, "ReserveOnFail": False, "DependencyIsvService": ""}
    task["Parameters"]["Command"]["Docker"] = {"Image": ""}
    task["Parameters"]["InputMappingConfig"]["Locale"] = "GBK"
    assert check(sent).document() == sent


def test_every_fault_at_once() -> None:
    """One reading is enough to mend all: faults of shape, of limits, of names and between keys."""
    wrong = with_tasks("split", "count", split=["count", "nowhere"], count=["split"])
    wrong["DAG"]["Tasks"]["count"] |= {"InstanceCount": 0, "ClusterId": "cls-1", "Timeuot": 5}
    wrong |= {"Priority": "high"}
    del wrong["Name"]
    assert faults_of(wrong) == [
        "Name: is missing",
        'Priority: must be a whole number, not "high"',
        "DAG.Tasks.count.InstanceCount: must be at least 1, not 0",
        "DAG.Tasks.count.Timeuot: is no key that the service knows: is Timeout meant?",
        "DAG.Tasks.count.AutoCluster: there is a ClusterId too: keep one of them",
        "DAG.Dependencies.split[1]: there is no task 'nowhere'; the tasks are split, count",
        "DAG.Dependencies: go round in a circle, so that none of these can start: split -> count -> split",
    ]


def test_faults_of_the_text_and_of_what_it_says() -> None:
    """A description copied from the vendor's page, with what the page adds to its JSON, is checked to its end."""
    text = json.dumps(job(Priority=2000), indent=4).replace('"Tasks": {', '...\n"Tasks": { // the tasks')
    with pytest.raises(BadJobError) as caught:
        read(text)
    assert [fault.path for fault in caught.value.faults] == ["line 3, column 9", "line 4, column 12", "Priority"]
    assert caught.value.reason is Reason.REJECTED


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        ({"Type": "App", "Name": "x", "App": {"AppName": ":isolate"}}, AppJob),
        (EXAMPLE, DagJob),
    ],
)
def test_type_chooses(description: dict[str, Any], kind: type) -> None:
    """An App job and a job of tasks have different keys."""
    assert isinstance(check(description), kind)


@pytest.mark.parametrize("wrong", [{}, {"Type": "dag"}, {"Type": None}])
def test_what_type_it_may_be_is_said(wrong: dict[str, Any]) -> None:
    """Where Type does not tell, what is there is checked by what it looks like."""
    good = {key: value for key, value in EXAMPLE.items() if key != "Type"}
    (fault,) = faults_of({**good, **wrong})
    assert fault.startswith("Type: ")
    app = {"Name": "x", "App": {"AppName": ""}, **wrong}
    assert faults_of(app)[1:] == ["App.AppName: must not be empty"]


@pytest.mark.parametrize(
    "description",
    [
        {f"k{number}": 0 for number in range(1000)},
        with_tasks("a", **{f"x{number}": [] for number in range(1000)}),
        with_task(LogMapping={f"/{number}": 2**70 for number in range(1000)}),
    ],
)
def test_more_faults_than_anybody_reads(description: dict[str, Any]) -> None:
    """The first hundred are told, and that there are more."""
    *said, last = faults_of(description)
    assert len(set(said)) == 100
    assert last == "there are more faults than these 100"


@given(any_json)
def test_any_value(value: object) -> None:
    """Any JSON is a job or has faults; nothing else is raised."""
    assert faults_of(value)


@given(st.text())
def test_any_text(text: str) -> None:
    """So it is with any text."""
    with pytest.raises(BadJobError) as caught:
        read(text)
    assert caught.value.faults


@given(jobs | app_jobs, st.data())
def test_any_value_anywhere(description: dict[str, Any], data: st.DataObject) -> None:
    """So it is where something strange stands in the middle of a good description."""
    holder: Any = description
    while True:
        keys = sorted(holder) if isinstance(holder, dict) else range(len(holder))
        key = data.draw(st.sampled_from(keys))
        inner = holder[key]
        if not (isinstance(inner, dict | list) and inner) or data.draw(st.booleans()):
            break
        holder = inner
    holder[key] = data.draw(any_json)
    if not faults_of(description):
        assert check(description).document() == description


@given(jobs | app_jobs)
def test_a_good_one_stays_what_it_is(description: dict[str, Any]) -> None:
    """What was read is written again as it was, and reads the same."""
    once = read(json.dumps(description))
    assert once.document() == description
    assert read(json.dumps(once.document())) == once
    assert len(once.steps()) == len(description["DAG"]["Tasks"] if "DAG" in description else [1])
