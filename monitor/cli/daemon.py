"""`stagewatch serve` and `stagewatch demo`: the daemon, with time, chance and the environment from here."""

import os
import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from monitor.app import CannotListenError, Outside, serve
from monitor.cli.exits import FAILED, stop_with
from monitor.cli.running import CannotStartError, check_address, run
from monitor.config import Config, ConfigError, load
from monitor.core.text import plain
from monitor.demo import demo
from monitor.logs import Mask, set_up
from monitor.storage.base import StorageError

TOLD = (StorageError, TimeoutError)


def run_daemon(file: Path, listen: str | None) -> None:
    """Serve by this config; `listen` goes before the file's own."""
    if listen is not None:
        check_address(listen)

    mask = Mask()

    def read() -> Config:
        config = load(file, os.environ)
        mask.learn(config.secrets())
        return config.model_copy(update={"listen": listen}) if listen is not None else config

    try:
        config = read()
    except ConfigError as error:
        stop_with(str(error), FAILED)
    set_up(level=config.log.level, form=config.log.format, mask=mask)

    hang_ups, reloads = anyio.create_memory_object_stream[None](1)

    def hung_up() -> None:
        with suppress(anyio.WouldBlock, anyio.BrokenResourceError):  # one is wanted already, or the daemon stops
            hang_ups.send_nowait(None)

    async def work(stop: anyio.Event) -> None:
        with hang_ups, reloads, _as_it_starts():
            await serve(config, _outside(stop, reloads, read, lambda _: None))

    run(work, told=TOLD, hung_up=hung_up)


def run_demo(listen: str, seed: int, speed: float) -> None:
    """Everything in one process."""
    check_address(listen)
    set_up(level="error", form="console", mask=Mask())

    def say(line: str) -> None:
        print(plain(line), flush=True)

    def opened(url: str) -> None:
        print(f"the dashboard             {url}/\n\nCtrl-C ends everything.\n", flush=True)

    async def work(stop: anyio.Event) -> None:
        hang_ups, reloads = anyio.create_memory_object_stream[None]()
        with hang_ups, reloads, _as_it_starts():
            await demo(
                listen=listen,
                seed=seed,
                speed=speed,
                show=say,
                outside=lambda config: _outside(stop, reloads, lambda: config, opened),
            )

    run(work, told=TOLD)


@contextmanager
def _as_it_starts() -> Iterator[None]:
    """What stands in the way of a start comes bare: once anything runs, errors come in the group of what ran."""
    try:
        yield
    except (CannotListenError, StorageError) as error:
        raise CannotStartError(str(error)) from error


def _outside(
    stop: anyio.Event,
    reloads: MemoryObjectReceiveStream[None],
    reload: Callable[[], Config],
    started: Callable[[str], None],
) -> Outside:
    return Outside(
        now=lambda: datetime.now(UTC),  # noqa: TID251 - here is where time comes in
        chance=random.random,
        epoch=secrets.token_hex(4),
        stop=stop,
        reloads=reloads,
        reload=reload,
        started=started,
    )
