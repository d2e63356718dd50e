"""Everything that the SDK of Batch Compute asks for, with the unmodified SDK, against the emulator."""

import json
import re
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

import pytest
from batchcompute import ClientError
from batchcompute.resources import DAG, JobDescription, TaskDescription

from monitor.emulator.server import Emulator, EmulatorOptions
from tests.e2e.sdk import Sdk, job, task
from tests.emulator.threaded import serve_in_thread

FIVE = ("WaitingCount", "RunningCount", "FinishedCount", "FailedCount", "StoppedCount")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator without jobs, whose time stands still until a test moves it."""
    with serve_in_thread(EmulatorOptions(speed=0)) as running:
        yield running


@pytest.fixture
def sdk(emulator: Emulator) -> Sdk:
    """The SDK, led to it."""
    return Sdk(emulator.url)


@pytest.fixture
def brisk() -> Iterator[Sdk]:
    """The SDK, led to an emulator whose time runs fast: for jobs that really work."""
    with serve_in_thread(EmulatorOptions(speed=50)) as running:
        yield Sdk(running.url)


def _control(emulator: Emulator, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(f"{emulator.url}/-/emulator{path}", json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def _plan(emulator: Emulator, **recipe: Any) -> list[str]:
    """Jobs without processes, which do what the clock says; their ids."""
    ids: list[str] = _control(emulator, "/jobs", recipe)["ids"]
    return ids


def _skip(emulator: Emulator, seconds: float) -> None:
    _control(emulator, "/clock", {"advance": seconds})


def _counts(metrics: Any) -> dict[str, int]:
    return {name.removesuffix("Count"): metrics[name] for name in FIVE if metrics[name]}


def _error(call: Any, *arguments: Any, **more: Any) -> tuple[int, str]:
    """Status and code of the error that the call must end in; it names its request."""
    with pytest.raises(ClientError) as raised:
        call(*arguments, **more)
    assert raised.value.get_requestid()
    assert raised.value.get_msg() != "Unkown reason"
    return raised.value.get_status_code(), raised.value.get_code()


def test_the_sdk_is_the_released_one() -> None:
    """The version that the protocol was recorded with."""
    assert version("batchcompute") == "2.1.7"


@pytest.fixture
def crowded() -> Iterator[Sdk]:
    """The SDK, led to an emulator that has room for one program, and that one runs already: all others wait."""
    with serve_in_thread(EmulatorOptions(programs_at_once=1)) as running:
        sdk = Sdk(running.url)
        sdk.until(sdk.create_job(job("occupant", work=task("sleep 600"))).Id, "Running")
        yield sdk


def test_a_new_job_waits_with_all_that_it_has(crowded: Sdk) -> None:
    """`create_job`, then the job, its task and its instances as long as there is no room for them."""
    sdk = crowded
    made = sdk.create_job(job("fresh", work=task("true", InstanceCount=3)))
    assert made.StatusCode == 201
    assert made.RequestId
    assert re.fullmatch(r"job-[0-9A-F]{32}", made.Id)
    seen = sdk.get_job(made)
    assert (seen.Id, seen.Name, seen.State, seen.Message, seen.Priority) == (made.Id, "fresh", "Waiting", "", 0)
    assert isinstance(seen.CreationTime, datetime)
    assert (seen.StartTime, seen.EndTime) == (None, None)
    assert (_counts(seen.TaskMetrics), _counts(seen.InstanceMetrics)) == ({"Waiting": 1}, {"Waiting": 3})
    (its_task,) = sdk.list_tasks(made, "", 100).Items
    assert (its_task.TaskName, its_task.State, its_task.StartTime) == ("work", "Waiting", None)
    instances = sdk.list_instances(made, "work", 0, 100).Items
    assert [(one.InstanceId, one.State, one.RetryCount) for one in instances] == [(n, "Waiting", 0) for n in range(3)]
    result = instances[0].Result
    assert (result.ExitCode, result.ErrorCode, result.ErrorMessage, result.Detail) == (0, "", "", "")


def test_a_job_described_with_the_sdks_own_classes(brisk: Sdk) -> None:
    """`JobDescription`, `DAG` and `TaskDescription` instead of JSON; numbers in EnvVars arrive as text."""
    work = TaskDescription(task('test "$SIZE" = 3'))
    work.Parameters.Command.EnvVars = {"SIZE": 3}
    dag = DAG()
    dag.add_task("work", work)
    described = JobDescription()
    described.Name, described.Priority, described.JobFailOnInstanceFail, described.DAG = "classes", 3, True, dag
    made = brisk.create_job(described)
    assert brisk.until(made.Id, "Finished", "Failed").State == "Finished"


def test_the_same_token_is_the_same_job(sdk: Sdk) -> None:
    """`create_job(token=)` again makes no second one."""
    first = sdk.create_job(job("once"), token="tok 1/x")
    again = sdk.create_job(job("once"), token="tok 1/x")
    other = sdk.create_job(job("once"), token="tok-2")
    assert first.Id == again.Id != other.Id
    assert {seen.Id for seen in sdk.list_jobs("", 100)} == {first.Id, other.Id}


def test_jobs_are_listed_page_by_page(emulator: Emulator, sdk: Sdk) -> None:
    """`list_jobs(marker, max_item_count)`: newest first, each page begins with the marker, the last has none."""
    ids = _plan(emulator, count=5, wait=0, seconds=100)
    first = sdk.list_jobs("", 2)
    second = sdk.list_jobs(first.NextMarker, 2)
    third = sdk.list_jobs(second.NextMarker, 2)
    assert second.Items[0].Id == first.NextMarker
    assert third.NextMarker == ""
    assert [seen.Id for page in (first, second, third) for seen in page] == ids[::-1]
    assert _counts(first.Items[0].TaskMetrics) == {"Running": 1}
    assert _error(sdk.list_jobs, "", 101) == (400, "InvalidMaxItemCount")
    assert _error(sdk.list_jobs, "", "many") == (400, "InvalidMaxItemCount")


def test_jobs_are_listed_by_state_and_in_order(emulator: Emulator, sdk: Sdk) -> None:
    """`list_jobs` with everything that it can send."""
    waiting = _plan(emulator, count=2, wait=100, seconds=100)
    running = _plan(emulator, count=3, wait=0, seconds=100)
    assert {seen.Id for seen in sdk.list_jobs("", 100, state="Waiting")} == set(waiting)
    assert {seen.Id for seen in sdk.list_jobs("", 100, state="Running")} == set(running)
    assert sdk.list_jobs("", 100, state="Stopped").Items == []
    forth = [seen.Id for seen in sdk.list_jobs("", 10, State="Running", OrderBy="CreationTime")]
    back = [seen.Id for seen in sdk.list_jobs("", 10, State="Running", OrderBy="CreationTime", IsReverse="True")]
    assert sorted(forth) == sorted(running)
    assert forth == back[::-1]


def test_jobs_are_listed_by_cluster(sdk: Sdk) -> None:
    """`list_jobs(cluster_id=)`: those with a task on that cluster."""
    there = sdk.create_job(job(work=task("true", ClusterId="cls-1", AutoCluster={}))).Id
    sdk.create_job(job())
    assert [seen.Id for seen in sdk.list_jobs("", 10, cluster_id="cls-1")] == [there]


def test_the_description_comes_back(sdk: Sdk) -> None:
    """`get_job_description`: what was sent, its dependencies and mounts, under the job's id."""
    sent = job(
        "echo",
        {"split": ["count"]},
        split=task("true", Timeout=77, MaxRetryCount=2, LogMapping={"/tmp/a.log": "oss://bucket/l/"}),
        count=task("true", InstanceCount=2, InputMapping={"oss://bucket/in/": "/home/in/"}),
    )
    made = sdk.create_job(sent | {"Description": "of two 任务", "AutoRelease": True, "Priority": 5})
    read = sdk.get_job_description(made)
    assert (read.Name, read.Type, read.Priority, read.Description) == ("echo", "DAG", 5, "of two 任务")
    assert (read.JobFailOnInstanceFail, read.AutoRelease) == (True, True)
    assert read.DAG.Dependencies == {"split": ["count"]}
    split, count = read.DAG.Tasks["split"], read.DAG.Tasks["count"]
    assert (split.Timeout, split.MaxRetryCount, split.InstanceCount) == (77, 2, 1)
    assert split.LogMapping == {"/tmp/a.log": "oss://bucket/l/"}
    assert count.InputMapping == {"oss://bucket/in/": "/home/in/"}
    assert count.AutoCluster.InstanceType == "ecs.sn1.medium"
    assert count.Parameters.StdoutRedirectPath == "oss://bucket/logs/"


