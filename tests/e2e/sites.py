"""Emulated services that a daemon watches, each with trouble of its own, and what the daemon's feed tells of them.

The emulators run in this process, so that a test can say when an instance fails; faults are switched by their control
endpoint, as a user would.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest

from monitor.emulator.instances import Result
from monitor.emulator.plan import Outcome
from monitor.emulator.server import Emulator, EmulatorOptions, serve
from tests.e2e.eventually import eventually

RATE, CONCURRENCY = 10, 3
STEADY = 12  # instances of each source that only run
TRIGGERS = ("failed", "cancelled", "lost", "stalled", "straggling", "queued_too_long", "source_down")
TEXT = "ODPS-0123131:User defined function exception - made up"
DOOM = 4_000.0  # emulated seconds until Batch Compute's doomed jobs fail, which no other job is to end by

Recipes: TypeAlias = Mapping[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Service:
    """What to know of a kind of service.

    lever     of the control endpoint, which makes its instances
    recipes   of the instances that are there from the start, by role, and of the brief one
    doomed    the phase of the doomed one until it fails
    fail      lets one fail now
    code      with which that is told
    listings  operations that list
    round     how many of these come while both listings are read from their beginning once more
    """

    kind: str
    project: str
    lever: str
    recipes: Recipes
    doomed: str
    fail: Callable[[Emulator, str], None]
    code: str
    listings: Sequence[str]
    round: int
    section: Callable[[Emulator], dict[str, Any]]


def _fail_instance(emulator: Emulator, id_: str) -> None:
    book = emulator.maxcompute.book
    instance = book.find(id_)
    assert instance is not None
    book.revise(instance, instance.plan.cut(book.elapsed(instance), Outcome.FAILED), Result(TEXT))


def _fail_job(emulator: Emulator, id_: str) -> None:
    emulator.batchcompute.clock.advance(DOOM)
    job = emulator.batchcompute.book.find(id_)
    assert job is not None
    assert job.course.state == "Failed"


MAXCOMPUTE = Service(
    kind="maxcompute",
    project="demo",
    lever="instances",
    recipes={
        "steady": {"count": STEADY, "seconds": 300, "wait": 0},
        "still": {"seconds": 0.1, "wait": 0, "scenario": "stall"},
        # suspended: how it ended may be asked late, and until then nobody judges that it stands still
        "doomed": {"seconds": 0.1, "wait": 0, "scenario": "suspended"},
        "brief": {"seconds": 0.1, "wait": 0, "outcome": "failed", "message": TEXT},
    },
    doomed="suspended",
    fail=_fail_instance,
    code="ODPS-0123131",
    listings=("cachedinstances", "list"),
    round=6,  # two sweeps come with one of what has ended
    section=lambda emulator: {"endpoint": emulator.endpoint, "projects": ["demo"]},
)
_MOVING = {"instances": 4_000, "wait": 0}  # of which one ends every second or two
BATCHCOMPUTE = Service(
    kind="batchcompute",
    project="cn-qingdao",
    lever="jobs",
    recipes={
        "steady": {"count": STEADY, "seconds": 2 * DOOM, **_MOVING},
        "still": {"seconds": 1e9, "wait": 0},
        "doomed": {"seconds": DOOM, "outcome": "failed", "message": TEXT, **_MOVING},
        "brief": {"seconds": 0.1, "wait": 0, "outcome": "failed", "message": TEXT},
    },
    doomed="running",
    fail=_fail_job,
    code="ProgramFailed",
    listings=("ListJobs",),
    round=14,  # two sweeps of two requests each come with three of what has ended
    section=lambda emulator: {"endpoint": emulator.url, "region": "cn-qingdao"},
)


@dataclass(frozen=True)
class Case:
    """A fault, and what the daemon must make of it: as what it counts such answers, and the reason of the outage to
    which they amount, if they do. One that is not `held` ends when the source is down. `keys` are further ones of the
    source's section."""

    fault: dict[str, Any] | None
    counted: str = "ok"
    outage: str = ""
    held: bool = True
    keys: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """The service of one source: instances that run, one that stands still, one that will fail, and one that begins
    and fails during the fault."""

    name: str
    case: Case
    service: Service
    emulator: Emulator
    http: aiohttp.ClientSession
    ids: dict[str, list[str]]

    async def begin(self, role: str, **recipe: Any) -> None:
        """Instances in that role."""
        made = await self.control("POST", f"/{self.service.lever}", recipe)
        self.ids[role] = made["ids"]

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Pull a lever."""
        async with self.http.request(method, f"{self.emulator.url}/-/emulator{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json() if answer.status != 204 else None

    def key(self, role: str) -> str:
        """The key of the one in that role."""
        return self.key_of(self.ids[role][0])

    def key_of(self, id_: str) -> str:
        """The key of an instance."""
        return f"{self.name}/{self.service.project}/{id_}"

    async def meet(self, story: "Story") -> None:
        """Wait until the daemon has met the fault."""
        if self.case.outage:
            await story.until(lambda: self.name in story.told(up=False))
        if not self.case.held:
            await self.control("DELETE", "/faults")
        elif self.case.fault:
            await eventually(lambda: self.control("GET", "/faults"), lambda shown: shown["on"][0]["hits"] >= 5)

    async def another_round(self) -> None:
        """Wait until both listings were read once more from their beginning."""

        async def listed() -> int:
            operations = (await self.control("GET", "/requests"))["operations"]
            return sum(operations[listing]["count"] for listing in self.service.listings if listing in operations)

        enough = await listed() + self.service.round
        await eventually(listed, lambda count: count >= enough)

    def fail(self, role: str) -> None:
        """Let it fail now."""
        for id_ in self.ids[role]:
            self.service.fail(self.emulator, id_)


class Story:
    """The feed of the daemon from here on. `events` are all that came."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._arrived = asyncio.Condition()

    async def follow(self, http: aiohttp.ClientSession, keys: Sequence[str]) -> None:
        """Read until cancelled, and have the stages of some instances looked at all the time."""
        async with http.ws_connect("/api/v1/feed", max_msg_size=0) as feed:
            await feed.send_json({"type": "subscribe", "id": "all", "filter": {}})
            watched = {"type": "subscribe", "id": "watched", "filter": {"key": keys}, "detail": True}
            await feed.send_json(watched)
            async for message in feed:
                got = message.json()
                assert got["type"] in {"hello", "snapshot", "event"}, got
                if got["type"] == "event":
                    async with self._arrived:
                        self.events.append(got["event"])
                        self._arrived.notify_all()

    async def until(self, told: Callable[[], bool], within: float = 40.0) -> None:
        """Wait until the events say so."""
        async with self._arrived:
            try:
                async with asyncio.timeout(within):
                    await self._arrived.wait_for(told)
            except TimeoutError:
                lasting = [it for it in self.events if it["kind"] not in {"progress", "stage", "discovered"}]
                pytest.fail(f"not told within {within:g} s; last events: {lasting[-30:]}")

    def of(self, kind: str) -> list[dict[str, Any]]:
        """All events of a kind."""
        return [event for event in self.events if event["kind"] == kind]

    def told(self, *, up: bool) -> set[str]:
        """Sources that were told to be back, or to be down."""
        return {event["source"] for event in self.of("source") if event["up"] is up}

    def judged_blindly(self, name: str) -> list[dict[str, Any]]:
        """Verdicts over instances of that source, and losses, that were told while it was down."""
        down, judged = False, []
        for event in self.events:
            if event["kind"] == "source" and event["source"] == name:
                down = not event["up"]
            elif down and event["kind"] in {"lost", "verdict"} and event["key"].startswith(f"{name}/"):
                judged.append(event)
        return judged

    def failed(self) -> set[str]:
        """Keys of instances that failed."""
        return {event["key"] for event in self.of("phase") if event["to"] == "failed"}

    def stalled(self) -> set[str]:
        """Keys of instances that were judged to stand still."""
        return {event["key"] for event in self.of("verdict") if event["raised"] and event["verdict"] == "stalled"}


