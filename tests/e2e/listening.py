"""Prometheus and its kin, started as an operator starts them: programs that write down where they listen."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.eventually import eventually


@asynccontextmanager
async def listening(*command: str, log: Path, ready: str) -> AsyncIterator[str]:
    """Its address, as soon as `ready` stands in what it writes to `log`; it is ended with the block."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    try:

        async def said() -> str:
            return await asyncio.to_thread(log.read_text)

        text = await eventually(said, lambda text: ready in text or process.returncode is not None)
        found = re.search(r'"Listening on" address=(\S+)', text)
        assert found, text
        yield f"http://{found[1]}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
