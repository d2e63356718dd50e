"""Orders carried out by real processes."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.emulator.batchcompute.executor import NO_EXIT_CODE, LocalExecutor
from monitor.emulator.batchcompute.objects import ObjectStore
from monitor.emulator.batchcompute.orders import Ending, Executor
from tests.emulator.batchcompute.workshop import COUNT_PY, alive, order, packed

SUCCESS = Ending(0, "", "", "")


class Shop:
    """An executor, and its store as the directory of the bucket `demo`."""

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        self.bucket = tmp_path / "oss/demo"
        self.runs = tmp_path / "runs"
        self.bucket.mkdir(parents=True)
        store = ObjectStore(tmp_path / "oss")
        plain: dict[str, Any] = {"oss_host": lambda: "127.0.0.1:8080", "region": "cn-qingdao", "grace": 0.05}
        self.executor: Executor = LocalExecutor(store, folder=self.runs, **plain | options)

    async def run(self, command_line: str = "true", **changes: Any) -> Ending:
        return await self.executor.run(order(command_line, **changes))

    def log(self, stream: str, instance: int = 0) -> str:
        return (self.bucket / f"logs/{stream}.job-1.count.{instance}").read_text()

    def left(self) -> list[Path]:
        return list(self.runs.iterdir()) if self.runs.exists() else []


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.mark.asyncio
async def test_three_instances_count_their_parts(shop: Shop) -> None:
    """The documentation's example: one package, run three times at once, each on the part of its number."""
    (shop.bucket / "worker.tar.gz").write_bytes(packed({"count.py": COUNT_PY}))
    (shop.bucket / "split").mkdir()
    for number, words in enumerate(("a b a", "c", "d d d d")):
        (shop.bucket / f"split/{number}.txt").write_text(words)
    mappings = {"input_mapping": {"oss://demo/split/": "parts/"}, "output_mapping": {"results/": "oss://demo/results/"}}
    async with asyncio.TaskGroup() as group:
        runs = [
            group.create_task(
                shop.run("python count.py", package_path="oss://demo/worker.tar.gz", instance=number, **mappings)
            )
            for number in range(3)
        ]
    assert [run.result().error_code for run in runs] == ["", "", ""]
    results = [json.loads((shop.bucket / f"results/{number}.json").read_text()) for number in range(3)]
    assert results == [{"a": 2, "b": 1}, {"c": 1}, {"d": 4}]
    assert [shop.log("stdout", number) for number in range(3)] == [
        "counted 3 words of part 0\n",
        "counted 1 words of part 1\n",
        "counted 4 words of part 2\n",
    ]
    assert len({shop.log("stderr", number) for number in range(3)}) == 3
    assert shop.left() == []


@pytest.mark.asyncio
async def test_a_program_sees_what_the_service_tells_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's names win over given ones; nothing of the emulator's own environment is seen."""
    monkeypatch.setenv("EMULATOR_SECRET", "not for jobs")
    given = {"MODE": "fast", "BATCH_COMPUTE_DAG_TASK_ID": "forged", "BATCH_COMPUTE_WORKER_ID": "forged"}
    assert await shop.run("env", instance=2, env=given) == SUCCESS
    seen = dict(line.split("=", 1) for line in shop.log("stdout", 2).splitlines())
    wanted = {
        "MODE": "fast",
        "BATCH_COMPUTE_DAG_JOB_ID": "job-1",
        "BATCH_COMPUTE_DAG_TASK_ID": "count",
        "BATCH_COMPUTE_DAG_INSTANCE_ID": "2",
        "BATCH_COMPUTE_OSS_HOST": "127.0.0.1:8080",
        "BATCH_COMPUTE_REGION": "cn-qingdao",
        "BATCH_COMPUTE_CLUSTER_ID": "cls-1",
    }
    assert wanted.items() <= seen.items()
    assert seen["BATCH_COMPUTE_WORKER_ID"].startswith("worker-")
    assert seen.keys() - wanted.keys() <= {
        "BATCH_COMPUTE_WORKER_ID",
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "PWD",
        "SHLVL",
        "_",
    }


@pytest.mark.asyncio
async def test_python_is_the_one_that_runs_the_emulator(shop: Shop) -> None:
    """So what is installed for it is there for the programs."""
    assert await shop.run("python -c 'import sys; print(sys.prefix)'") == SUCCESS
    assert shop.log("stdout").strip() == sys.prefix


@pytest.mark.asyncio
async def test_python_is_found_also_if_it_has_another_name(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where only `python3.11` is installed."""
    odd = tmp_path / "odd folder" / "python3.11"
    odd.parent.mkdir()
    odd.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    odd.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(odd))
    for _ in range(2):
        assert await shop.run("python -c 'import sys; print(sys.argv[1])' 'one word'") == SUCCESS
        assert shop.log("stdout") == "one word\n"