@asynccontextmanager
async def sites(
    http: aiohttp.ClientSession, cases: Mapping[str, Case], service: Service = MAXCOMPUTE
) -> AsyncIterator[list[Site]]:
    """A service of that kind for each case, by name."""
    async with AsyncExitStack() as stack:
        made = []
        for number, (name, case) in enumerate(cases.items()):
            emulator = await stack.enter_async_context(serve(EmulatorOptions(seed=number)))
            site = Site(name, case, service, emulator, http, {})
            for role in ("steady", "still", "doomed"):
                await site.begin(role, **service.recipes[role])
            made.append(site)
        yield made


def config(made: Sequence[Site], store: Path, hook: str, **tracking: str) -> str:
    """The daemon's config file: YAML holds JSON. `tracking` are keys of that section."""
    sources = [
        {
            "type": site.service.kind,
            "name": site.name,
            **site.service.section(site.emulator),
            "access_id": "tester",
            "access_key": "demo-secret",
            "sweep_every": "500ms",
            "reconcile_every": "1s",
            "requests_per_second": RATE,
            "concurrency": CONCURRENCY,
            **site.case.keys,
        }
        for site in made
    ]
    alerts = {
        "channels": [{"name": "team", "type": "webhook", "url": hook}],
        "rules": [{"name": trigger, "when": trigger} for trigger in TRIGGERS],
    }
    patience = {"stalled_after": "8s", "straggling_after": "8s", "queued_too_long_after": "8s", **tracking}
    storage = {"type": "sqlite", "path": str(store)}
    return json.dumps(
        {"listen": "127.0.0.1:0", "storage": storage, "sources": sources, "alerts": alerts, "tracking": patience}
    )
