"""The web side of a daemon without its line: a real server fed by hand, and a source that answers from a dictionary."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from socket import create_server
from types import SimpleNamespace
from typing import Any

import aiohttp
import anyio
import msgspec

from monitor.core.alerting import Alert, fingerprint
from monitor.core.events import AnyEvent, Gone, PhaseChanged, Seen, Swept
from monitor.core.health import Health
from monitor.core.model import Failure, InstanceKey, Phase, Stage, Task, Track
from monitor.core.tracker import Policy, step
from monitor.engine.attention import Attention
from monitor.engine.board import Board
from monitor.engine.bus import Bus
from monitor.engine.control import Control
from monitor.engine.hearing import Hearing
from monitor.engine.reports import FeedStats
from monitor.sources.base import Check, Detail, Page, Priority, Reason, SourceError
from monitor.sources.ingest import IngestSection, LineIntake
from monitor.storage.base import Batch, Record
from monitor.storage.memory import MemoryStorage
from monitor.web.parts import FeedLimits, Parts, Readiness, ReloadError
from monitor.web.server import build_web
from monitor.web.serving import serving

NOON = datetime(2016, 5, 19, 12, 0, tzinfo=UTC)
HEARD = IngestSection.model_validate({"type": "ingest", "name": "private", "projects": ["p1", "p2"]})
HOSTILE = (
    'O\'Brien "quoted"',
    "two\nlines\r\nand more",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "x" * 10_000,
    "nul\0byte",
    "\u202eright to left\u202c",
)


def key(instance_id: str, project: str = "analytics", source: str = "warehouse") -> InstanceKey:
    """A key in the project that most tests use."""
    return InstanceKey(source, project, instance_id)


def track(of: str | InstanceKey, phase: Phase = Phase.RUNNING, **fields: Any) -> Track:
    """A track as it stands at noon."""
    known: dict[str, Any] = {"kind": "maxcompute", "native_status": "Running", "created_at": NOON, "observed_at": NOON}
    return Track(key=key(of) if isinstance(of, str) else of, phase=phase, **{**known, **fields})


def staged(of: str | InstanceKey, terminated: int, running: int = 1, total: int = 10, **fields: Any) -> Track:
    """A running track with two stages: the first has come this far, the second waits for it."""
    stages = (
        Stage("M1_Stg1_job0", running, terminated, total, percent=100 * terminated // total),
        Stage("R2_1_Stg1_job0", 0, 0, 4),
    )
    return track(of, tasks=(Task("AnonymousSQLTask", "SQL", Phase.RUNNING, NOON, None, stages),), **fields)


def failed(of: str | InstanceKey, message: str = "Table not found", **fields: Any) -> Track:
    """A track whose one task failed."""
    failure = Failure("AnonymousSQLTask", "ODPS-0130131", message)
    return track(of, Phase.FAILED, ended_at=NOON, failure=failure, **fields)


def moved(before: Track | None, after: Track) -> PhaseChanged:
    """The event between two states."""
    return PhaseChanged(NOON, after.key, before.phase if before else None, after.phase, after.attempt)


def alert(number: int, of: InstanceKey | None, **fields: Any) -> Alert:
    """The alert about a failure; a higher number is a later one."""
    labels = {"alertname": "InstanceFailed", "severity": "critical", "source": "warehouse", "project": "analytics"}
    known: dict[str, Any] = {
        "id": fingerprint(str(number)),
        "rule": "InstanceFailed",
        "severity": "critical",
        "key": of,
        "attempt": 1,
        "at": NOON + timedelta(seconds=number),
        "started_at": NOON,
        "labels": labels,
        "annotations": {"summary": "failed"},
        "channels": ("ops",),
    }
    return Alert(**{**known, **fields})


@dataclass
class FakeService:
    """A source that knows what a test tells it, and fails as a test tells it."""

    name: str = "warehouse"
    kind: str = "maxcompute"
    projects: tuple[str, ...] = ("analytics",)
    known: dict[str, Phase] = field(default_factory=dict)
    fails: SourceError | None = None
    lags: bool = False  # for a while it shows nothing of a restart
    more_results: dict[str, str] = field(default_factory=dict)  # by task
    asked: Counter[str] = field(default_factory=Counter)
    submitted: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # job descriptions by token

    def _answer(self, operation: str) -> None:
        self.asked[operation] += 1
        if self.fails is not None:
            raise self.fails

    async def sweep(self, project: str) -> AsyncIterator[Page]:
        self._answer("sweep")
        ids = tuple(self.known) if project in self.projects else ()
        yield Page(NOON, ids, ())

    async def ended(self, project: str, since: datetime) -> AsyncIterator[Page]:
        self._answer("ended")
        yield Page(max(NOON, since), (), ()) if project in self.projects else Page(NOON, (), ())

    def discovers(self, seen: Seen) -> bool:
        return seen.key.source == self.name

    async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
        self._answer(f"inspect {want} {priority.name}")
        phase = self.known.get(key.id)
        if phase is None:
            return Gone(key, NOON)
        return Seen(key=key, at=NOON, kind=self.kind, phase=phase, native_status="Running", created_at=NOON)

    async def stop(self, key: InstanceKey) -> None:
        self._answer("stop")
        if self.known.get(key.id) is not Phase.RUNNING:
            raise SourceError(Reason.CONFLICT, f"{key.id} has already ended")
        self.known[key.id] = Phase.CANCELLED

    async def restart(self, key: InstanceKey) -> None:
        self._answer("restart")
        if self.known.get(key.id) not in {Phase.FAILED, Phase.CANCELLED}:
            raise SourceError(Reason.CONFLICT, f"{key.id} has neither failed nor been stopped")
        self.known[key.id] = self.known[key.id] if self.lags else Phase.RUNNING

    async def submit(self, project: str, job: Mapping[str, Any], token: str) -> InstanceKey:
        self._answer("submit")
        if token not in self.submitted:
            self.submitted[token] = job
            self.known[f"job-{token}"] = Phase.WAITING
        return InstanceKey(self.name, project, f"job-{token}")

    async def results(self, key: InstanceKey) -> dict[str, str]:
        self._answer("results")
        return {"AnonymousSQLTask": f"id\n{key.id}\n", **self.more_results}

    async def logview(self, key: InstanceKey, hours: int | None) -> str:
        self._answer("logview")
        return f"http://logview.example/?i={key.id}&hours={hours}&token=t0k3n"

    async def examine(self, project: str) -> AsyncIterator[Check]:
        self._answer("examine")
        yield Check(name="project", ok=project in self.projects, detail=project)

    async def aclose(self) -> None:
        """Nothing is open."""


class Desk:
    """A server, and the hands that feed it."""

    def __init__(
        self, limits: FeedLimits, tracks: Iterable[Track], epoch: str, seq: int, heard: Sequence[IngestSection]
    ) -> None:
        self.board = Board(tracks)
        self.bus = Bus(epoch, seq)
        self.storage = MemoryStorage()
        self.attention = Attention()
        self.stats = FeedStats()
        self.service = FakeService()
        self.readiness = Readiness()
        self.reload_fault = ""
        self.now = NOON
        self.url = ""
        self._send, self.stream = anyio.create_memory_object_stream[Any](100)
        self.hearing = Hearing(
            intakes={section.name: LineIntake(section) for section in heard},
            asked=[self.service.name],
            board=self.board,
            stream=self._send,
            now=lambda: self.now,
        )
        self.parts = Parts(
            board=self.board,
            bus=self.bus,
            control=Control(
                sources={self.service.name: self.service},
                stream=self._send,
                storage=self.storage,
                now=lambda: self.now,
                heard=[section.name for section in heard],
            ),
            hearing=self.hearing,
            storage=self.storage,
            attention=self.attention,
            stats=self.stats,
            ready=lambda: self.readiness,
            metrics=self._metrics,
            reload=self._reload,
            now=lambda: self.now,
            version="0.1.0",
            limits=limits,
        )
        self.session: aiohttp.ClientSession

    async def _metrics(self, accept: str) -> tuple[bytes, str]:
        kind = "application/openmetrics-text" if "openmetrics" in accept else "text/plain; version=0.0.4"
        return b"stagewatch_feed_clients 0\n", kind

    async def _reload(self) -> None:
        if self.reload_fault:
            raise ReloadError(self.reload_fault)

    # --- what the line would do ---

    def happen(self, *events: AnyEvent, tracks: Sequence[Track] = (), remove: Sequence[InstanceKey] = ()) -> Batch:
        """Show tracks and publish events, as the follower does after a commit."""
        by_key = {track.key: track for track in tracks}
        records = tuple(
            Record(seq, event, by_key.get(event.key) if getattr(event, "key", None) else None)
            for seq, event in enumerate(events, start=self.bus.seq + 1)
        )
        batch = Batch(records=records, tracks=tuple(tracks), save=tuple(tracks), remove=tuple(remove))
        self.board.apply(batch)
        self.bus.publish(records)
        self.hearing.on_batch(batch)
        return batch

    async def keep(self, batch: Batch) -> None:
        """Store it too, for what is read from history."""
        await self.storage.commit(batch)

    def sweep(self, *ids: str, at: datetime = NOON, project: str = "analytics", health: Health | None = None) -> None:
        """A listing of a project came to its end, or its health is as given."""
        place = ("warehouse", project)
        self.board.apply(
            Batch(swept=(Swept(*place, at, frozenset(ids)),), health={place: health or Health(swept_at=at)})
        )

    async def write_down(self) -> None:
        """Take observations from the stream and show them, until cancelled: the ledger's part in a registration."""
        async for got in self.stream:
            for seen in got if isinstance(got, tuple | list) else (got,):
                assert isinstance(seen, Seen)
                if seen.key.source == HEARD.name:
                    heard, events = step(self.board.get(seen.key), seen, Policy())
                    assert heard is not None
                    self.happen(*events, tracks=(heard,))
                    continue
                assert seen.phase is not None
                new = track(seen.key, seen.phase, kind=seen.kind)
                self.happen(moved(self.board.get(seen.key), new), tracks=(new,))

    # --- what a client does ---

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        """The JSON that is answered."""
        return await self.ask("GET", path, status, **options)

    async def post(self, path: str, body: object = None, status: int = 200, **options: Any) -> Any:
        """The JSON that is answered to a JSON body."""
        return await self.ask("POST", path, status, json=body, **options)

    async def ask(self, method: str, path: str, status: int, **options: Any) -> Any:
        """The JSON that is answered, with this status."""
        async with self.session.request(method, self.url + path, allow_redirects=False, **options) as response:
            body = await response.read()
            assert response.status == status, body
            assert response.content_type == "application/json"
            return msgspec.json.decode(body)

    async def refused(self, status: int, method: str, path: str, **options: Any) -> SimpleNamespace:
        """The code and message of a refusal."""
        body = await self.ask(method, path, status, **options)
        return SimpleNamespace(**body["error"])


@asynccontextmanager
async def open_desk(
    *tracks: Track,
    limits: FeedLimits | None = None,
    epoch: str = "e1",
    seq: int = 100,
    port: int = 0,
    heard: Sequence[IngestSection] = (),
) -> AsyncIterator[Desk]:
    """Serve on a free port (or this one) while the block runs. `heard` are sources of which lines are told."""
    desk = Desk(limits or FeedLimits(), tracks, epoch, seq, heard)
    listener = create_server(("127.0.0.1", port))
    desk.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with (
            serving(build_web(desk.parts), listener, close_within=3.0),
            aiohttp.ClientSession() as session,
            asyncio.TaskGroup() as group,
        ):
            desk.session = session
            writing = group.create_task(desk.write_down())
            yield desk
            writing.cancel()
    finally:
        listener.close()
        desk.stream.close()
        desk._send.close()


open_hearing_desk = partial(open_desk, heard=(HEARD,))
