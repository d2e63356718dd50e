"""The real daemon while short instances pass through: `python -m tests.soak.memory [--rate 50] [--first N] [--last N]`

Retention cannot be shorter than what listings of the ended overlap by, so the daemon holds about seven minutes of
instances. Exits 1 if, after the last one, it takes over a fifth more memory than after the first mark.
"""

import argparse
import asyncio
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from tests.e2e.processes import Running, config, running
from tests.e2e.receiver import receiving
from tests.e2e.workload import submit

RETENTION = "successes: 6m, failures: 6m"


def resident(daemon: Running) -> float:
    """Megabytes of memory that it occupies."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1000


def configure(folder: str, emulator: str, hook: str) -> Path:
    """The config file of the daemon."""
    file, store = Path(folder, "stagewatch.yaml"), Path(folder, "stagewatch.db")
    text = config(emulator, store=store, hook=hook, reconcile_every="30s", requests_per_second=1000)
    file.write_text(text.replace(f"path: {store}", f"path: {store}, retention: {{{RETENTION}}}"))
    return file


async def ended(http: aiohttp.ClientSession, daemon: str) -> int:
    """How many instances it has seen the end of."""
    async with http.get(f"{daemon}/metrics") as answer:
        counts = re.findall(r"^stagewatch_terminations_total\{.*\} (\d+)", await answer.text(), re.MULTILINE)
    return sum(map(int, counts))


async def measure(rate: int, marks: tuple[int, int]) -> list[float]:
    """Memory at each mark."""
    taken: list[float] = []
    submitted = 0
    with TemporaryDirectory() as folder, running(["emulate", "--listen", "127.0.0.1:0"]) as emulator:
        async with receiving() as receiver, aiohttp.ClientSession() as http:
            with running(["serve", "--config", str(configure(folder, emulator.url, receiver.url))]) as daemon:
                for mark in marks:
                    while (done := await ended(http, daemon.url)) < mark:
                        if submitted - done < rate * 20:  # it keeps up
                            await submit(http, emulator.url, rate - rate // 50, seconds=0.5)
                            await submit(http, emulator.url, rate // 50, seconds=0.5, outcome="failed")
                            submitted += rate
                        await asyncio.sleep(1.0)
                    taken.append(resident(daemon))
                    alerts = len({key for key, _ in receiver.requests})
                    print(f"after {done} instances: {taken[-1]:.1f} MB, {alerts} alerts", flush=True)
    return taken


def main() -> None:
    """Print what it took, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=50, help="instances a second")
    parser.add_argument("--first", type=int, default=20_000)
    parser.add_argument("--last", type=int, default=200_000)
    asked = parser.parse_args()
    first, last = asyncio.run(measure(asked.rate, (asked.first, asked.last)))
    sys.exit(last > first * 1.2)


if __name__ == "__main__":
    main()