def test_a_job_is_stopped_started_and_deleted(emulator: Emulator, sdk: Sdk) -> None:
    """Each in the states that allow it; the state has changed when the call returns."""
    (id_,) = _plan(emulator, count=1, tasks=1, instances=2, wait=0, seconds=100)
    assert sdk.get_job(id_).State == "Running"
    assert _error(sdk.start_job, id_) == (409, "StateConflict")
    assert _error(sdk.delete_job, id_) == (409, "StateConflict")
    assert sdk.stop_job(id_).StatusCode == 201
    stopped = sdk.get_job(id_)
    assert (stopped.State, _counts(stopped.InstanceMetrics)) == ("Stopped", {"Stopped": 2})
    assert stopped.StartTime <= stopped.EndTime
    assert _error(sdk.stop_job, id_) == (409, "StateConflict")
    assert sdk.start_job(id_).StatusCode == 201
    started = sdk.get_job(id_)
    assert started.State in {"Waiting", "Running"}
    assert started.EndTime is None
    sdk.stop_job(id_)
    assert sdk.delete_job(id_).StatusCode in {200, 204}
    assert _error(sdk.get_job, id_) == (404, "InvalidResource.NotFound")


def test_a_process_is_gone_when_its_job_is_stopped(brisk: Sdk) -> None:
    """`stop_job` ends what runs; `start_job` runs it again."""
    id_ = brisk.create_job(job(work=task("sleep 600"))).Id
    brisk.until(id_, "Running")
    brisk.stop_job(id_)
    stopped = brisk.get_instance(id_, "work", 0)
    assert (stopped.State, stopped.Result.ErrorCode) == ("Stopped", "")
    brisk.start_job(id_)
    assert brisk.until(id_, "Running").EndTime is None
    brisk.stop_job(id_)


