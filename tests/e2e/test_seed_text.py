"""Everything that the client's manual shows about instances, with the unmodified client, against the emulator."""

import base64
import time
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime, timedelta

import odps
import pytest
from odps import ODPS
from odps.accounts import BearerTokenAccount, StsAccount
from odps.models import Instance

from monitor.emulator.server import Emulator, EmulatorOptions
from tests.emulator.threaded import serve_in_thread

# The client keeps its connections for as long as the process lives, and never closes them.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

ONE_FLOWER = '"sepallength","sepalwidth","petallength","petalwidth","name"\n5.1,3.5,1.4,0.2,"Iris-setosa"\n'
ENDLESS = "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Emulated time passes fast, so that queries of some seconds take a moment."""
    with serve_in_thread(EmulatorOptions(speed=20, seed=7)) as running:
        yield running


@pytest.fixture
def o(emulator: Emulator) -> ODPS:
    """The client, named as in the manual."""
    odps.options.logview_host = None  # pyodps hands the first client's to every later one in the process
    return ODPS("manual", "demo-secret", "demo", endpoint=emulator.endpoint)


def _skip(o: ODPS, emulator: Emulator, seconds: float) -> None:
    """Lets emulated time pass."""
    assert o.rest.session.post(f"{emulator.url}/-/emulator/clock", json={"advance": seconds}).status_code == 200


def test_the_client_is_the_released_one() -> None:
    """The version that the protocol was recorded with."""
    assert odps.__version__ == "0.13.2"


def test_instances_are_listed(o: ODPS) -> None:
    """`list_instances`, also narrowed by status, owner and date."""
    ended = o.execute_sql("select 1")
    running = o.run_sql("select 1", hints={"emulator.seconds": 6000})
    ids = [instance.id for instance in o.list_instances()]
    assert ids.index(running.id) < ids.index(ended.id)
    assert running.id in [instance.id for instance in o.list_instances(status="Running", only_owner=True)]
    assert ended.id not in [instance.id for instance in o.list_instances(status="Running")]
    since = datetime.now() - timedelta(minutes=5)  # noqa: TID251, DTZ005 - the client takes local time
    assert ended.id in [instance.id for instance in o.list_instances(start_time=since)]
    assert list(o.list_instances(start_time=int(time.time()) + 60)) == []  # noqa: TID251 - the client's own time
    names = [instance.id for instance in o.get_project().instances.iterate(max_items=1)]
    assert set(ids) <= set(names)
    running.stop()


def test_an_instance_exists_or_not(o: ODPS) -> None:
    """`exist_instance`, true and false."""
    instance = o.execute_sql("select 1")
    assert o.exist_instance(instance.id)
    assert not o.exist_instance("2016042605520945g9k5pvyi2")


def test_an_instance_is_stopped_in_both_ways(o: ODPS) -> None:
    """By the entry object and by itself; its task is cancelled; stopping it again is an error."""
    first, second = o.run_sql(ENDLESS), o.run_sql(ENDLESS)
    o.stop_instance(first.id)
    o.get_instance(second.id).stop()
    for instance in (first, second):
        instance.wait_for_completion(interval=0.05)
        assert not instance.is_successful()
        (task,) = instance.get_task_statuses().values()
        assert task.status == Instance.Task.TaskStatus.CANCELLED
        with pytest.raises(odps.errors.ODPSError, match="AnonymousSQLTask, status=CANCELLED"):
            instance.wait_for_success()
        with pytest.raises(odps.errors.InvalidStateSetting):
            instance.stop()


def test_the_logview_address_opens(o: ODPS, emulator: Emulator) -> None:
    """From a new instance and from an id; the page behind it shows the instance."""
    instance = o.run_sql("desc pyodps_iris")
    address = instance.get_logview_address()
    assert address.startswith(f"{emulator.url}/logview/?h={emulator.endpoint}&p=demo&i={instance.id}&token=")
    again = o.get_instance(instance.id).get_logview_address(hours=1)
    page = o.rest.session.get(again)
    assert page.status_code == 200
    assert "desc pyodps_iris" in page.text
    instance.wait_for_success(interval=0.05)
    assert "| sepallength     | double" in instance.get_task_result()


def test_a_workflow_and_the_logview_of_its_steps(o: ODPS) -> None:
    """`run_xflow`, then the instances that it started."""
    o.execute_sql("create table input_table as select * from pyodps_iris limit 3")
    parameters = {"inputTableName": "input_table", "outputTableName": "output_table"}
    instance = o.run_xflow("AppendID", "algo_public", parameters)
    met = dict(o.iter_xflow_sub_instances(instance, interval=0.01, check=True))
    steps = o.get_xflow_sub_instances(instance)
    assert list(steps) == ["check", "AppendID", "verify"]
    assert met.keys() <= steps.keys()
    assert {"check", "AppendID"} <= met.keys()
    assert "/logview/?" in steps["AppendID"].get_logview_address()
    instance.wait_for_success(interval=0.05)
    rows = o.execute_sql("select append_id from output_table").get_task_result()
    assert rows == '"append_id"\n0\n1\n2\n'


