import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from monitor.emulator.server import EmulatorOptions, serve
from tests.emulator.batchcompute.client import Client, job

PLACES = ("<html", "ODPS-", '"emulated"', '"HostId"', "<HostId>")
ENDLESS = "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r"


@pytest.mark.asyncio
async def test_it_says_where_it_is(visit: Any) -> None:
    """On a free port of its own."""
    async with visit(host="localhost") as site:
        assert site.emulator.url == f"http://localhost:{site.emulator.port}"
        assert site.emulator.endpoint == f"{site.emulator.url}/api"


@pytest.mark.asyncio
async def test_two_emulators_do_not_know_each_other(visit: Any) -> None:
    """There is nothing global."""
    async with visit(speed=0) as one, visit(speed=0) as other:
        (id_,) = await one.script()
        path = f"/projects/demo/instances/{id_}"
        assert (await one.get(path)).status == 200
        assert (await other.get(path)).status == 404


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "emulator.example", "::"])
async def test_it_listens_to_this_machine_only(host: str) -> None:
    """Unless one allows others on purpose; the message says how."""
    with pytest.raises(ValueError, match=rf"host: '{host}' is not a loopback address.*allow"):
        async with serve(EmulatorOptions(host=host)):
            pytest.fail("it serves")


@pytest.mark.asyncio
async def test_others_can_be_allowed_on_purpose() -> None:
    """Then it listens everywhere."""
    async with serve(EmulatorOptions(host="0.0.0.0", allow_remote=True)) as emulator:
        assert emulator.port > 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("options", "why"), [({"projects": ()}, "projects: name at least one"), ({"speed": -1}, "speed")]
)
async def test_senseless_options_are_refused(options: dict[str, Any], why: str) -> None:
    """Before anything is opened."""
    with pytest.raises(ValueError, match=why):
        async with serve(EmulatorOptions(**options)):
            pytest.fail("it serves")


@pytest.mark.asyncio
async def test_a_taken_port_is_an_error_of_the_system() -> None:
    """And leaves nothing running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            async with serve(EmulatorOptions(port=taken.getsockname()[1])):
                pytest.fail("it serves")


@pytest.mark.asyncio
async def test_what_the_block_raises_comes_out_as_it_is(visit: Any) -> None:
    """Not wrapped in a group."""
    with pytest.raises(KeyError, match="mine"):
        async with visit(lively=True):
            raise KeyError("mine")


@pytest.mark.asyncio
async def test_a_lively_one_keeps_both_services_busy(visit: Any) -> None:
    """Instances and jobs are alive as soon as it serves, and a quiet one has none."""
    async with visit(lively=True) as site:
        await site.session.get(f"{site.emulator.url}/-/emulator/clock")
        assert site.emulator.maxcompute.book.live("demo")
        assert site.emulator.batchcompute.book.live()
    async with visit() as site:
        assert not site.emulator.maxcompute.book.live("demo")
        assert not site.emulator.batchcompute.book.live()


@pytest.mark.asyncio
async def test_every_service_has_its_place_on_the_one_port(visit: Any) -> None:
    """Hosts of OSS belong to OSS whatever the path says, and so do paths that nobody else has."""
    async with visit() as site:

        async def ask(path: str, host: str = "localhost") -> tuple[int, str]:
            async with site.session.get(f"{site.emulator.url}{path}", headers={"Host": host}) as answer:
                text = await answer.text()
                return answer.status, next(word for word in PLACES if word in text)

        assert await ask("/api/tenants") == (401, "ODPS-")
        assert await ask("/logview/") == (401, "<html")
        assert await ask("/-/emulator/clock") == (200, '"emulated"')
        for path in ("/jobs", "/jobs/x/y/z", "/quotas", "/available", "/clusters", "/images", "/apps"):
            assert (await ask(path))[1] == '"HostId"'
            assert (await ask(path, "bucket.oss-local.aliyuncs.com"))[1] == "<HostId>"
        assert (await ask("/bucket/key"))[1] == "<HostId>"
        assert (await ask("/jobsite/key"))[1] == "<HostId>"


@pytest.mark.asyncio
async def test_programs_learn_where_oss_is(visit: Any) -> None:
    """At the emulator's own address, whichever port it got."""
    async with visit(speed=1000, programs_at_once=1) as site:
        client = Client(site)
        id_ = await client.submit(job('test "$BATCH_COMPUTE_OSS_HOST" = ' + f"127.0.0.1:{site.emulator.port}"))
        async with asyncio.timeout(20):
            while (shown := await client.get(f"/jobs/{id_}"))["State"] not in ("Finished", "Failed"):
                assert shown["InstanceMetrics"]["RunningCount"] <= 1
        assert shown["State"] == "Finished"


@pytest.mark.asyncio
async def test_objects_stay_in_the_folder_of_ones_own(visit: Any, tmp_path: Path) -> None:
    """What lies there can be read, and what is written there outlives the emulator."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "old.txt").write_text("before")
    async with visit(oss=tmp_path) as site:
        async with site.session.get(f"{site.emulator.url}/mine/old.txt") as answer:
            assert await answer.text() == "before"
        client = Client(site)
        source = job("echo kept", InstanceCount=1)
        source["DAG"]["Tasks"]["count"]["Parameters"]["StdoutRedirectPath"] = "oss://mine/logs/"
        id_ = await client.submit(source)
        async with asyncio.timeout(20):
            while (await client.get(f"/jobs/{id_}"))["State"] != "Finished":
                pass
    (log,) = (tmp_path / "mine" / "logs").glob("stdout.*")
    assert log.read_text() == "kept\n"


@pytest.mark.asyncio
async def test_it_stops_at_once_whatever_goes_on(visit: Any) -> None:
    """Endless queries, programs of jobs, held requests and the workload end within a second or so."""
    async with asyncio.TaskGroup() as tasks:
        async with visit(lively=True) as site:
            for _ in range(12):
                id_ = await site.submit(ENDLESS)
            await Client(site).submit(job("sleep 60", InstanceCount=5))
            held = tasks.create_task(site.get(f"/projects/demo/instances/{id_}?instancestatus"))
            while site.instance(id_).bell is None:
                await site.get("/tenants")
            began = time.monotonic()
            site.emulator.maxcompute.book.close()
            assert (await held).find("Status") == "Running"
        assert time.monotonic() - began < 2
