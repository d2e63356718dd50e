"""Each row of the README's table: pyodps and Stagewatch give the same answer, from terminal, Python and HTTP."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import odps
import pytest
from odps import ODPS
from odps.models import Instance

from monitor.client import ClientError, Event, Progress
from monitor.emulator.server import EmulatorOptions
from tests.e2e.processes import config, running
from tests.e2e.seed_table import ROWS, TESTED, Answer, Faces, Row, shows, stages_of
from tests.emulator.threaded import serve_in_thread

# The client keeps its connections for as long as the process lives, and never closes them.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

A_WHILE, LONG = 10**4, 10**8  # emulated seconds
UNKNOWN = "2016042605520945g9k5pvyi2"
ENDED = {"succeeded", "failed", "cancelled"}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faces]:
    """A service whose time passes fast, the released client, and a daemon that looks five times a second."""
    file = tmp_path_factory.mktemp("table") / "stagewatch.yaml"
    with serve_in_thread(EmulatorOptions(speed=20, seed=7)) as emulator:
        written = config(emulator.url, store=None, hook="http://127.0.0.1:9/", sweep_every="200ms")
        file.write_text(written, encoding="utf-8")
        odps.options.logview_host = None  # pyodps hands the first client's to every later one in the process
        o = ODPS("manual", "demo-secret", "demo", endpoint=emulator.endpoint)
        with running(["serve", "--config", str(file)]) as daemon:
            yield Faces(o, emulator.url, daemon.url)


def watched(faces: Faces, query: str, seconds: float = LONG) -> Any:
    """A new instance that runs for so long unless it fails, and that the daemon watches."""
    instance = faces.o.run_sql(query, hints={"emulator.seconds": seconds})
    faces.python("await daemon.register(key)", instance.id)
    return instance


@pytest.fixture(scope="module")
def live(faces: Faces) -> Any:
    """An instance that runs on and on."""
    return watched(faces, "select * from pyodps_iris")


@pytest.fixture(scope="module")
def good(faces: Faces) -> Any:
    """The manual's instance, which has ended, as everybody knows. Only a listing tells who owns it, and only while it
    is live is it sure to be on one that counts."""
    instance = watched(faces, "select * from pyodps_iris limit 1", A_WHILE)
    assert soon(lambda: faces.python("await daemon.instance(key)", instance.id).owner, instance.owner) == instance.owner
    faces.levers("clock", {"advance": A_WHILE})
    return over(faces, instance)


@pytest.fixture(scope="module")
def bad(faces: Faces) -> Any:
    """An instance that has failed, as everybody knows."""
    return over(faces, watched(faces, "select * from not_there"))


def over(faces: Faces, instance: Any) -> Any:
    """The same, when everybody knows that it is over."""
    instance.wait_for_completion(interval=0.05)
    faces.python("await daemon.wait(key)", instance.id)
    return instance


def soon(ask: Callable[[], Any], wanted: Any) -> Any:
    """What is answered, once it is what is wanted, or at last."""
    until = time.monotonic() + 20
    while (answer := ask()) != wanted and time.monotonic() < until:
        time.sleep(0.05)  # what another process does makes no event here
    return answer


def shown(faces: Faces, row: Row, instance: Any) -> tuple[Any, Any]:
    """An instance as JSON: what the terminal prints, and what HTTP answers."""
    printed = faces.terminal(row.terminal, instance.id)
    assert printed.returncode == 0, printed.stderr
    answer = faces.http(row.http, instance.id)
    assert answer.status == 200
    return json.loads(printed.stdout), answer.body


def test_every_row_has_its_test_and_every_test_its_row() -> None:
    """A row that nobody runs would soon be wrong."""
    assert sorted(TESTED) == sorted(ROWS)


@shows("o.list_instances()")
def test_instances_are_listed(row: Row, faces: Faces, live: Any, good: Any, bad: Any) -> None:
    """The same ids, of what runs and of what has ended."""
    known = {live.id, good.id, bad.id}
    listed = {instance.id for instance in faces.pyodps(row.pyodps)}
    assert known <= listed
    assert soon(lambda: {it.id for it in faces.python(row.python)}, listed) == listed
    printed = faces.terminal(row.terminal)
    assert set(re.findall(r"warehouse/demo/(\w+)", printed.stdout)) == listed
    assert {it["id"] for it in faces.http(row.http).body["instances"]} == listed


@shows("o.exist_instance(id)")
def test_an_instance_exists_or_not(row: Row, faces: Faces, good: Any) -> None:
    """One that does, and one that does not."""
    assert faces.pyodps(row.pyodps, id=good.id) is True
    assert faces.python(row.python, good.id).id == good.id
    assert faces.terminal(row.terminal, good.id).returncode == 0
    assert faces.http(row.http, good.id).status == 201
    assert faces.pyodps(row.pyodps, id=UNKNOWN) is False
    with pytest.raises(ClientError) as refused:
        faces.python(row.python, UNKNOWN)
    assert refused.value.code == "not_found"
    assert faces.terminal(row.terminal, UNKNOWN).returncode == 2
    assert faces.http(row.http, UNKNOWN).status == 404


@shows("o.get_instance(id)")
def test_an_instance_is_got(row: Row, faces: Faces, good: Any) -> None:
    """Its id, its owner, and when it began and ended."""
    got = faces.pyodps(row.pyodps, id=good.id)
    one = faces.python(row.python, good.id)
    assert (one.id, one.owner) == (got.id, got.owner)
    times = [one.created_at, one.ended_at]
    assert [at.astimezone().replace(tzinfo=None) for at in times] == [got.start_time, got.end_time]
    for told in shown(faces, row, good):
        assert (told["id"], told["owner"]) == (got.id, got.owner)
        assert [told["created_at"], told["ended_at"]] == [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in times]


@shows("o.stop_instance(id)", "instance.stop()")
def test_an_instance_is_stopped(row: Row, faces: Faces) -> None:
    """However it is asked for, its task is cancelled, and the daemon says so."""
    instances = [watched(faces, "select * from pyodps_iris") for _ in range(4)]
    first, second, third, fourth = instances
    faces.pyodps(row.pyodps, id=first.id, instance=first)
    faces.python(row.python, second.id, id=second.id)
    assert faces.terminal(row.terminal, third.id).returncode == 0
    assert faces.http(row.http, fourth.id).status == 202
    for instance in instances:
        instance.wait_for_completion(interval=0.05)
        (task,) = instance.get_task_statuses().values()
        assert task.status == Instance.Task.TaskStatus.CANCELLED
        assert faces.python("await daemon.wait(key)", instance.id).phase == "cancelled"


@shows("instance.get_logview_address()", "o.get_instance(id).get_logview_address()")
def test_the_logview_address_opens(row: Row, faces: Faces) -> None:
    """The same address but for the token, which is fresh each time; the page behind it shows the instance."""
    instance = watched(faces, "desc pyodps_iris")
    address, _, _ = faces.pyodps(row.pyodps, instance=instance, id=instance.id).partition("&token=")
    opened = faces.http(row.http, instance.id)
    pages = [opened.body] if isinstance(opened.body, str) else []
    told = [] if pages else [opened.body["url"]]
    told += [
        faces.terminal(row.terminal, instance.id).stdout.strip(),
        faces.python(row.python, instance.id, id=instance.id),
    ]
    for url in told:
        assert url.replace("%3A", ":").replace("%2F", "/").startswith(f"{address}&token=")
        pages.append(faces.o.rest.session.get(url).text)
    assert len(pages) == 3
    assert all("desc pyodps_iris" in page for page in pages)


@pytest.fixture(scope="module")
def workflow(faces: Faces) -> Any:
    """The manual's workflow, run to its end while the daemon watched."""
    tables = {"inputTableName": "pyodps_iris", "outputTableName": "numbered"}
    instance = faces.o.run_xflow("AppendID", "algo_public", tables, hints={"emulator.seconds": "40"})
    faces.python("await daemon.register(key)", instance.id)
    instance.wait_for_success(interval=0.05)
    return instance


