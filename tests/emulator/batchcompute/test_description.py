import json
from copy import deepcopy
from typing import Any

import pytest

from monitor.emulator.batchcompute.description import MAX_INSTANCES, check_description, priority_of, read_description
from monitor.emulator.errors import ServiceError
from tests.emulator.batchcompute.client import JOB, job

GONE = object()


def changed(path: str, value: Any) -> dict[str, Any]:
    """The job with another value at that path below it, of its task where the path begins with `task.`."""
    made = deepcopy(JOB)
    *above, last = path.split(".")
    where: Any = made
    if above and above[0] == "task":
        where, above = made["DAG"]["Tasks"]["count"], above[1:]
    for name in above:
        where = where.setdefault(name, {})
    if value is GONE:
        where.pop(last, None)
    else:
        where[last] = value
    return made


def test_what_is_given_is_taken() -> None:
    """All that matters for running it; the source stays as it came."""
    source = job("sh work.sh", tasks=("split", "merge"), Priority=7, AutoRelease=True, InstanceCount=2, MaxRetryCount=3)
    task = source["DAG"]["Tasks"]["split"]
    task |= {"Timeout": 60, "InputMapping": {"oss://b/in/": "/home/in"}, "OutputMapping": {"/o": "oss://b/out/"}}
    task["LogMapping"] = {"/l": "oss://b/l/"}
    task["Parameters"]["Command"] |= {"PackagePath": "oss://b/p.tar.gz", "EnvVars": {"A": "1"}}
    read = read_description(json.dumps(source).encode())
    assert (read.name, read.priority, read.fail_on_instance, read.auto_release) == ("log-count", 7, True, True)
    split, merge = read.tasks
    assert (split.name, split.after, merge.after) == ("split", (), ("split",))
    assert (split.instances, split.timeout, split.max_retries, split.cluster_id) == (2, 60, 3, "")
    assert (split.command_line, split.package_path, split.env) == ("sh work.sh", "oss://b/p.tar.gz", {"A": "1"})
    assert (split.input_mapping, split.output_mapping) == ({"oss://b/in/": "/home/in"}, {"/o": "oss://b/out/"})
    assert (split.log_mapping, split.stdout_dir, split.stderr_dir) == (
        {"/l": "oss://b/l/"},
        *["oss://emulator/logs/"] * 2,
    )
    assert read.source == source


def test_what_is_left_out_has_a_default() -> None:
    """One instance, an hour, no re-run; null and empty are the same as absent."""
    source = job(AutoRelease=None, Notification=None)
    source["DAG"]["Tasks"]["count"] = {
        "ClusterId": "cls-1",
        "AutoCluster": {},
        "Parameters": {"Command": {"CommandLine": "true", "PackagePath": ""}},
        "Timeout": None,
    }
    read = check_description(source)
    (task,) = read.tasks
    assert (task.instances, task.timeout, task.max_retries, task.cluster_id) == (1, 3600, 0, "cls-1")
    assert (task.package_path, task.env, task.stdout_dir, read.auto_release) == ("", {}, "", False)


def test_an_auto_cluster_of_empty_fields_is_none() -> None:
    """The released client sends one beside the cluster that the job asks for; alone it is no machine to run on."""
    empty = {"InstanceType": "", "ECSImageId": "", "UserData": {}, "ReserveOnFail": False, "DependencyIsvService": ""}
    source = changed("task.AutoCluster", empty)
    with pytest.raises(ServiceError, match="AutoCluster is mandatory"):
        check_description(source)
    source["DAG"]["Tasks"]["count"]["ClusterId"] = "cls-1"
    assert check_description(source).tasks[0].cluster_id == "cls-1"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Name", "n" * 64),
        ("Name", "_-"),
        ("Description", "ü" * 1000),
        ("Priority", 1000),
        ("task.InstanceCount", MAX_INSTANCES),
        ("task.Parameters.Command.EnvVars", {f"{'k' * 98}{n:02}": "v" * 1000 for n in range(50)}),
        ("task.Parameters.Command.EnvVars", {"1-_": ""}),
        ("task.AutoCluster.Configs", {"Disks": {"SystemDisk": {"Size": 40}, "DataDisk": {"Size": 2000}}}),
        ("task.AutoCluster.Configs", {"Disks": {"SystemDisk": {"Type": "", "Size": 0}}}),
        ("task.AutoCluster.Configs", None),
        ("task.InputMapping", {"nas://host/dir/": "/mnt"}),
        ("SomethingElse", [1]),
    ],
)
def test_the_limits_themselves_are_allowed(path: str, value: Any) -> None:
    """And so is what the service does not know."""
    assert check_description(changed(path, value)).tasks[0].name == "count"


