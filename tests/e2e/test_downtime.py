"""Nobody looked for a while: what happened meanwhile is found, and told once."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest

from tests.e2e.eventually import eventually
from tests.e2e.processes import BATCHCOMPUTE, MAXCOMPUTE, config, running
from tests.e2e.receiver import receiving
from tests.e2e.sdk import Sdk
from tests.e2e.workload import TERMINAL, asked, instances, pending, submit, turn_clock

AWAY = 600.0  # emulated seconds
ROUNDS = 10
OFTEN = {"sweep_every": "500ms", "reconcile_every": "500ms"}
Instances: TypeAlias = dict[str, dict[str, Any]]


# By which operation a service lists what has ended, and how many requests that is: Batch Compute is asked with the same
# one for each of five states, two of what is live and three of what has ended.
LISTINGS = {MAXCOMPUTE: ("list", 1), BATCHCOMPUTE: ("ListJobs", 5)}


@asynccontextmanager
async def watching(
    http: aiohttp.ClientSession, file: Path, emulator: str, kind: str
) -> AsyncIterator[Callable[[Callable[[Instances], bool]], Awaitable[Instances]]]:
    """A daemon, which can be waited for until it shows something. It lives until it has listed twice what has ended,
    and has nothing left to deliver."""
    operation, requests = LISTINGS[kind]
    enough = 2 * requests + await asked(http, emulator, operation)
    with running(["serve", "--config", str(file)]) as daemon:
        yield partial(eventually, partial(instances, http, daemon.url))
        await eventually(partial(asked, http, emulator, operation), lambda count: count >= enough)
        await eventually(partial(pending, http, daemon.url), lambda left: left == 0)
        assert daemon.end() == 0


def phases(shown: Instances) -> dict[str, str]:
    """How each stands."""
    return {id_: one["phase"] for id_, one in shown.items()}


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", LISTINGS)
async def test_ten_minutes_away(tmp_path: Path, kind: str) -> None:
    """While the daemon is down, a hundred instances begin and end, ten of them failing, and so do two that it knew:
    afterwards it knows the end of each, and each failure was alerted once, also after another restart."""
    file, store = tmp_path / "stagewatch.yaml", tmp_path / "stagewatch.db"
    async with receiving() as receiver, aiohttp.ClientSession() as http:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=store, hook=receiver.url, kinds=[kind], **OFTEN))
            await turn_clock(http, emulator.url, speed=0)
            begin = partial(submit, http, emulator.url, kind=kind)
            succeeding = await begin(1, seconds=AWAY / 2)
            failing = await begin(1, seconds=AWAY / 2, outcome="failed")
            async with watching(http, file, emulator.url, kind) as shows:
                await shows(lambda found: len(found) == 2)

            for turn in range(ROUNDS):
                seconds = (turn + 1) / ROUNDS * AWAY / ROUNDS / 1.1  # the queue comes on top
                succeeding += await begin(9, seconds=seconds)
                failing += await begin(1, seconds=seconds, outcome="failed")
                await turn_clock(http, emulator.url, advance=AWAY / ROUNDS)
            expected = dict.fromkeys(succeeding, "succeeded") | dict.fromkeys(failing, "failed")
            assert Counter(expected.values()) == {"succeeded": 91, "failed": 11}

            for _ in range(2):
                async with watching(http, file, emulator.url, kind) as shows:
                    shown = await shows(
                        lambda found: found.keys() == expected.keys() and set(phases(found).values()) <= TERMINAL
                    )
                assert phases(shown) == expected

    told = [body["alerts"][0]["labels"]["instance"] for _, body in receiver.requests]
    assert sorted(told) == sorted(failing)
    assert len({key for key, _ in receiver.requests}) == len(failing)


@pytest.mark.asyncio
async def test_started_again_while_away(tmp_path: Path) -> None:
    """Two jobs failed, and the team was told. While the daemon is down both are started again; one fails a second time
    and is told a second time, the other succeeds. That the first ones of these ends were known hides nothing."""
    file, store = tmp_path / "stagewatch.yaml", tmp_path / "stagewatch.db"
    async with receiving() as receiver, aiohttp.ClientSession() as http:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=store, hook=receiver.url, kinds=[BATCHCOMPUTE], **OFTEN))
            await turn_clock(http, emulator.url, speed=0)
            begin = partial(submit, http, emulator.url, 1, kind=BATCHCOMPUTE, seconds=30, outcome="failed")
            (again,) = await begin(again="failed")
            (mended,) = await begin()
            await turn_clock(http, emulator.url, advance=60)
            async with watching(http, file, emulator.url, BATCHCOMPUTE) as shows:
                await shows(lambda found: phases(found) == dict.fromkeys((again, mended), "failed"))
            assert len(receiver.requests) == 2

            sdk = Sdk(emulator.url)
            for job in (again, mended):
                sdk.start_job(job)
            await turn_clock(http, emulator.url, advance=60)
            for _ in range(2):
                async with watching(http, file, emulator.url, BATCHCOMPUTE) as shows:
                    await shows(lambda found: phases(found) == {again: "failed", mended: "succeeded"})
                    await shows(lambda found: all(one["attempt"] == 2 for one in found.values()))

    told = Counter(body["alerts"][0]["labels"]["instance"] for _, body in receiver.requests)
    assert told == {again: 2, mended: 1}
    assert len({key for key, _ in receiver.requests}) == 3