@pytest.mark.asyncio
async def test_a_failure_tells_its_code_and_the_end_of_stderr(shop: Shop) -> None:
    """Two kilobytes of it, whatever bytes they are; the whole is in its object."""
    ending = await shop.run(r"head -c 5000 /dev/zero | tr '\0' x >&2; printf 'bad \377 input' >&2; exit 7")
    assert (ending.exit_code, ending.error_code) == (7, "ProgramFailed")
    assert ending.error_message == "the program ended with exit code 7"
    assert ending.detail == "x" * (2048 - 11) + "bad \ufffd input"
    assert len((shop.bucket / "logs/stderr.job-1.count.0").read_bytes()) == 5011


@pytest.mark.asyncio
async def test_a_signal_is_named(shop: Shop) -> None:
    """Its number alone says little."""
    assert await shop.run("kill -9 $$") == Ending(
        137, "ProgramFailed", "the program ended with exit code 137 (SIGKILL)", ""
    )


@pytest.mark.asyncio
async def test_time_that_is_up_is_a_failure_of_its_own(shop: Shop) -> None:
    """Also for a program that then ends well."""
    ending = await shop.run("trap 'exit 0' TERM; while :; do sleep 0.01; done", timeout=0.2)
    assert (ending.exit_code, ending.error_code) == (0, "Timeout")
    assert ending.error_message == "the program was stopped after 0.2 seconds"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"package_path": "oss://demo/none.tar.gz"}, "PackageNotFound"),
        ({"package_path": "oss://demo/broken.tar.gz"}, "PackageInvalid"),
        ({"input_mapping": {"oss://demo/none": "a"}}, "InputNotFound"),
        ({"env": {"A": "a\0b"}}, "ProgramNotStarted"),
        ({"env": {"A=B": "c"}}, "ProgramNotStarted"),
        ({"env": {"A": "\ud800"}}, "ProgramNotStarted"),
        ({"env": {"A": "a" * 3_000_000}}, "ProgramNotStarted"),
        ({"command_line": "echo \0"}, "ProgramNotStarted"),
        ({"input_mapping": {"oss://demo/broken.tar.gz": "\ud800"}}, "ProgramNotStarted"),
    ],
)
async def test_what_keeps_a_program_from_starting_is_told(changes: dict[str, Any], code: str, shop: Shop) -> None:
    """In the ending, and where the program would have told: in its stderr."""
    (shop.bucket / "broken.tar.gz").write_bytes(b"broken")
    ending = await shop.run(**changes)
    assert (ending.exit_code, ending.error_code) == (NO_EXIT_CODE, code)
    assert shop.log("stderr").strip() == ending.detail.strip() == ending.error_message.strip() != ""
    assert shop.left() == []


@pytest.mark.asyncio
async def test_a_fault_of_the_emulator_fails_the_run_only(tmp_path: Path) -> None:
    """Other runs, and the emulator, go on."""

    def fail() -> str:
        raise LookupError("no host")

    ending = await Shop(tmp_path, oss_host=fail).run()
    assert (ending.exit_code, ending.error_code) == (NO_EXIT_CODE, "InternalError")
    assert ending.error_message == "the emulator failed: no host"


@pytest.mark.asyncio
async def test_logs_without_a_place_are_told(shop: Shop) -> None:
    """Before the program runs in vain."""
    ending = await shop.run("echo >ran", stdout_dir="oss://BAD/logs/")
    assert (ending.exit_code, ending.error_code) == (NO_EXIT_CODE, "RedirectFailed")
    assert "oss://BAD/logs/stdout.job-1.count.0" in ending.error_message


