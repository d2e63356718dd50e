import json
from random import Random

from monitor.emulator import workers
from monitor.emulator.clock import Clock
from monitor.emulator.documents import Moment
from monitor.emulator.instances import Book
from monitor.emulator.jobs import Job
from monitor.emulator.plan import Part, lay_out


def _moment(at: float, count: int = 4) -> Moment:
    ticks = [0.0]
    clock = Clock(1, wall=lambda: 1737704061.0 + ticks[0], ticks=lambda: ticks[0])
    plan = lay_out([Part("M", 1, (), count)], wait=2, seconds=12)
    instance = Book(clock, Random(1)).add("demo", "me", Job("t", "SQL"), plan)
    ticks[0] = at
    return Moment(instance, clock)


def test_workers_are_listed_up_to_a_bound() -> None:
    """A stage of thousands does not make a page of thousands."""
    (job,) = workers.detail(_moment(7, 3000))["mapReduce"]["jobs"]
    listed = job["tasks"][0]["instances"]
    assert len(listed) == workers.MAX_SHOWN
    assert listed[0]["status"] == "Terminated"


def test_there_are_no_workers_in_the_queue() -> None:
    """Nor jobs to list."""
    assert workers.detail(_moment(1))["mapReduce"]["jobs"] == []
    assert workers.instance_detail(_moment(1))["Instance"]["Stages"] == {}


def test_costs_follow_workers_and_time() -> None:
    """Four workers, ten seconds, a hundred per core."""
    summary = workers.summary(_moment(20))["Instance"]
    assert json.loads(summary["JsonSummary"])["Cost"]["CPU"] == 4000
    assert summary["Summary"] == "M1_Stg1_job_0:0/4/4"


def test_a_quota_counts_who_runs() -> None:
    """Now."""
    use = json.loads(workers.quota(_moment(4))["quotaInfos"]["job0"])
    assert use == {"quota": "0@emulator", "cpuUsage": 400, "memUsage": 8192}


def test_logs_belong_to_workers_that_exist() -> None:
    """Nobody else has one."""
    moment = _moment(4)
    (worker, *_), *_ = [task["instances"] for task in workers.detail(moment)["mapReduce"]["jobs"][0]["tasks"]]
    assert "worker 0 of M1_Stg1_job_0" in (workers.log_of(moment, worker["logId"], "stderr") or "")
    for wrong in ("", "!", "AAAA", "TTFfU3RnMV9qb2JfMCM5", "/w=="):
        assert workers.log_of(moment, wrong, "stderr") is None
