"""Keys that do not go together."""

from typing import Any

import pytest

from tests.sources.batchcompute.description.jobs import faults_of, with_task, with_tasks

AUTOMATIC = {"ImageId": "img-ubuntu", "InstanceType": "ecs.sn1.medium"}
NOTHING = {"InstanceType": "", "ECSImageId": "", "UserData": {}, "ReserveOnFail": False, "DependencyIsvService": ""}


@pytest.mark.parametrize(
    ("cluster", "automatic", "says"),
    [
        ("cls-1", None, ""),
        ("cls-1", {}, ""),
        ("cls-1", NOTHING, ""),
        (None, AUTOMATIC, ""),
        ("", AUTOMATIC, ""),
        ("cls-1", AUTOMATIC, ".AutoCluster: there is a ClusterId too: keep one of them"),
        (None, None, ": says nowhere to run: write a ClusterId or an AutoCluster"),
        ("", {}, ": says nowhere to run: write a ClusterId or an AutoCluster"),
        ("", NOTHING, ": says nowhere to run: write a ClusterId or an AutoCluster"),
    ],
)
def test_one_place_to_run(cluster: str | None, automatic: dict[str, Any] | None, says: str) -> None:
    """Exactly one of the two; what says nothing is as good as absent."""
    said = faults_of(with_task(ClusterId=cluster, AutoCluster=automatic))
    assert said == ([f"DAG.Tasks.count{says}"] if says else [])


@pytest.mark.parametrize(
    ("mappings", "says"),
    [
        (
            {"InputMapping": {"oss://bucket/in/": "/home/in/"}, "OutputMapping": {"/home/out/": "oss://bucket/in/"}},
            ['OutputMapping["/home/out/"]: oss://bucket/in/ is an InputMapping, too, and those are read only'],
        ),
        ({"InputMapping": {"oss://bucket/in/": "D:"}, "OutputMapping": {"E:\\out\\": "oss://bucket/out/"}}, []),
        ({"InputMapping": {"oss://bucket/a.txt": "/home/a.txt", "nas://fs.example:/": "/nas/"}}, []),
        ({"InputMapping": {"oss://bucket/in/": "/home/in"}}, ['InputMapping["oss://bucket/in/"]: of the two sides']),
        ({"OutputMapping": {"/home/out/": "oss://bucket/out"}}, ['OutputMapping["/home/out/"]: of the two sides']),
        (
            {"InputMapping": {"oss://bucket/in/": "/home/x/"}, "OutputMapping": {"/home/x/": "oss://bucket/out/"}},
            ['OutputMapping["/home/x/"]: oss://bucket/in/ is mounted there, and an InputMapping is read only'],
        ),
    ],
)
def test_mappings(mappings: dict[str, Any], says: list[str]) -> None:
    """A directory is one on both sides, and nothing is written where something is mounted to be read."""
    said = faults_of(with_task(**mappings))
    assert [line.removeprefix("DAG.Tasks.count.")[: len(start)] for line, start in zip(said, says, strict=True)] == says


def test_dependencies() -> None:
    """They name tasks, in lists, and lead nowhere back; each circle is shown."""
    assert faults_of(with_tasks("split", "one", "two", "merge", split=["one", "two"], one=["merge"], two=[])) == []
    assert faults_of(with_tasks("a", "b", a="b", c=["a"])) == [
        'DAG.Dependencies.a: must be a list [...], not "b"',
        "DAG.Dependencies.c: there is no task 'c'; the tasks are a, b",
    ]
    circle = "DAG.Dependencies: go round in a circle, so that none of these can start: "
    assert faults_of(with_tasks("a", "b", "c", a=["a"], b=["c"], c=["b"])) == [
        f"{circle}a -> a",
        f"{circle}b -> c -> b",
    ]


def test_an_unknown_name_among_many_tasks() -> None:
    """Some of the tasks are named, and how many there are."""
    names = [f"t{number}" for number in range(1000)]
    (said,) = faults_of(with_tasks(*names, x=[]))
    assert (
        said
        == "DAG.Dependencies.x: there is no task 'x'; the tasks are t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 990 more"
    )


def test_thousands_of_mappings() -> None:
    """Each is compared with all others in one go."""
    many = range(20_000)
    inputs = {f"oss://bucket/in/{number}/": f"/in/{number}/" for number in many}
    outputs = {f"/out/{number}/": f"oss://bucket/out/{number}/" for number in many}
    outputs["/out/last/"] = "oss://bucket/in/7/"
    (said,) = faults_of(with_task(InputMapping=inputs, OutputMapping=outputs))
    assert 'OutputMapping["/out/last/"]: oss://bucket/in/7/ is an InputMapping, too' in said
