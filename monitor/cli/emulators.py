"""`stagewatch emulate`: the emulated services alone, until a signal."""

from contextlib import AsyncExitStack
from pathlib import Path

import anyio

from monitor.cli.running import CannotStartError, check_address, run
from monitor.emulator.server import EmulatorOptions, serve
from monitor.logs import Mask, set_up


def run_emulators(*, listen: str, seed: int, speed: float, lively: bool, allow_remote: bool, oss: Path | None) -> None:
    """Serve at `listen` and say where."""
    host, port = check_address(listen)
    options = EmulatorOptions(
        host=host, port=port, seed=seed, speed=speed, lively=lively, allow_remote=allow_remote, oss=oss
    )
    set_up(level="warning", form="console", mask=Mask())

    async def work(stop: anyio.Event) -> None:
        async with AsyncExitStack() as stack:
            try:
                emulator = await stack.enter_async_context(serve(options))
            except (ValueError, OSError) as error:
                raise CannotStartError(str(error)) from error
            print(f"MaxCompute at {emulator.url}/api (project demo, any access id, secret demo-secret)")
            print(f"Batch Compute and OSS at {emulator.url}/ (any access id, secret demo-secret)", flush=True)
            await stop.wait()

    run(work, told=())
