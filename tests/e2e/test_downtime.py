"""Nobody looked for a while: what happened meanwhile is found, and told once."""

from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.eventually import eventually
from tests.e2e.processes import config, running
from tests.e2e.receiver import receiving
from tests.e2e.workload import TERMINAL, asked, pending, phases, submit, turn_clock

AWAY = 600.0  # emulated seconds
ROUNDS = 10


@pytest.mark.asyncio
async def test_ten_minutes_away(tmp_path: Path) -> None:
    """While the daemon is down, a hundred instances begin and end, ten of them failing, and so do two that it knew:
    afterwards it knows the end of each, and each failure was alerted once, also after another restart."""
    file, store = tmp_path / "stagewatch.yaml", tmp_path / "stagewatch.db"
    async with receiving() as receiver, aiohttp.ClientSession() as http:
        with running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
            file.write_text(config(emulator.url, store=store, hook=receiver.url))
            await turn_clock(http, emulator.url, speed=0)
            succeeding = await submit(http, emulator.url, 1, seconds=AWAY / 2)
            failing = await submit(http, emulator.url, 1, seconds=AWAY / 2, outcome="failed")
            with running(["serve", "--config", str(file)]) as daemon:
                await eventually(lambda: phases(http, daemon.url), lambda found: len(found) == 2)
                assert daemon.end() == 0

            for turn in range(ROUNDS):
                seconds = (turn + 1) / ROUNDS * AWAY / ROUNDS / 1.1  # the queue comes on top
                succeeding += await submit(http, emulator.url, 9, seconds=seconds)
                failing += await submit(http, emulator.url, 1, seconds=seconds, outcome="failed")
                await turn_clock(http, emulator.url, advance=AWAY / ROUNDS)
            expected = dict.fromkeys(succeeding, "succeeded") | dict.fromkeys(failing, "failed")
            assert Counter(expected.values()) == {"succeeded": 91, "failed": 11}

            for _ in range(2):
                listings = await asked(http, emulator.url, "list")
                with running(["serve", "--config", str(file)]) as daemon:
                    shown = await eventually(
                        lambda: phases(http, daemon.url),
                        lambda found: found.keys() == expected.keys() and set(found.values()) <= TERMINAL,
                    )
                    await eventually(
                        lambda: asked(http, emulator.url, "list"), lambda count, before=listings: count >= before + 2
                    )
                    await eventually(lambda: pending(http, daemon.url), lambda left: left == 0)
                    assert daemon.end() == 0
                assert shown == expected

    told = [body["alerts"][0]["labels"]["instance"] for _, body in receiver.requests]
    assert sorted(told) == sorted(failing)
    assert len({key for key, _ in receiver.requests}) == len(failing)