def test_status_as_the_manual_shows_it(o: ODPS, emulator: Emulator) -> None:
    """The enum, its comparison, its value; running first, terminated then."""
    instance = o.run_sql("select * from pyodps_iris", hints={"emulator.seconds": 6000})
    assert instance.status == Instance.Status.RUNNING
    assert not instance.is_terminated()
    assert not instance.is_successful()
    _skip(o, emulator, 6000)
    instance.wait_for_completion(interval=0.05)
    assert repr(instance.status) == "<Status.TERMINATED: 'Terminated'>"
    assert instance.status == Instance.Status.TERMINATED
    assert instance.status.value == "Terminated"
    assert instance.is_terminated()
    assert instance.is_successful()
    assert instance.owner == "ALIYUN$manual@demo.example"
    assert instance.start_time <= instance.end_time


def test_a_suspended_instance(o: ODPS, emulator: Emulator) -> None:
    """The third value of status, which only the service can bring about."""
    recipe = {"scenario": "suspended", "seconds": 1, "wait": 0, "count": 1}
    made = o.rest.session.post(f"{emulator.url}/-/emulator/instances", json=recipe).json()
    instance = o.get_instance(made["ids"][0])
    deadline = time.monotonic() + 5
    while instance.status != Instance.Status.SUSPENDED:
        assert time.monotonic() < deadline
    (task,) = instance.get_task_statuses().values()
    assert task.status == Instance.Task.TaskStatus.SUSPENDED


@pytest.mark.parametrize(
    ("query", "error", "text"),
    [
        ("select * from not_there", odps.errors.NoSuchTable, "[1,15] Table not found - table demo.not_there cannot"),
        ("selct 1", odps.errors.ParseError, "[1,1] Parse exception - invalid token 'selct'"),
        ("select x from pyodps_iris", odps.errors.ODPSError, "ODPS-0130071:[1,8] Semantic analysis exception"),
        ("select cast(name as bigint) from pyodps_iris", odps.errors.ODPSError, "ODPS-0123091:Illegal type cast"),
    ],
)
def test_a_failure_is_raised_as_its_class(o: ODPS, query: str, error: type[Exception], text: str) -> None:
    """`wait_for_completion` does not mind; `wait_for_success` raises, with the id of the instance."""
    instance = o.run_sql(query)
    instance.wait_for_completion(interval=0.05)
    assert instance.is_terminated()
    assert not instance.is_successful()
    with pytest.raises(error) as raised:
        instance.wait_for_success()
    assert text in str(raised.value)
    assert raised.value.instance_id == instance.id  # type: ignore[attr-defined]


def test_task_names(o: ODPS) -> None:
    """`SQLDropTableTask` for a dropped table, `AnonymousSQLTask` for a query."""
    o.execute_sql("create table to_drop (a bigint)")
    dropping = o.delete_table("to_drop", async_=True)
    dropping.wait_for_success(interval=0.05)
    assert dropping.get_task_names() == ["SQLDropTableTask"]
    assert o.execute_sql("select 1").get_task_names() == ["AnonymousSQLTask"]
    with pytest.raises(odps.errors.NoSuchTable):
        o.delete_table("to_drop")
    o.delete_table("to_drop", if_exists=True)


def test_task_results_exactly_as_in_the_manual(o: ODPS) -> None:
    """One by name, and all in an ordered dictionary."""
    instance = o.execute_sql("select * from pyodps_iris limit 1")
    assert instance.get_task_names() == ["AnonymousSQLTask"]
    assert instance.get_task_result("AnonymousSQLTask") == ONE_FLOWER
    assert instance.get_task_results() == OrderedDict([("AnonymousSQLTask", ONE_FLOWER)])
    assert instance.get_task_result() == ONE_FLOWER
    assert instance.get_sql_query() == "select * from pyodps_iris limit 1;"
    assert instance.priority == 9