def test_starting_a_failed_job_runs_only_what_did_not_finish(brisk: Sdk) -> None:
    """What finished before keeps its dates; the failed instance is run anew."""
    pick = 'test "$BATCH_COMPUTE_DAG_INSTANCE_ID" = 0'
    described = job("again", {"first": ["second"]}, first=task("true"), second=task(pick, InstanceCount=2))
    id_ = brisk.create_job(described | {"JobFailOnInstanceFail": True}).Id
    assert brisk.until(id_, "Failed", "Finished").State == "Failed"
    before = brisk.get_instance(id_, "first", 0)
    failed = brisk.get_instance(id_, "second", 1)
    brisk.start_job(id_)
    assert brisk.until(id_, "Failed", "Finished").State == "Failed"
    after = brisk.get_instance(id_, "first", 0)
    assert (after.StartTime, after.EndTime) == (before.StartTime, before.EndTime)
    assert brisk.get_instance(id_, "second", 1).StartTime > failed.StartTime


def test_priority_is_changed_when_a_job_is_stopped(emulator: Emulator, sdk: Sdk) -> None:
    """`change_job_priority`: between 0 and 1000, and not while it runs."""
    (id_,) = _plan(emulator, count=1, wait=0, seconds=100)
    assert _error(sdk.change_job_priority, id_, 7) == (409, "StateConflict")
    sdk.stop_job(id_)
    assert sdk.change_job_priority(id_, 7).StatusCode == 200
    assert sdk.get_job(id_).Priority == sdk.get_job_description(id_).Priority == 7
    assert _error(sdk.change_job_priority, id_, 1001) == (400, "InvalidPriority")


