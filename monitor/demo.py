"""The whole of it in one command: emulated services, a lively workload, the daemon, and a team's receiver."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from aiohttp import web

from monitor.app import Outside, serve
from monitor.config import Config, parse
from monitor.emulator.server import EmulatorOptions
from monitor.emulator.server import serve as serve_emulator

CONFIG = """
listen: {listen}
storage: {{type: memory}}
sources:
  - type: maxcompute
    name: warehouse
    endpoint: {emulator}/api
    projects: [demo]
    access_id: demo
    access_key: demo-secret
    sweep_every: 1s
    reconcile_every: 2s
    requests_per_second: 60
  - type: batchcompute
    name: render
    endpoint: {emulator}
    region: cn-qingdao
    access_id: demo
    access_key: demo-secret
    sweep_every: 1s
    reconcile_every: 2s
    requests_per_second: 60
alerts:
  channels:
    - {{name: team, type: webhook, url: "{receiver}"}}
tracking: {{stalled_after: 40s, straggling_after: 20s, queued_too_long_after: 30s}}
"""


async def demo(
    *, listen: str, seed: int, speed: float, show: Callable[[str], None], outside: Callable[[Config], Outside]
) -> None:
    """Run until the stop of `outside`. `show` prints one line for people."""
    options = EmulatorOptions(port=0, seed=seed, speed=speed, lively=True)
    async with serve_emulator(options) as emulator, _receiver(show) as receiver:
        config = parse(
            CONFIG.format(listen=listen, emulator=emulator.url, receiver=receiver), file="the demo's config", env={}
        )
        show(f"MaxCompute, emulated      {emulator.url}/api")
        show(f"Batch Compute, emulated   {emulator.url}")
        show(f"a team's receiver         {receiver}")
        await serve(config, outside(config))


@asynccontextmanager
async def _receiver(show: Callable[[str], None]) -> AsyncIterator[str]:
    """What a team has already: something that takes Alertmanager's webhook and shows it."""

    async def hook(request: web.Request) -> web.Response:
        body = await request.json()
        for alert in body["alerts"]:
            notes, labels = alert["annotations"], alert["labels"]
            show(f"ALERT {labels['alertname']}: {notes['summary']}: {notes['message']}")
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/hook", hook)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()