@pytest.mark.asyncio
async def test_a_task_may_redirect_nothing(shop: Shop) -> None:
    """Then only the end of stderr is known."""
    ending = await shop.run("echo out; echo err >&2; exit 1", stdout_dir="", stderr_dir="")
    assert ending.detail == "err\n"
    assert list(shop.bucket.iterdir()) == []


@pytest.mark.asyncio
async def test_missing_output_fails_a_program_that_ended_well_only(shop: Shop) -> None:
    """One that failed has nobody to disappoint, and what it made is stored."""
    mapping = {"made": "oss://demo/made", "none": "oss://demo/none"}
    ending = await shop.run("echo 1 >made", output_mapping=mapping)
    assert (ending.exit_code, ending.error_code) == (0, "OutputNotFound")
    ending = await shop.run("echo 2 >made; exit 3", output_mapping=mapping)
    assert (ending.exit_code, ending.error_code) == (3, "ProgramFailed")
    assert (shop.bucket / "made").read_text() == "2\n"


@pytest.mark.asyncio
async def test_logs_of_a_failed_program_are_stored(shop: Shop) -> None:
    """They are needed most then."""
    await shop.run("echo log >app.log; exit 1", log_mapping={"app.log": "oss://demo/logs/"})
    assert (shop.bucket / "logs/app.log.job-1.count.0").read_text() == "log\n"


@pytest.mark.asyncio
async def test_names_that_no_file_can_have_are_told(shop: Shop) -> None:
    """In mappings that are looked at only afterwards, too."""
    ending = await shop.run(log_mapping={"x" * 300: "oss://demo/logs/"})
    assert (ending.exit_code, ending.error_code) == (0, "OutputFailed")


@pytest.mark.asyncio
async def test_endless_output_fills_neither_memory_nor_disk(tmp_path: Path) -> None:
    """Its beginning is kept, with a note; the program goes on."""
    shop = Shop(tmp_path, log_bytes=1000)
    assert await shop.run("head -c 20000000 /dev/zero; echo done >&2") == Ending(0, "", "", "done\n")
    assert shop.log("stdout") == "\0" * 1000 + "\n[the emulator keeps 1000 bytes of output and dropped the rest]\n"


@pytest.mark.asyncio
async def test_a_package_may_be_too_large(tmp_path: Path) -> None:
    """Unpacked, that is."""
    shop = Shop(tmp_path, package_bytes=1000)
    (shop.bucket / "p").write_bytes(packed({"large": "0" * 1000}))
    assert (await shop.run(package_path="oss://demo/p")).error_code == "PackageInvalid"


@pytest.mark.asyncio
async def test_output_is_seen_while_the_program_runs_and_a_cancelled_run_leaves_nothing(shop: Shop) -> None:
    """What it wrote stays; its processes and its directory do not."""
    os.mkfifo(shop.bucket / "ready")
    async with asyncio.TaskGroup() as group:
        run = group.create_task(shop.run(f"echo working; chmod 0 .; echo >{shop.bucket}/ready; sleep 1000 & wait"))
        await asyncio.to_thread((shop.bucket / "ready").read_text)
        while shop.log("stdout") != "working\n":  # noqa: ASYNC110 - a file rings no bell
            await asyncio.sleep(0)
        assert alive(str(shop.runs)) != []
        run.cancel()
    assert run.cancelled()
    assert alive(str(shop.runs)) == []
    assert shop.left() == []
    assert shop.log("stdout") == "working\n"


@pytest.mark.asyncio
async def test_each_run_has_a_fresh_directory(shop: Shop) -> None:
    """Also a second run of the same instance, whose logs replace those of the first."""
    for attempt in range(2):
        assert await shop.run("ls -A; touch trace", attempt=attempt) == SUCCESS
        assert shop.log("stdout") == ""


@pytest.mark.asyncio
async def test_two_executors_know_nothing_of_each_other(tmp_path: Path) -> None:
    """The end of one's run does not end the other's."""
    one, other = Shop(tmp_path / "one"), Shop(tmp_path / "other")
    os.mkfifo(tmp_path / "go")
    async with asyncio.TaskGroup() as group:
        long = group.create_task(one.run(f"cat {tmp_path}/go; echo done"))
        assert await other.run() == SUCCESS
        await asyncio.to_thread((tmp_path / "go").write_bytes, b"")
    assert long.result() == SUCCESS
    assert one.log("stdout") == "done\n"