def test_tasks_run_in_the_order_of_their_dependencies(brisk: Sdk) -> None:
    """`list_tasks` and `get_task` of a diamond: none starts before those that it depends on have ended."""
    edges = {"split": ["left", "right"], "left": ["merge"], "right": ["merge"]}
    id_ = brisk.create_job(job("diamond", edges, **{name: task("true") for name in ("merge", *edges)})).Id
    ended = brisk.until(id_, "Finished", "Failed")
    assert (ended.State, _counts(ended.TaskMetrics), _counts(ended.InstanceMetrics)) == (
        "Finished",
        {"Finished": 4},
        {"Finished": 4},
    )
    for before, afters in edges.items():
        for after in afters:
            assert brisk.get_task(id_, before).EndTime <= brisk.get_task(id_, after).StartTime
    first = brisk.list_tasks(id_, "", 3)
    second = brisk.list_tasks(id_, first.NextMarker, 3)
    assert {seen.TaskName for seen in (*first, *second)} == {"split", "left", "right", "merge"}
    assert (len(first), len(second), second.NextMarker) == (3, 1, "")
    assert _error(brisk.get_task, id_, "none") == (404, "InvalidResource.NotFound")


def test_instances_are_listed_by_page_and_state(emulator: Emulator, sdk: Sdk) -> None:
    """`list_instances` from 0 and from "", narrowed by state; `get_instance` by number."""
    (id_,) = _plan(emulator, count=1, instances=130, wait=0, seconds=10, outcome="failed", failed=1, message="no disk")
    _skip(emulator, 100)
    (its_task,) = sdk.list_tasks(id_, "", 100).Items
    name = its_task.TaskName
    first = sdk.list_instances(id_, name, 0, 100)
    assert [one.InstanceId for one in first] == [one.InstanceId for one in sdk.list_instances(id_, name, "", 100)]
    second = sdk.list_instances(id_, name, first.NextMarker, 100)
    assert [one.InstanceId for one in (*first, *second)] == list(range(130))
    assert second.NextMarker == ""
    (failed,) = sdk.list_instances(id_, name, 0, 100, state="Failed").Items
    assert failed.Result.ExitCode != 0
    assert failed.Result.ErrorCode
    assert "no disk" in failed.Result.ErrorMessage + failed.Result.Detail
    same = sdk.get_instance(id_, name, failed.InstanceId)
    assert (same.InstanceId, same.State, same.Result.ErrorCode) == (
        failed.InstanceId,
        "Failed",
        failed.Result.ErrorCode,
    )
    assert _error(sdk.get_instance, id_, name, 130) == (404, "InvalidResource.NotFound")
    assert _counts(its_task.InstanceMetrics) == _counts(sdk.get_job(id_).InstanceMetrics)
    assert sum(_counts(its_task.InstanceMetrics).values()) == 130


def test_easy_list_goes_through_all_pages(emulator: Emulator, sdk: Sdk) -> None:
    """`easy_list` of jobs, tasks and instances, narrowed by a value, several values and a function."""
    ids = _plan(emulator, count=130, tasks=2, instances=105, wait=0, seconds=100)
    waiting = _plan(emulator, count=1, wait=100, seconds=100)
    assert [seen.Id for seen in sdk.easy_list("jobs")] == [*waiting, *ids[::-1]]
    assert [seen.Id for seen in sdk.easy_list("jobs", State="Waiting")] == waiting
    assert len(sdk.easy_list("jobs", State=["Waiting", "Running"])) == 131
    assert [seen.Id for seen in sdk.easy_list("jobs", Id=lambda id_: id_ == ids[7])] == [ids[7]]
    tasks = sdk.easy_list("tasks", ids[0], State="Running")
    assert len(tasks) >= 1
    instances = sdk.easy_list("instances", ids[0], tasks[0].TaskName, State="Running")
    assert [one.InstanceId for one in instances] == list(range(105))


