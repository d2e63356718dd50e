from typing import Any

import pytest

from monitor.emulator.plan import Outcome, Phase

ENDLESS = "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r"


def _settings(**seconds: float) -> str:
    return "{" + ", ".join(f'"emulator.{key}": "{value}"' for key, value in seconds.items()) + "}"


@pytest.mark.asyncio
async def test_settings_say_how_long_a_query_takes(visit: Any) -> None:
    """In emulated seconds, with or without a time in the queue."""
    async with visit(speed=0) as site:
        plain = await site.drafted(await site.submit("select 1"))
        assert 2 < plain.plan.ends < 5
        asked = await site.drafted(await site.submit("select 1", _settings(seconds=90)))
        assert asked.plan.ends == 90
        assert asked.plan.wait == 0.5
        queued = await site.drafted(await site.submit("set emulator.wait=30; select 1", _settings(seconds=90)))
        assert (queued.plan.ends, queued.plan.wait) == (120, 30)


@pytest.mark.asyncio
@pytest.mark.parametrize("value", ["soon", "-1", "0", "inf", "nan"])
async def test_a_senseless_setting_fails_the_query(visit: Any, value: str) -> None:
    """With the name of the setting."""
    async with visit(speed=0) as site:
        instance = await site.drafted(await site.submit(f"set emulator.seconds={value}; select 1"))
        assert instance.plan.outcome is Outcome.FAILED
        assert "setting emulator.seconds must be a number of seconds above 0" in instance.result.text


@pytest.mark.asyncio
async def test_what_does_not_compile_fails_at_once(visit: Any) -> None:
    """Without stages, and with nothing left to wait for."""
    async with visit(speed=0) as site:
        instance = await site.drafted(await site.submit("select * from nope;"))
        assert site.emulator.maxcompute.book.ended(instance)
        assert instance.plan.stages == ()
        assert instance.result.text == "ODPS-0130131:[1,15] Table not found - table demo.nope cannot be resolved"


@pytest.mark.asyncio
async def test_what_fails_at_run_time_fails_part_way(visit: Any) -> None:
    """Some stage has begun, and the message waits for that moment."""
    async with visit(speed=0) as site:
        query = "select cast(name as bigint) as a, count(*) from pyodps_iris group by cast(name as bigint);"
        id_ = await site.submit(query, _settings(seconds=100))
        instance = await site.drafted(id_)
        assert instance.plan.outcome is Outcome.FAILED
        assert instance.plan.wait < instance.plan.ends < 100
        assert instance.plan.phase(20) is Phase.RUNNING
        path = f"/projects/demo/instances/{id_}"
        assert (await site.get(f"{path}?result")).find("Tasks/Task/Result") == ""
        await site.advance(100)
        assert (await site.get(f"{path}?result")).find("Tasks/Task/Result").startswith("ODPS-0123091:")
        progress = await site.get(f"{path}?instanceprogress=AnonymousSQLTask&taskname=AnonymousSQLTask")
        assert "FAILED" in progress.find_all("Stage/Status")


@pytest.mark.asyncio
async def test_a_query_that_takes_longer_than_its_plan_holds_it_up(visit: Any) -> None:
    """The last worker goes on until the query gives up."""
    async with visit(speed=1000, sql_limit=0.3) as site:
        id_ = await site.submit(ENDLESS, _settings(seconds=1))
        instance = site.instance(id_)
        while not instance.plan.stages:
            await site.emulator.maxcompute.book.wait_for_end(instance, 0.02)
        await site.advance(1000)
        views = instance.plan.views(site.emulator.maxcompute.book.elapsed(instance))
        assert [view.running for view in views] == [0, 1]
        assert await site.finished(id_) == "Failed"
        assert "kInstanceMonitorTimeout" in instance.result.text


@pytest.mark.asyncio
async def test_a_fault_of_the_emulator_fails_one_query_only(visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on."""
    async with visit(speed=1000) as site:
        engine = site.emulator.maxcompute.sql._engine

        def broken(*_: object) -> None:
            raise KeyError("bug")

        with monkeypatch.context() as patch:
            patch.setattr(engine, "compile", broken)
            id_ = await site.submit("select 1")
            assert await site.finished(id_) == "Failed"
        assert site.instance(id_).result.text == "ODPS-0010000:System internal error - the emulator failed: KeyError"
        assert await site.finished(await site.submit("select 1")) == "Success"
