"""Work for the emulator, made by its control endpoint, and what the daemon says became of it."""

from typing import Any

import aiohttp

from tests.e2e.processes import BATCHCOMPUTE, MAXCOMPUTE

TERMINAL = {"succeeded", "failed", "cancelled", "lost"}

_LEVERS = {MAXCOMPUTE: "instances", BATCHCOMPUTE: "jobs"}
_WORDS = {BATCHCOMPUTE: {"success": "finished", "cancelled": "stopped"}}


async def submit(
    http: aiohttp.ClientSession,
    emulator: str,
    count: int,
    *,
    kind: str = MAXCOMPUTE,
    outcome: str = "success",
    **recipe: Any,
) -> list[str]:
    """Have so many instances of one recipe begin at the service of that kind; their ids."""
    if not count:
        return []
    wanted = {"count": count, "outcome": _WORDS.get(kind, {}).get(outcome, outcome), **recipe}
    async with http.post(f"{emulator}/-/emulator/{_LEVERS[kind]}", json=wanted) as answer:
        assert answer.status == 201, await answer.text()
        return list((await answer.json())["ids"])


async def turn_clock(http: aiohttp.ClientSession, emulator: str, **change: float) -> None:
    """`speed` in emulated seconds per real one, `advance` in emulated seconds."""
    async with http.post(f"{emulator}/-/emulator/clock", json=change) as answer:
        assert answer.status == 200, await answer.text()


async def instances(http: aiohttp.ClientSession, daemon: str) -> dict[str, dict[str, Any]]:
    """Every instance by id."""
    found: dict[str, dict[str, Any]] = {}
    cursor: str | None = ""
    while cursor is not None:
        wanted = {"limit": "1000"} | ({"cursor": cursor} if cursor else {})
        async with http.get(f"{daemon}/api/v1/instances", params=wanted) as answer:
            page = await answer.json()
        found |= {one["id"]: one for one in page["instances"]}
        cursor = page["next"]
    return found


async def phases(http: aiohttp.ClientSession, daemon: str) -> dict[str, str]:
    """The phase of every instance by id."""
    return {id_: one["phase"] for id_, one in (await instances(http, daemon)).items()}


async def pending(http: aiohttp.ClientSession, daemon: str) -> int:
    """How many alerts wait for their delivery; a thousand stands for more."""
    async with http.get(f"{daemon}/api/v1/alerts", params={"state": "pending", "limit": "1000"}) as answer:
        return len((await answer.json())["alerts"])


async def asked(http: aiohttp.ClientSession, emulator: str, operation: str) -> int:
    """How many requests of this kind the emulator has got."""
    async with http.get(f"{emulator}/-/emulator/requests") as answer:
        return int((await answer.json())["operations"].get(operation, {}).get("count", 0))