def test_poll_waits_until_all_are_finished(brisk: Sdk) -> None:
    """`poll` of jobs that finish gives no error."""
    ids = [brisk.create_job(job(f"job-{number}")).Id for number in range(2)]
    assert brisk.poll(ids, timeout=30, interval=0.05) == []
    assert [brisk.get_job(id_).State for id_ in ids] == ["Finished", "Finished"]


def test_poll_stops_the_others_when_one_fails(brisk: Sdk) -> None:
    """`poll` names the failed job and ends the one that still works."""
    long = brisk.create_job(job("long", work=task("sleep 600"))).Id
    bad = brisk.create_job(job("bad", work=task("exit 3"))).Id
    assert brisk.poll([long, bad], timeout=30, interval=0.05) == [f"Job {bad} failed."]
    assert brisk.get_job(long).State == "Stopped"
    assert brisk.get_instance(bad, "work", 0).Result.ExitCode == 3


def test_poll_stops_all_when_time_is_over(emulator: Emulator, sdk: Sdk) -> None:
    """`poll` past its timeout."""
    (id_,) = _plan(emulator, count=1, wait=0, seconds=100)
    assert sdk.poll(id_, timeout=0, interval=0.05) == ["Timeout(0)."]
    assert sdk.get_job(id_).State == "Stopped"


def test_failed_instances_need_not_fail_a_job(brisk: Sdk) -> None:
    """Without JobFailOnInstanceFail the rest goes on, and the finished job counts what failed."""
    described = job("force", {"work": ["after"]}, work=task("exit $BATCH_COMPUTE_DAG_INSTANCE_ID"), after=task("true"))
    described["DAG"]["Tasks"]["work"]["InstanceCount"] = 3
    id_ = brisk.create_job(described | {"JobFailOnInstanceFail": False}).Id
    ended = brisk.until(id_, "Finished", "Failed")
    assert (ended.State, _counts(ended.InstanceMetrics)) == ("Finished", {"Finished": 2, "Failed": 2})
    codes = {one.InstanceId: one.Result.ExitCode for one in brisk.list_instances(id_, "work", 0, 100)}
    assert codes == {0: 0, 1: 1, 2: 2}


def test_a_failed_job_stops_what_depends_on_it(brisk: Sdk) -> None:
    """With JobFailOnInstanceFail everything that is not final is stopped, and the job says why."""
    described = job("fail", {"work": ["after"]}, work=task("echo bad input >&2; exit 7"), after=task("true"))
    id_ = brisk.create_job(described).Id
    ended = brisk.until(id_, "Finished", "Failed")
    assert (ended.State, _counts(ended.TaskMetrics)) == ("Failed", {"Failed": 1, "Stopped": 1})
    assert "work" in ended.Message
    result = brisk.get_instance(id_, "work", 0).Result
    assert (result.ExitCode, result.Detail) == (7, "bad input\n")


def test_a_job_that_releases_itself_is_gone_when_it_succeeded(emulator: Emulator, sdk: Sdk) -> None:
    """AutoRelease: the id is unknown afterwards, for a success alone."""
    (good,) = _plan(emulator, count=1, wait=0, seconds=10, outcome="finished", auto_release=True)
    (bad,) = _plan(emulator, count=1, wait=0, seconds=10, outcome="failed", auto_release=True)
    _skip(emulator, 100)
    assert _error(sdk.get_job, good) == (404, "InvalidResource.NotFound")
    assert sdk.get_job(bad).State == "Failed"