@shows("o.get_xflow_sub_instances(instance)")
def test_the_steps_of_a_workflow(row: Row, faces: Faces, workflow: Any) -> None:
    """The same instances under the same names. pyodps leaves out the workflows between them."""
    steps = {name: step.id for name, step in faces.pyodps(row.pyodps, instance=workflow).items()}
    asks: list[Callable[[str], Any]] = [
        lambda id_: [(child.key, child.step) for child in faces.python(row.python, id_)],
        lambda id_: _children(json.loads(faces.terminal(row.terminal, id_).stdout)),
        lambda id_: _children(faces.http(row.http, id_).body),
    ]

    def leaves(ask: Callable[[str], Any], id_: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, step in ask(id_):
            below = key.rpartition("/")[2]
            found |= leaves(ask, below) or {step: below}
        return found

    assert "AppendID" in steps
    for ask in asks:
        assert soon(lambda: leaves(ask, workflow.id), steps) == steps  # noqa: B023 - asked at once


def _children(instance: Any) -> list[tuple[str, str]]:
    return [(child["key"], child["step"]) for child in instance["children"]]


@shows("sub_inst.get_logview_address()")
def test_each_step_has_its_own_logview(row: Row, faces: Faces, workflow: Any) -> None:
    """The address that pyodps gives, but for the token."""
    for sub_inst in faces.o.get_xflow_sub_instances(workflow).values():
        address, _, _ = faces.pyodps(row.pyodps, sub_inst=sub_inst).partition("&token=")
        told = [
            faces.terminal(row.terminal, sub_inst.id).stdout,
            faces.python(row.python, sub_inst.id),
            faces.http(row.http, sub_inst.id).body["url"],
        ]
        assert all(url.replace("%3A", ":").replace("%2F", "/").startswith(f"{address}&token=") for url in told)


@shows("instance.status", "instance.status.value")
def test_the_status_is_told_in_the_services_own_word(row: Row, faces: Faces, live: Any, good: Any) -> None:
    """While it runs, and when it has ended."""
    for instance, word in ((live, "Running"), (good, "Terminated")):
        assert str(getattr(value := faces.pyodps(row.pyodps, instance=instance), "value", value)) == word
        assert faces.python(row.python, instance.id) == word
        assert {told["native_status"] for told in shown(faces, row, instance)} == {word}


@shows("instance.status == Instance.Status.TERMINATED", "instance.is_terminated()")
def test_whether_it_is_over(row: Row, faces: Faces, live: Any, bad: Any) -> None:
    """What has failed is over, too."""
    for instance, code in ((live, 124), (bad, 1)):
        is_over = code != 124
        assert faces.pyodps(row.pyodps, instance=instance, Instance=Instance) is is_over
        assert faces.python(row.python, instance.id) is is_over
        assert faces.terminal(row.terminal, instance.id).returncode == code
        assert (faces.http(row.http, instance.id).body["phase"] in ENDED) is is_over


@shows("instance.is_successful()")
def test_whether_it_has_succeeded(row: Row, faces: Faces, good: Any, bad: Any) -> None:
    """What failed has not."""
    for instance, is_good in ((good, True), (bad, False)):
        assert faces.pyodps(row.pyodps, instance=instance) is is_good
        assert faces.python(row.python, instance.id) is is_good
        assert (faces.terminal(row.terminal, instance.id).returncode == 0) is is_good
        assert (faces.http(row.http, instance.id).body["phase"] == "succeeded") is is_good


@shows("instance.wait_for_completion()")
def test_everybody_waits_until_it_is_over(row: Row, faces: Faces) -> None:
    """While it runs nobody comes back; when it has ended everybody does."""
    instance = watched(faces, "select * from pyodps_iris", A_WHILE)
    came: dict[str, Any] = {}

    def phases() -> str:
        events = (frame["event"] for frame in faces.stream(row.http, instance.id) if frame["type"] == "event")
        return next(event["to"] for event in events if event["kind"] == "phase" and event["to"] in ENDED)

    waits: dict[str, Callable[[], Any]] = {
        "pyodps": lambda: faces.pyodps(row.pyodps, instance=instance),
        "terminal": lambda: faces.terminal(row.terminal, instance.id).returncode,
        "python": lambda: faces.python(row.python, instance.id).phase,
        "http": phases,
    }
    with _in_threads(waits, came):
        listening = "stagewatch_feed_clients 3.0\n"
        assert soon(lambda: listening in faces.http("GET /metrics").body, True)
        assert came == {}
        faces.levers("clock", {"advance": A_WHILE})
    assert came == {"pyodps": None, "terminal": 0, "python": "succeeded", "http": "succeeded"}


@contextmanager
def _in_threads(works: dict[str, Callable[[], Any]], came: dict[str, Any]) -> Iterator[None]:
    """Do all of them at once; what came of each stands in `came` when the block has been left."""
    threads = [
        threading.Thread(target=lambda name=name, work=work: came.update({name: work()}), daemon=True)
        for name, work in works.items()
    ]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@shows("instance.wait_for_success()")
def test_a_failure_is_told_with_its_text(row: Row, faces: Faces, bad: Any) -> None:
    """Where pyodps raises, the others tell the same words."""
    with pytest.raises(odps.errors.NoSuchTable) as raised:
        faces.pyodps(row.pyodps, instance=bad)
    text = "[1,15] Table not found - table demo.not_there cannot be resolved"
    assert text in str(raised.value)
    waited = faces.terminal(row.terminal, bad.id)
    assert (waited.returncode, text in waited.stdout) == (1, True)
    outcome = faces.python(row.python, bad.id)
    assert (outcome.succeeded, outcome.code, text in outcome.message) == (False, "ODPS-0130131", True)
    failure = faces.http(row.http, bad.id).body["failure"]
    assert (failure["code"], text in failure["message"]) == ("ODPS-0130131", True)


@shows("instance.get_task_names()")
def test_task_names(row: Row, faces: Faces, good: Any) -> None:
    """Of a query, and of a dropped table."""
    faces.o.execute_sql("create table to_drop (a bigint)")
    dropping = faces.o.delete_table("to_drop", async_=True)
    faces.python("await daemon.register(key)", dropping.id)
    for instance, names in ((good, ["AnonymousSQLTask"]), (dropping, ["SQLDropTableTask"])):
        assert faces.pyodps(row.pyodps, instance=instance) == names
        assert soon(lambda: faces.python(row.python, instance.id), names) == names  # noqa: B023 - asked at once
        for told in shown(faces, row, instance):
            assert [task["name"] for task in told["tasks"]] == names


@shows("instance.get_task_result('AnonymousSQLTask')")
def test_the_result_of_a_task(row: Row, faces: Faces, good: Any) -> None:
    """Letter for letter, in the terminal too if nobody looks at it."""
    result = faces.pyodps(row.pyodps, instance=good)
    assert result.endswith('\n5.1,3.5,1.4,0.2,"Iris-setosa"\n')
    assert faces.terminal(row.terminal, good.id).stdout == result
    assert faces.python(row.python, good.id) == result
    assert faces.http(row.http, good.id).body["results"]["AnonymousSQLTask"] == result


@shows("instance.get_task_results()")
def test_the_results_of_all_tasks(row: Row, faces: Faces, good: Any) -> None:
    """By the names of the tasks; as JSON the terminal prints a table."""
    results = dict(faces.pyodps(row.pyodps, instance=good))
    assert faces.python(row.python, good.id) == results
    assert faces.http(row.http, good.id) == Answer(200, {"results": results})
    printed = json.loads(faces.terminal(row.terminal, good.id).stdout)["AnonymousSQLTask"]
    header, first = results["AnonymousSQLTask"].splitlines()
    assert (",".join(f'"{name}"' for name in printed["columns"]), printed["rows"]) == (
        header,
        [first.replace('"', "").split(",")],
    )


@shows("instance.get_task_progress(task_name).get_stage_progress_formatted_string()")
def test_the_stages_of_a_task(row: Row, faces: Faces) -> None:
    """Of an instance that stands still, so that everybody sees the same."""
    (id_,) = faces.levers("instances", {"scenario": "stall", "seconds": 100, "wait": 0})["ids"]
    instance = faces.o.get_instance(id_)
    faces.levers("clock", {"advance": 100})
    faces.python("await daemon.register(key)", id_)
    (task,) = instance.get_task_names()
    _, _, line = faces.pyodps(row.pyodps, instance=instance, task_name=task).split(" ", 2)
    assert "M1_Stg1_job_0:" in line
    assert soon(lambda: faces.python(row.python, id_, Progress=Progress), line.strip("\t")) == line.strip("\t")
    for told in shown(faces, row, instance):
        assert list(stages_of(told)) == line.strip("\t").split("\t")


@shows("while not instance.is_terminated(): ...")
def test_the_loop_that_prints_progress(row: Row, faces: Faces) -> None:
    """Emulated time stands still but for steps. After each, everybody tells the line that pyodps prints; after the
    last, everybody says that it is over."""
    query = "select a.name, count(*) from pyodps_iris a join pyodps_iris b on a.name = b.name group by a.name"
    faces.levers("clock", {"speed": 0})
    try:
        instance = faces.o.run_sql(query, hints={"emulator.seconds": 2000, "emulator.workers": 4})
        faces.python("await daemon.register(key)", instance.id)
        told: dict[str, list[str]] = {"terminal": [], "python": [], "http": []}
        with faces.start(row.terminal, instance.id) as watching:
            works = {
                "terminal": lambda: _read(watching.stdout, told["terminal"]),
                "python": lambda: faces.python(row.python, instance.id, lambda events: _hear(events, told["python"])),
                "http": lambda: _listen(faces.stream(row.http, instance.id), told["http"]),
            }
            came: dict[str, Any] = {}
            with _in_threads(works, came):
                looped = []
                while not instance.is_terminated():
                    for task_name in instance.get_task_names():
                        line = instance.get_task_progress(task_name).get_stage_progress_formatted_string()
                        stages = line.split(" ", 2)[2].strip("\t")
                        if stages and stages not in looped:
                            looped.append(stages)
                        for name, lines in told.items():
                            newest = soon(lambda: lines[-1] if lines else "", stages)  # noqa: B023 - asked at once
                            assert newest == stages, name
                    faces.levers("clock", {"advance": 300})
        assert came == {"terminal": "succeeded", "python": "succeeded", "http": "succeeded"}
    finally:
        faces.levers("clock", {"speed": 20})
    assert len(looped) > 4
    assert {"M1", "J3", "R4"} == {name for text in looped for name in re.findall(r"\b([MJR][134])_\S*:[1-4]/", text)}
    for lines in told.values():
        assert [line for line in dict.fromkeys(lines) if line in looped] == looped
    assert watching.returncode == 0


def _read(stream: Any, lines: list[str]) -> str:
    """What `watch` prints: lines of progress, how it ended, and where its LogView is."""
    for line in stream:
        if found := re.match(r"\S+ \S+ (\S+_Stg1_.*)", line):
            lines.append(found[1])
        elif ended := re.match(r"\S+ (\w+) in ", line):
            return ended[1]
    return ""


async def _hear(events: Any, lines: list[str]) -> str:
    async for event in events:
        assert isinstance(event, Event)
        if stages := str(Progress(tuple(event.instance.stages))):
            lines.append(stages)
        if event.instance.is_over:
            return str(event.instance.phase)
    return ""


def _listen(frames: Iterator[Any], lines: list[str]) -> str:
    for frame in frames:
        instances = frame["instances"] if frame["type"] == "snapshot" else [frame.get("event", {}).get("instance")]
        for instance in filter(None, instances):
            if stages := "\t".join(stages_of(instance)):
                lines.append(stages)
            if instance["phase"] in ENDED:
                return str(instance["phase"])
    return ""
