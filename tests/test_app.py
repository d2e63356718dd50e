"""The daemon in this process: built, served, reloaded and taken down, twice at once."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp import web
from anyio.streams.memory import MemoryObjectSendStream
from prometheus_client.parser import text_string_to_metric_families

from monitor.app import CannotListenError, Outside, serve
from monitor.config import Config, parse
from monitor.emulator.faults import Setting
from monitor.emulator.server import Emulator, EmulatorOptions
from monitor.emulator.server import serve as serve_emulator
from tests.e2e.eventually import eventually
from tests.e2e.moody import Mood, receiving_moodily
from tests.e2e.receiver import Receiver, receiving
from tests.e2e.workload import phases, submit
from tests.served import answered

pytestmark = pytest.mark.asyncio

NOWHERE = "http://127.0.0.1:9/"


def source(endpoint: str, project: str = "demo", name: str = "warehouse") -> str:
    """One source of a config."""
    return (
        f"{{type: maxcompute, name: {name}, endpoint: '{endpoint}', projects: [{project}], access_id: me, "
        "access_key: demo-secret, sweep_every: 200ms, reconcile_every: 500ms, requests_per_second: 500}"
    )


def configured(*sources: str, hook: str = NOWHERE, store: Path | None = None, rules: str = "", listen: str = "") -> str:
    """A config file."""
    storage = f"{{type: sqlite, path: {store}}}" if store else "{type: memory}"
    return (
        f"listen: {listen or '127.0.0.1:0'}\nstorage: {storage}\nsources: [{', '.join(sources)}]\n"
        f"alerts:\n  channels: [{{name: team, type: webhook, url: '{hook}'}}]\n{rules}"
    )


@dataclass
class Daemon:
    """A running daemon. `text` is its config file, read again by a reload."""

    text: str
    url: str
    http: aiohttp.ClientSession
    stop: anyio.Event
    reloads: MemoryObjectSendStream[None]

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.http.get(f"{self.url}{path}") as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def reload(self) -> tuple[int, Any]:
        async with self.http.post(f"{self.url}/-/reload") as answer:
            return answer.status, await answer.json()

    async def metric(self, name: str, **labels: str) -> float | None:
        """The value of the sample with this name and these labels."""
        async with self.http.get(f"{self.url}/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
        samples = (sample for family in families for sample in family.samples)
        return next((one.value for one in samples if (one.name, one.labels) == (name, labels)), None)

    async def ready(self) -> int:
        async with self.http.get(f"{self.url}/-/ready") as answer:
            return answer.status

    async def up(self) -> dict[str, bool]:
        """Which sources that were asked do answer."""
        return {one["source"]: one["up"] for one in (await self.get("/api/v1/sources"))["sources"]}

    async def phases(self) -> dict[str, str]:
        return await phases(self.http, self.url)


def outside(
    reload: Callable[[], Config], started: Callable[[str], None], *, epoch: str = "epoch"
) -> tuple[Outside, MemoryObjectSendStream[None]]:
    """The world as these tests want it."""
    asks, reloads = anyio.create_memory_object_stream[None](1)
    made = Outside(
        now=lambda: datetime.now(UTC),  # noqa: TID251 - here is where time comes in
        chance=lambda: 0.5,
        epoch=epoch,
        stop=anyio.Event(),
        reloads=reloads,
        reload=reload,
        started=started,
    )
    return made, asks


def read(text: str) -> Config:
    return parse(text, file="stagewatch.yaml", env={})


@asynccontextmanager
async def serving(text: str, *, epoch: str = "epoch") -> AsyncIterator[Daemon]:
    """A daemon from its start to its stop, which must be in order."""
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    world, asks = outside(lambda: read(daemon.text), address.set_result, epoch=epoch)
    with asks, world.reloads:
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
            daemon = Daemon(text, "", http, world.stop, asks)
            group.create_task(serve(read(text), world))
            daemon.url = await address
            try:
                yield daemon
            finally:
                world.stop.set()


@asynccontextmanager
async def emulating(*projects: str) -> AsyncIterator[Emulator]:
    async with serve_emulator(EmulatorOptions(projects=projects or ("demo",))) as emulator:
        yield emulator


ID = "20160519101349613gzbzufck2"
HEARD = "{type: ingest, name: private, projects: [p1], silent_after: 1s}"


async def test_what_is_only_heard_of_is_not_awaited_and_alerts_like_the_rest() -> None:
    """Nobody waits for its sweep. What lines tell is shown, counted and told; after the silence it is lost."""
    rules = "  rules:\n  - {name: Failed, when: failed}\n  - {name: Silent, when: lost}\n"
    failing = {"lines": [f"ID = {ID}", "M1:1/0/2[0%]", "FAILED: ODPS-0123131:made up"]}
    quiet = {"key": "quiet", "lines": ["M1:1/0/2[0%]"]}
    async with receiving() as receiver, serving(configured(HEARD, hook=receiver.url, rules=rules)) as daemon:
        assert await daemon.ready() == 200
        for body in (failing, failing, quiet):
            async with daemon.http.post(f"{daemon.url}/api/v1/ingest", json=body) as answer:
                assert answer.status == 200, await answer.text()
        await eventually(daemon.phases, lambda found: found == {ID: "failed", "quiet": "lost"})
        await receiver.until(2)
        told = [body["alerts"][0]["labels"] for _, body in receiver.requests]
        assert [(labels["alertname"], labels["instance"]) for labels in told] == [("Failed", ID), ("Silent", "quiet")]
        terminations = {"source": "private", "project": "p1", "outcome": "failed"}
        assert await daemon.metric("stagewatch_terminations_total", **terminations) == 1
        assert await daemon.metric("stagewatch_source_data_age_seconds", source="private", project="p1") is None


# --- start and stop ---------------------------------------------------------------------------------------------------


async def test_ready_once_there_is_something_true_to_show() -> None:
    """Alive at once; ready when every project was swept, or is known to be down. Until then it says what is awaited."""
    async with emulating() as emulator:
        emulator.faults.switch_on(Setting(fault="latency", delay=60))
        async with serving(configured(source(emulator.endpoint))) as daemon:
            assert (await daemon.get("/-/healthy"))["status"] == "ok"
            assert (await daemon.get("/-/ready", 503))["missing"] == ["warehouse/demo has not been swept yet"]
    async with emulating() as emulator:
        dead = source("http://127.0.0.1:9/api", name="dead")
        async with serving(configured(source(emulator.endpoint), dead)) as daemon:
            await eventually(daemon.ready, lambda status: status == 200)


async def test_an_address_that_is_taken(tmp_path: Path) -> None:
    """The commonest reason not to start is found before anything else is touched."""
    store = tmp_path / "stagewatch.db"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        config = read(configured(source(NOWHERE), store=store, listen=listen))
        world, asks = outside(lambda: config, lambda _: None)
        with (
            asks,
            world.reloads,
            pytest.raises(CannotListenError, match=f"cannot listen on {listen}: .*; set `listen`"),
        ):
            await serve(config, world)
    assert not store.exists()


async def test_two_daemons_side_by_side(tmp_path: Path) -> None:
    """Each has its own project, store, channel, feed and numbers; when one stops, the other goes on."""
    async with emulating("one", "two") as emulator, receiving() as first_hook, receiving() as second_hook:
        first_text = configured(source(emulator.endpoint, "one"), hook=first_hook.url, store=tmp_path / "one.db")
        second_text = configured(source(emulator.endpoint, "two"), hook=second_hook.url, store=tmp_path / "two.db")
        async with serving(second_text, epoch="second") as second:
            async with serving(first_text, epoch="first") as first:
                ones = await submit(first.http, emulator.url, 3, project="one", seconds=0.5, outcome="failed")
                twos = await submit(first.http, emulator.url, 2, project="two", seconds=0.5, outcome="failed")
                await first_hook.until(3)
                await second_hook.until(2)
                assert await first.phases() == dict.fromkeys(ones, "failed")
                assert await second.phases() == dict.fromkeys(twos, "failed")
                for daemon, epoch, project, count in ((first, "first", "one", 3), (second, "second", "two", 2)):
                    async with daemon.http.ws_connect(f"{daemon.url}/api/v1/feed") as feed:
                        assert (await feed.receive_json())["epoch"] == epoch
                    labels = {"source": "warehouse", "project": project, "outcome": "failed"}
                    assert await daemon.metric("stagewatch_terminations_total", **labels) == count
            twos += await submit(second.http, emulator.url, 1, project="two", seconds=0.5, outcome="failed")
            await second_hook.until(3)
    assert told(first_hook) == sorted(ones)
    assert told(second_hook) == sorted(twos)


def told(hook: Receiver) -> list[str]:
    """The instances that were alerted, each as often as it was."""
    return sorted(body["alerts"][0]["labels"]["instance"] for _, body in hook.requests)


# --- reload -----------------------------------------------------------------------------------------------------------

STERN = "  rules: [{name: Trouble, when: failed, severity: info}]\n"


async def test_a_reload_takes_over_rules() -> None:
    """What fails after the reload is told by the new rules, whether it was asked for over HTTP or by a signal."""
    async with (
        emulating() as emulator,
        receiving() as hook,
        serving(configured(source(emulator.endpoint), hook=hook.url)) as daemon,
    ):
        await submit(daemon.http, emulator.url, 1, seconds=0.3, outcome="failed")
        await hook.until(1)
        daemon.text += STERN
        assert await daemon.reload() == (200, {"status": "reloaded"})
        await submit(daemon.http, emulator.url, 1, seconds=0.3, outcome="failed")
        await hook.until(2)
        daemon.text = daemon.text.replace("Trouble", "Worse")
        await daemon.reloads.send(None)
        await eventually(lambda: daemon.metric("stagewatch_alerts_total", rule="Worse", severity="info"), is_known)
        await submit(daemon.http, emulator.url, 1, seconds=0.3, outcome="failed")
        await hook.until(3)
    names = [body["alerts"][0]["labels"]["alertname"] for _, body in hook.requests]
    assert names == ["InstanceFailed", "Trouble", "Worse"]


def is_known(value: float | None) -> bool:
    return value is not None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("127.0.0.1:0", "127.0.0.1:1", "restart to change listen:"),
        ("sweep_every: 200ms", "sweep_every: 1s", "restart to change sources:"),
        ("{type: memory}", "{type: sqlite, path: /tmp/x.db}", "restart to change storage:"),
        ("name: team", "name: crew", "restart to change alerts.channels or alerts.delivery:"),
        ("alerts:", "alarms:", "alarms: no such key"),
        ("alerts:", "alerts: [", "not valid YAML"),
        ("alerts:", "alerts: {}\nalerts:", "alerts: stands here twice"),
    ],
)
async def test_a_reload_that_is_refused(old: str, new: str, says: str) -> None:
    """It says why by name, over HTTP and in the metrics, and the old rules stay in force."""
    async with (
        emulating() as emulator,
        receiving() as hook,
        serving(configured(source(emulator.endpoint), hook=hook.url)) as daemon,
    ):
        assert await daemon.metric("stagewatch_config_last_reload_successful") == 1
        daemon.text = daemon.text.replace(old, new) + STERN
        status, body = await daemon.reload()
        assert (status, body["error"]["code"]) == (500, "reload_failed")
        assert says in body["error"]["message"]
        assert await daemon.metric("stagewatch_config_last_reload_successful") == 0
        await daemon.reloads.send(None)  # refused again, and the daemon goes on
        await submit(daemon.http, emulator.url, 1, seconds=0.3, outcome="failed")
        await hook.until(1)
    assert hook.requests[0][1]["alerts"][0]["labels"]["alertname"] == "InstanceFailed"


# --- one's trouble is not another's -----------------------------------------------------------------------------------


@asynccontextmanager
async def talking_nonsense() -> AsyncIterator[str]:
    """A service that answers everything with something else."""
    answers = [b"", b"<Instances>", b"\xff" * 1000, b"null", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", b"[" * 10_000]
    turn = 0

    async def handle(_request: web.Request) -> web.Response:
        nonlocal turn
        turn += 1
        return web.Response(body=answers[turn % len(answers)], content_type="application/xml")

    async with answered(handle, patience=0.1) as url:
        yield f"{url}/api"


async def test_trouble_stays_where_it_is() -> None:
    """One source talks nonsense, one channel breaks every connection, one feed client sends garbage and one is torn
    off: the other source is tracked, the other channel gets every alert, the other client hears of every failure."""
    async with (
        emulating() as emulator,
        talking_nonsense() as nonsense,
        receiving() as good,
        receiving_moodily(lambda: Mood.RESETS) as bad,
    ):
        text = configured(source(emulator.endpoint), source(nonsense, name="mad"), hook=good.url).replace(
            "channels: [", f"channels: [{{name: broken, type: webhook, url: '{bad.url}'}}, "
        )
        async with serving(text) as daemon:
            address = f"{daemon.url}/api/v1/feed"
            subscribe = {"type": "subscribe", "id": "a", "filter": {"source": ["warehouse"]}}
            async with daemon.http.ws_connect(address) as listener, daemon.http.ws_connect(address) as babbler:
                await listener.send_json(subscribe)
                for junk in ("", "{", "[]", '{"type": 1}', "\x00", '{"type": "subscribe", "id": {}}'):
                    await babbler.send_str(junk)
                async with aiohttp.ClientSession() as torn:  # its connection ends with it, without a goodbye
                    await (await torn.ws_connect(address)).send_json(subscribe)
                await eventually(daemon.up, lambda up: up.get("mad") is False and up.get("warehouse") is True)
                failing = await submit(daemon.http, emulator.url, 5, seconds=0.5, outcome="failed")
                await good.until(6)  # and that the other source is down
                await bad.until(1)
                heard: set[str] = set()
                while heard != set(failing):
                    message = await listener.receive_json(timeout=10)
                    if message["type"] == "event" and message["event"].get("to") == "failed":
                        heard.add(message["event"]["instance"]["id"])
            assert await daemon.up() == {"warehouse": True, "mad": False}
    assert told(good) == ["", *sorted(failing)]