@pytest.mark.parametrize(
    ("path", "value", "code", "why"),
    [
        ("Name", GONE, "MissingName", "Name is mandatory"),
        ("Name", "", "MissingName", "mandatory"),
        ("Name", 7, "InvalidName", "Name must be a string without NUL, not 7"),
        ("Name", "n" * 65, "InvalidName", "1 to 64"),
        ("Name", "9lives", "InvalidName", "not begin with a digit"),
        ("Name", "é", "InvalidName", "A-Za-z0-9_-"),
        ("Name", "a\n", "InvalidName", "A-Za-z0-9_-"),
        ("Type", GONE, "MissingType", "mandatory"),
        ("Type", "App", "InvalidType", "type DAG, not 'App'"),
        ("Description", "d" * 1001, "InvalidDescription", "at most 1000"),
        ("Priority", GONE, "MissingPriority", "mandatory"),
        ("Priority", 1001, "InvalidPriority", r"Priority must be an integer in \[0, 1000\], not 1001"),
        ("Priority", -1, "InvalidPriority", "not -1"),
        ("Priority", True, "InvalidPriority", "not true"),
        ("Priority", 1.5, "InvalidPriority", "not 1.5"),
        ("JobFailOnInstanceFail", GONE, "MissingJobFailOnInstanceFail", "mandatory"),
        ("JobFailOnInstanceFail", "true", "InvalidJobFailOnInstanceFail", "true or false"),
        ("AutoRelease", 1, "InvalidAutoRelease", "true or false"),
        ("Notification", [], "InvalidNotification", "an object"),
        ("Notification.Topic", "me", "InvalidTopic", r"Notification.Topic must be an object, not \"me\""),
        ("DAG", GONE, "MissingDAG", "mandatory"),
        ("DAG", [], "InvalidDAG", "an object"),
        ("DAG.Tasks", GONE, "MissingTasks", "mandatory"),
        ("DAG.Tasks", {}, "InvalidTasks", "at least one"),
        ("DAG.Tasks", {"t" * 33: {}}, "InvalidTaskName", "1 to 32"),
        ("DAG.Tasks", {"a b": {}}, "InvalidTaskName", "A-Za-z0-9_-"),
        ("DAG.Tasks", {"": {}}, "InvalidTaskName", "1 to 32"),
        ("DAG.Tasks", {"count": 7}, "InvalidTasks", "'count' must be an object"),
        ("DAG.Tasks", {"count": None}, "InvalidTasks", "'count' must be an object"),
        ("DAG.Dependencies", {"count": ["nope"]}, "InvalidDependencies", "no task 'nope'"),
        ("DAG.Dependencies", [], "InvalidDependencies", "an object"),
        ("task.InstanceCount", 0, "InvalidInstanceCount", r"DAG.Tasks.count.InstanceCount must be .* not 0"),
        ("task.InstanceCount", MAX_INSTANCES + 1, "InvalidInstanceCount", "an integer in"),
        ("task.Timeout", 0, "InvalidTimeout", "not 0"),
        ("task.Timeout", 10**30, "InvalidTimeout", "an integer in"),
        ("task.MaxRetryCount", -1, "InvalidMaxRetryCount", "not -1"),
        ("task.ClusterId", "cls-1", "InvalidClusterId", "exclude each other"),
        ("task.AutoCluster", GONE, "MissingAutoCluster", "mandatory"),
        ("task.AutoCluster", "auto", "InvalidAutoCluster", "an object"),
        (
            "task.AutoCluster.Configs",
            {"Disks": {"SystemDisk": {"Size": 39}}},
            "InvalidSize",
            r"SystemDisk.Size .*\[40, 500\]",
        ),
        (
            "task.AutoCluster.Configs",
            {"Disks": {"DataDisk": {"Size": 2001}}},
            "InvalidSize",
            r"DataDisk.Size .*\[5, 2000\]",
        ),
        ("task.Parameters", GONE, "MissingParameters", "mandatory"),
        ("task.Parameters.Command", GONE, "MissingCommand", "mandatory"),
        ("task.Parameters.Command.CommandLine", "", "MissingCommandLine", "mandatory"),
        ("task.Parameters.Command.CommandLine", "a\0b", "InvalidCommandLine", "without NUL"),
        ("task.Parameters.Command.PackagePath", "/tmp/x.tar.gz", "InvalidPackagePath", "begin with oss://"),
        ("task.Parameters.StdoutRedirectPath", "/tmp", "InvalidStdoutRedirectPath", "begin with oss://"),
        ("task.Parameters.StderrRedirectPath", "/tmp", "InvalidStderrRedirectPath", "begin with oss://"),
        ("task.Parameters.Command.EnvVars", {f"k{n}": "" for n in range(51)}, "InvalidEnvVars", "at most 50"),
        ("task.Parameters.Command.EnvVars", {"k" * 101: ""}, "InvalidEnvVars", "names of 1 to 100"),
        ("task.Parameters.Command.EnvVars", {"a b": ""}, "InvalidEnvVars", "names of 1 to 100"),
        ("task.Parameters.Command.EnvVars", {"a": "v" * 1001}, "InvalidEnvVars", "values of at most 1000"),
        ("task.Parameters.Command.EnvVars", {"a": 1}, "InvalidEnvVars", "strings"),
        ("task.InputMapping", {"/tmp": "/mnt"}, "InvalidInputMapping", "begin with oss://, not '/tmp'"),
        ("task.OutputMapping", {"/o": "/tmp"}, "InvalidOutputMapping", "begin with oss://"),
        ("task.LogMapping", {"/l": "/tmp"}, "InvalidLogMapping", "begin with oss://"),
        ("task.LogMapping", {"/l\0": "oss://b/"}, "InvalidLogMapping", "without NUL"),
    ],
)
def test_what_is_missing_or_wrong_is_named(path: str, value: Any, code: str, why: str) -> None:
    """With the place, and how it is wanted."""
    with pytest.raises(ServiceError, match=why) as caught:
        check_description(changed(path, value))
    assert (caught.value.status, caught.value.code) == (400, code)


