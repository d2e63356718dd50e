"""The emulator for tests without an event loop: the released clients block."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from monitor.emulator.server import Emulator, EmulatorOptions, serve


@contextmanager
def serve_in_thread(options: EmulatorOptions) -> Iterator[Emulator]:
    """Serves from a thread of its own until the block ends. Raises what `serve` raises.

    Only `url`, `endpoint` and `port` of the emulator may be used from outside that thread.
    """
    started: Future[tuple[Emulator, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        async with serve(options) as emulator:
            left = asyncio.Event()
            started.set_result((emulator, asyncio.get_running_loop(), left))
            await left.wait()

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=work, name="emulator", daemon=True)
    thread.start()
    emulator, loop, left = started.result()
    try:
        yield emulator
    finally:
        loop.call_soon_threadsafe(left.set)
        thread.join()
