"""Job descriptions for the tests: the vendor's own example, and any other that is good."""

import copy
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from monitor.sources.base import BadJobError
from monitor.sources.batchcompute.description import check, read

EXAMPLE: dict[str, Any] = {  # of the vendor's page about concurrent tasks
    "DAG": {
        "Tasks": {
            "count": {
                "InstanceCount": 3,
                "LogMapping": {},
                "AutoCluster": {
                    "ResourceType": "OnDemand",
                    "ImageId": "img-ubuntu",
                    "InstanceType": "ecs.sn1.medium",
                },
                "Parameters": {
                    "Command": {
                        "EnvVars": {},
                        "CommandLine": "python count.py",
                        "PackagePath": "oss://your-bucket/log-count/worker.tar.gz",
                    },
                    "InputMappingConfig": {"Lock": True},
                    "StdoutRedirectPath": "oss://your-bucket/log-count/logs/",
                    "StderrRedirectPath": "oss://your-bucket/log-count/logs/",
                },
                "OutputMapping": {},
                "MaxRetryCount": 0,
                "Timeout": 21600,
                "InputMapping": {},
            }
        }
    },
    "Description": "batchcompute job",
    "Priority": 0,
    "JobFailOnInstanceFail": True,
    "Type": "DAG",
    "Name": "log-count",
}


def job(**of_job: Any) -> dict[str, Any]:
    """The example, with these keys instead."""
    return {**copy.deepcopy(EXAMPLE), **of_job}


def with_task(**of_task: Any) -> dict[str, Any]:
    """The example, with these keys in its task instead; None takes one out."""
    made = job()
    task = made["DAG"]["Tasks"]["count"] | of_task
    made["DAG"]["Tasks"]["count"] = {key: value for key, value in task.items() if value is not None}
    return made


def with_tasks(*names: str, **dependencies: Any) -> dict[str, Any]:
    """The example with copies of its task under these names, and these dependencies."""
    task = EXAMPLE["DAG"]["Tasks"]["count"]
    return job(DAG={"Tasks": {name: copy.deepcopy(task) for name in names}, "Dependencies": dependencies})


def faults_of(description: Any) -> list[str]:
    """Everything that is wrong with it. The same is said of it whether it comes as text or as a value."""
    of_text = _told(lambda: read(json.dumps(description)))
    assert of_text == _told(lambda: check(description))
    return of_text


def _told(ask: Callable[[], object]) -> list[str]:
    try:
        ask()
    except BadJobError as error:
        return [str(fault) for fault in error.faults]
    return []


# --- any that is good ---

letters = st.characters(exclude_categories=["Cs"])
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-(2**63), 2**62) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
names = st.text("abcXYZ019-_", min_size=1, max_size=9).map(lambda text: f"n{text}")
texts = st.text(letters, max_size=9)
filled = texts.map(lambda text: f"{text}.")
keys = st.text("ab.-_/é", max_size=9)
directories = keys.map(lambda key: f"oss://bucket/{key.strip('/')}x/")
outputs = keys.map(lambda key: f"oss://results/{key.strip('/')}x/")
files = keys.map(lambda key: f"oss://bucket/x{key}.tar.gz")
local_directories = keys.map(lambda key: f"/{key}/")
parameters = st.fixed_dictionaries(
    {
        "Command": st.fixed_dictionaries(
            {"CommandLine": filled},
            optional={
                "EnvVars": st.dictionaries(names, texts, max_size=3),
                "PackagePath": st.just("") | files,
                "Docker": st.builds(dict, Image=texts),
            },
        )
    },
    optional={
        "StdoutRedirectPath": st.none() | st.just("") | directories,
        "StderrRedirectPath": directories,
        "InputMappingConfig": st.builds(dict, Locale=st.just("GBK"), Lock=st.booleans()),
    },
)
anywhere = st.fixed_dictionaries({"ClusterId": filled}, optional={"AutoCluster": st.just({})}) | st.fixed_dictionaries(
    {"AutoCluster": st.builds(dict, ImageId=filled, SpotPriceLimit=st.floats(0, 9))},
    optional={"ClusterId": st.just("")},
)
tasks = st.builds(
    lambda where, what: {**where, **what},
    anywhere,
    st.fixed_dictionaries(
        {"Parameters": parameters},
        optional={
            "InstanceCount": st.integers(1, 9) | st.just(10**9),
            "Timeout": st.integers(1, 10**6),
            "MaxRetryCount": st.integers(0, 10**6),
            "InputMapping": st.dictionaries(directories, local_directories.map(lambda path: f"/in{path}"), max_size=2),
            "OutputMapping": st.dictionaries(local_directories.map(lambda path: f"/out{path}"), outputs, max_size=2),
            "LogMapping": st.dictionaries(local_directories, directories, max_size=2),
        },
    ),
)


@st.composite
def dags(draw: st.DrawFn) -> dict[str, Any]:
    """Tasks of which each may wait for any that is drawn before it, written in any order."""
    drawn = draw(st.dictionaries(names, tasks, min_size=1, max_size=5))
    order = list(drawn)
    waiting = {name: draw(st.lists(st.sampled_from(order[at:]), unique=True)) for at, name in enumerate(order[:-1], 1)}
    return {"Tasks": {name: drawn[name] for name in draw(st.permutations(order))}, "Dependencies": waiting}


jobs = st.fixed_dictionaries(
    {
        "Name": names,
        "Type": st.just("DAG"),
        "Priority": st.integers(0, 1000),
        "JobFailOnInstanceFail": st.booleans(),
        "DAG": dags(),
    },
    optional={
        "Description": texts,
        "AutoRelease": st.none() | st.booleans(),
        "Notification": st.builds(dict, Topic=st.builds(dict, Events=st.lists(st.just("OnJobFailed")), UserData=texts)),
    },
)
app_jobs = st.fixed_dictionaries(
    {"Name": filled, "Type": st.just("App"), "App": st.fixed_dictionaries({"AppName": filled}, optional={
        "Inputs": st.dictionaries(texts, texts, max_size=3),
        "Logging": st.builds(dict, StdoutPath=directories),
        "Config": st.builds(dict, InstanceCount=st.integers(1, 10**6)),
    })},
)  # fmt: skip