def test_a_task_must_not_write_what_it_reads() -> None:
    """Its input would change under it."""
    source = changed("task.InputMapping", {"oss://b/d/": "/in"})
    source["DAG"]["Tasks"]["count"]["OutputMapping"] = {"/out": "oss://b/d/"}
    with pytest.raises(ServiceError, match="must not write what InputMapping reads: 'oss://b/d/'"):
        check_description(source)


def test_the_instances_of_all_tasks_are_bounded_together() -> None:
    """This machine ends somewhere."""
    with pytest.raises(ServiceError, match=f"at most {MAX_INSTANCES} instances in all"):
        check_description(job(tasks=("a", "b"), InstanceCount=MAX_INSTANCES // 2 + 1))


def test_a_body_that_is_no_description() -> None:
    """Is refused before anything is looked for in it."""
    with pytest.raises(ServiceError, match="must be a job description") as caught:
        read_description(b"<xml/>")
    assert caught.value.code == "InvalidParameter"


def test_a_new_priority_is_read_like_the_first() -> None:
    """With the same limits."""
    assert priority_of({"Priority": 500}) == 500
    for body, code in (({}, "MissingPriority"), ({"Priority": "5"}, "InvalidPriority")):
        with pytest.raises(ServiceError) as caught:
            priority_of(body)
        assert caught.value.code == code
