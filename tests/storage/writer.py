"""A process that commits until it dies: `python writer.py FILE [LIMIT]`, with LIMIT the largest file it may write.

Batch N saves the same TRACKS tracks with `absences` N, two events for each, one alert for two channels, and the
checkpoint of minute N. It prints `ready`, then `N` after each commit, and `.` again and again while one is under way.
"""

import asyncio
import resource
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.core.alerting import Alert
from monitor.core.events import Contradicted, Discovered
from monitor.core.model import InstanceKey, Phase, Track
from monitor.storage.base import Batch, Record, StorageError
from monitor.storage.section import SqliteSection
from monitor.storage.sqlite import open_sqlite

TRACKS = 30
AT = datetime(2026, 1, 1, tzinfo=UTC)


def batch(turn: int) -> Batch:
    keys = [InstanceKey("s", "p", f"i{number}") for number in range(TRACKS)]
    first = (turn - 1) * TRACKS * 2 + 1
    events = [event for key in keys for event in (Discovered(AT, key), Contradicted(AT, key, Phase.FAILED, "no"))]
    labels = {"source": "s", "project": "p"}
    alert = Alert(f"alert {turn}", "Rule", "critical", keys[0], turn, AT, AT, labels, {}, ("one", "two"))
    return Batch(
        tuple(Record(seq, event, None) for seq, event in enumerate(events, first)),
        tuple(Track(key, "maxcompute", Phase.FAILED, name="x" * 300, absences=turn) for key in keys),
        (alert,),
        {("s", "p"): AT + turn * timedelta(minutes=1)},
    )


def under_way() -> None:
    print(".", flush=True)


async def main(path: Path) -> None:
    async with open_sqlite(SqliteSection(path=path)) as storage:
        turn = await storage.last_seq() // (TRACKS * 2)
        await storage._writer.run(lambda: storage._file.db.set_progress_handler(under_way, 1000))
        print("ready", flush=True)
        while True:
            turn += 1
            await storage.commit(batch(turn))
            print(turn, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        asyncio.run(main(Path(sys.argv[1])))
    except StorageError as error:
        print(error, flush=True)