def test_retries_are_counted(emulator: Emulator, sdk: Sdk) -> None:
    """RetryCount of an instance that needed more than one try."""
    (id_,) = _plan(emulator, count=1, instances=1, wait=0, seconds=10, outcome="finished", retries=2)
    _skip(emulator, 1000)
    assert sdk.get_job(id_).State == "Finished"
    (its_task,) = sdk.list_tasks(id_, "", 100).Items
    assert sdk.get_instance(id_, its_task.TaskName, 0).RetryCount == 2


def test_dates_are_those_of_today(brisk: Sdk) -> None:
    """The SDK turns them into local time; created, started and ended come in this order."""
    about_now = datetime.now()  # noqa: TID251, DTZ005 - the SDK gives local time without a zone
    id_ = brisk.create_job(job()).Id
    ended = brisk.until(id_, "Finished")
    assert about_now - timedelta(seconds=1) <= ended.CreationTime <= ended.StartTime <= ended.EndTime
    assert ended.EndTime - about_now < timedelta(minutes=1)


def test_what_can_be_had(sdk: Sdk) -> None:
    """`get_quotas`, `get_available_resource`, and the listings of things that this emulator has none of."""
    quotas, available = sdk.get_quotas(), sdk.get_available_resource()
    assert "ecs.sn1.medium" in quotas.AvailableClusterInstanceType
    assert "OnDemand" in quotas.AvailableClusterResourceType
    (medium,) = [one for one in available.AvailableClusterInstanceType if one.InstanceType == "ecs.sn1.medium"]
    assert medium.CpuCore > 0
    assert medium.MemorySize > 0
    assert "OnDemand" in available.AvailableResourceType
    assert (sdk.list_clusters("", 10).Items, sdk.list_images("", 10, type_="System").Items) == ([], [])
    assert (sdk.list_apps().Items, sdk.list_apps("Public").Items) == ([], [])


def test_a_description_with_faults_is_refused(sdk: Sdk) -> None:
    """Nothing is created, and the answer names the field."""
    assert _error(sdk.create_job, job("a name")) == (400, "InvalidName")
    assert _error(sdk.create_job, job() | {"Priority": 1001}) == (400, "InvalidPriority")
    assert _error(sdk.create_job, job(work=task("true", InstanceCount=0))) == (400, "InvalidInstanceCount")
    unknown = job("unknown", {"work": ["nowhere"]}, work=task("true"))
    assert _error(sdk.create_job, unknown) == (400, "InvalidDependencies")
    circle = job("circle", {"a": ["b"], "b": ["a"]}, a=task("true"), b=task("true"))
    assert _error(sdk.create_job, circle) == (400, "InvalidDependencies")
    assert sdk.list_jobs("", 100).Items == []


@pytest.mark.parametrize("call", ["get_job", "get_job_description", "stop_job", "start_job", "delete_job"])
def test_an_unknown_job(sdk: Sdk, call: str) -> None:
    """Every call with an id that was never given."""
    assert _error(getattr(sdk, call), "job-" + "0" * 32) == (404, "InvalidResource.NotFound")


def test_tasks_and_instances_of_an_unknown_job(sdk: Sdk) -> None:
    """Their listings are refused like the job itself."""
    unknown = "job-" + "0" * 32
    assert _error(sdk.list_tasks, unknown, "", 100) == (404, "InvalidResource.NotFound")
    assert _error(sdk.list_instances, unknown, "work", 0, 100) == (404, "InvalidResource.NotFound")
    assert _error(sdk.change_job_priority, unknown, 5) == (404, "InvalidResource.NotFound")


def test_signatures_are_checked(emulator: Emulator) -> None:
    """A wrong secret is refused; a temporary token and headers of one's own are signed and accepted."""
    wrong = Sdk(emulator.url, "wrong")
    assert _error(wrong.list_jobs, "", 100) == (400, "SignatureDoesNotMatch")
    more = {"security_token": "STS-TOKEN-1", "x-acs-purpose": "a test", "x-client-name": "mine"}
    assert Sdk(emulator.url, **more).list_jobs("", 100).Items == []
