"""How long until a team hears of a failure. Run: `python -m tests.benchmarks.latency [--failures 200] [--seconds 40]`

The emulator and the daemon are real processes; a webhook in this one takes the alerts. Failures end at moments that the
emulator was told, spread at random over the run, among as many instances that succeed and a thousand that go on.
"""

import argparse
import asyncio
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import time  # noqa: TID251 - a benchmark measures time

import aiohttp
from aiohttp import web

from tests.e2e.eventually import eventually
from tests.e2e.processes import config, running
from tests.e2e.workload import phases, submit

LIVE = 1000
FAILS_AFTER = 0.6  # of its time, as the emulator does it


class Webhook:
    """When each instance's alert arrived, in seconds since 1970."""

    def __init__(self) -> None:
        self.arrived: dict[str, float] = {}
        self._one_more = asyncio.Condition()

    async def take(self, request: web.Request) -> web.Response:
        at = time()
        async with self._one_more:
            for alert in (await request.json())["alerts"]:
                self.arrived.setdefault(alert["labels"]["instance"], at)
            self._one_more.notify_all()
        return web.Response()

    async def until(self, count: int, within: float) -> None:
        """Wait for the alerts of so many instances."""
        async with asyncio.timeout(within), self._one_more:
            await self._one_more.wait_for(lambda: len(self.arrived) >= count)


def configure(folder: str, emulator: str, hook: str, sweep_every: str, per_second: float) -> Path:
    """The config file of the daemon."""
    file, store = Path(folder, "stagewatch.yaml"), Path(folder, "stagewatch.db")
    pace = {"sweep_every": sweep_every, "reconcile_every": "30s"}
    file.write_text(config(emulator, store=store, hook=hook, requests_per_second=per_second, **pace))
    return file


async def measure(failures: int, seconds: float, seed: int, *, sweep_every: str, per_second: float) -> list[float]:
    """Seconds from each failure to its alert, sorted."""
    chance, webhook = Random(seed), Webhook()
    application = web.Application()
    application.router.add_post("/hook", webhook.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    ended: dict[str, float] = {}
    with TemporaryDirectory() as folder, running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
        file = configure(folder, emulator.url, hook, sweep_every, per_second)
        async with aiohttp.ClientSession() as http:
            await submit(http, emulator.url, LIVE, seconds=36_000, wait=0.0)
            with running(["serve", "--config", str(file)]) as daemon:
                await eventually(lambda: phases(http, daemon.url), lambda found: len(found) == LIVE)
                for _ in range(failures):
                    lasts = chance.uniform(0.1, 1.0) * seconds
                    began = time()
                    (name,) = await submit(
                        http, emulator.url, 1, seconds=lasts / FAILS_AFTER, wait=0.0, outcome="failed"
                    )
                    ended[name] = (began + time()) / 2 + lasts
                    await submit(http, emulator.url, 1, seconds=lasts, wait=0.0)
                await webhook.until(failures, seconds + 120)
    await runner.cleanup()
    return sorted(webhook.arrived[name] - at for name, at in ended.items())


def main() -> None:
    """Print the distribution."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failures", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=40.0, help="over which they are spread")
    parser.add_argument("--sweep-every", default="2s")
    parser.add_argument("--requests-per-second", type=float, default=100.0, help="20 are too few for ten ends a second")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    late = asyncio.run(
        measure(
            asked.failures,
            asked.seconds,
            asked.seed,
            sweep_every=asked.sweep_every,
            per_second=asked.requests_per_second,
        )
    )
    print(
        f"{len(late)} failures among {LIVE} live instances, a sweep every {asked.sweep_every}, "
        f"{asked.requests_per_second:g} requests/s: from the end of the instance to the webhook"
    )
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
        print(f"  {name} {late[min(len(late) - 1, int(len(late) * share))]:6.2f} s")


if __name__ == "__main__":
    main()