def test_the_loop_that_prints_progress(o: ODPS, emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """Stages appear, work and end; the last line but the timestamp is what the manual prints."""
    query = "select a.name, count(*) from pyodps_iris a join pyodps_iris b on a.name = b.name group by a.name"
    instance = o.run_sql(query, hints={"emulator.seconds": 2000, "emulator.wait": 100, "emulator.workers": 4})
    while not instance.is_terminated():
        for task_name in instance.get_task_names():
            print(instance.id, instance.get_task_progress(task_name).get_stage_progress_formatted_string())
        _skip(o, emulator, 40)  # where the manual sleeps
    lines = [line.split(" ", 3) for line in capsys.readouterr().out.splitlines()]
    assert {line[0] for line in lines} == {instance.id}
    stages = [line[3] for line in lines]
    assert stages[0] == ""
    assert any("M1_Stg1_job_0:4/0/4[" in text for text in stages)
    assert any("\tJ3_1_2_Stg1_job_0:4/0/4[" in text for text in stages)
    last = instance.get_task_progress("AnonymousSQLTask").get_stage_progress_formatted_string()
    assert last.split(" ", 2)[2] == (
        "M1_Stg1_job_0:0/4/4[100%]\tM2_Stg1_job_0:0/4/4[100%]\tJ3_1_2_Stg1_job_0:0/4/4[100%]\t"
        "R4_3_Stg1_job_0:0/2/2[100%]\t"
    )


def test_rows_are_read_with_a_reader(o: ODPS) -> None:
    """There is no tunnel, so the client falls back to the result, and says so."""
    instance = o.execute_sql("select name, petalwidth from pyodps_iris limit 2")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Instance tunnel not supported")
        with instance.open_reader() as reader:
            assert [record.values for record in reader] == [["Iris-setosa", "0.2"], ["Iris-setosa", "0.2"]]
    with instance.open_reader(tunnel=False) as reader:
        assert reader.raw.startswith('"name","petalwidth"')


def test_queueing_information(o: ODPS) -> None:
    """Of all live instances, and of one."""
    instance = o.run_sql("select 1", hints={"emulator.seconds": 6000, "emulator.wait": 6000})
    (info,) = [info for info in o.list_instance_queueing_infos() if info.instance_id == instance.id]
    assert info.status == Instance.InstanceQueueingInfo.Status.RUNNING
    assert info.task_name == "AnonymousSQLTask"
    assert info.user_account == "ALIYUN$manual@demo.example"
    assert info.progress == 0.0
    assert info.wait_pos > 0
    assert instance.get_queueing_info().instance_id == instance.id
    assert instance.id in [info.instance_id for info in o.list_instance_queueing_infos(status="Running")]
    o.stop_instance(instance.id)


def test_details_of_a_task(o: ODPS) -> None:
    """Workers, their logs, summary and cost, quota, notes."""
    instance = o.execute_sql("select count(*) from pyodps_iris", hints={"emulator.workers": 3})
    assert "Instance" in instance.get_task_detail()
    workers = instance.get_task_workers()
    assert len(workers) >= 3
    assert "worker" in instance.get_worker_log(workers[0].log_id, "stdout")
    assert instance.get_task_summary()["Stages"]["M1_Stg1_job_0"]["WorkerCount"] == 3
    assert instance.get_task_cost().cpu_cost > 0
    assert "job0" in instance.get_task_quota()["quotaInfos"]
    instance.put_task_info("AnonymousSQLTask", "key", "value", check_location=True)
    assert instance.get_task_info("AnonymousSQLTask", "key") == "value"


def test_a_project(o: ODPS) -> None:
    """Its attributes, and whether it exists."""
    assert o.exist_project("demo")
    assert not o.exist_project("nope")
    assert o.get_project().owner == "ALIYUN$emulator@demo.example"


def test_tables_by_statement(o: ODPS) -> None:
    """The client makes and drops tables with instances of its own names."""
    o.create_table("made", "a bigint, b string", if_not_exists=True)
    o.execute_sql("insert into table made values (1, 'x')")
    assert o.execute_sql("select * from made").get_task_result() == '"a","b"\n1,"x"\n'
    assert "ALIYUN$manual@demo.example:made\n" in o.execute_sql("show tables").get_task_result()
    o.delete_table("made")


def test_the_signature_bound_to_a_region(emulator: Emulator) -> None:
    """The newer form, which the client uses when it knows the region."""
    regional = ODPS("manual", "demo-secret", "demo", endpoint=emulator.endpoint, region_name="cn-hangzhou")
    assert regional.execute_sql("select 1").is_successful()
    assert regional.rest.endpoint not in type(regional.rest)._endpoints_without_v4_sign


def test_an_account_with_a_temporary_token(emulator: Emulator) -> None:
    """Signed as usual, with a token beside it."""
    account = StsAccount("temporary", "demo-secret", "any-token")
    sts = ODPS(account=account, project="demo", endpoint=emulator.endpoint)
    assert sts.execute_sql("select 1").owner == "ALIYUN$temporary@demo.example"


def test_an_account_that_is_a_token(o: ODPS, emulator: Emulator) -> None:
    """It may do what the policy says, and is refused everything else."""
    instance = o.execute_sql("select 1")
    statement = {"Action": ["odps:Read"], "Effect": "Allow", "Resource": "acs:odps:*:projects/demo/instances/*"}
    token = o.get_project().generate_auth_token({"Version": "1", "Statement": [statement]}, "bearer", 1)
    assert int(base64.b64decode(token).decode().split(",")[2]) > 0
    bearer = ODPS(account=BearerTokenAccount(token), project="demo", endpoint=emulator.endpoint)
    assert bearer.get_instance(instance.id).is_successful()
    with pytest.raises(odps.errors.NoPermission):
        bearer.stop_instance(instance.id)


def test_a_wrong_secret_and_an_unknown_project(emulator: Emulator) -> None:
    """The classes that the client knows for them."""
    with pytest.raises(odps.errors.SignatureNotMatch):
        list(ODPS("manual", "wrong", "demo", endpoint=emulator.endpoint).list_instances())
    with pytest.raises(odps.errors.NoSuchProject):
        list(ODPS("manual", "demo-secret", "nope", endpoint=emulator.endpoint).list_instances())
