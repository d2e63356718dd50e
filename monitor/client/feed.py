"""The websocket feed as one stream of news that goes on when the connection does not.

It comes back by itself, resumes behind the last frame it had, and says when it is away, so that a screen can tell what
is fresh. The events of a gap come late but whole, or, when the daemon cannot tell them any more, as a new snapshot.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from itertools import chain, repeat
from typing import TypeAlias

import aiohttp
import msgspec
from aiohttp import ClientWSTimeout
from msgspec import Struct

from monitor.client.errors import ClientError
from monitor.client.model import Instance, Json
from monitor.client.transport import Transport

HEARTBEAT = 10.0  # seconds: a daemon that is silent for longer than this and a half is gone
CLOSING = 1.0  # seconds that our goodbye may take
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries; the last one repeats
PATIENCE = 600.0  # seconds that a daemon may be away before we stop believing in its return
WORD = "feed"  # our subscription's id: a connection holds one


class Snapshot(Struct, frozen=True, gc=False):
    """Everything that matches, as it stands at `seq`.

    `why` is "new" for the first one. Any other stands for events that cannot be told any more: "epoch" after a restart
    of the daemon, "history" or "order" after too long a gap.
    """

    instances: tuple[Instance, ...]
    seq: int
    why: str


class Event(Struct, frozen=True, gc=False, kw_only=True):
    """What changed. `instance` is its newest known state, or None once it is forgotten, and for events of a source.

    `kind` is one of `discovered phase progress stage verdict alert lost contradicted removed source`. `details` holds
    the fields of that kind, by their names in the JSON: for `phase` they are `from`, `to` and `attempt`.
    `inferred` says that it was not heard but seen: two states differ, and what was between them is not known. Only
    then may `at` be None.
    """

    kind: str
    at: datetime | None
    seq: int
    key: str | None
    instance: Instance | None
    details: Json
    inferred: bool = False


class Away(Struct, frozen=True, gc=False):
    """The daemon cannot be heard: what is known grows old. It is tried again by itself."""

    reason: str


class Back(Struct, frozen=True, gc=False):
    """It is heard again. What was missed follows: its events, or a snapshot."""


News: TypeAlias = Snapshot | Event | Away | Back


class _Hello(Struct, frozen=True, gc=False, tag_field="type", tag="hello"):
    epoch: str


class _Part(Struct, frozen=True, gc=False, tag_field="type", tag="snapshot"):
    seq: int
    instances: tuple[Instance, ...]
    last: bool


class _Happened(Struct, frozen=True, gc=False, tag_field="type", tag="event"):
    seq: int
    event: Json


class _Resync(Struct, frozen=True, gc=False, tag_field="type", tag="resync"):
    reason: str


class _Refused(Struct, frozen=True, gc=False, tag_field="type", tag="error"):
    code: str
    message: str


_Frame: TypeAlias = _Hello | _Part | _Happened | _Resync | _Refused
_frames: msgspec.json.Decoder[_Frame] = msgspec.json.Decoder(_Frame)


class Feed:
    """One subscription, for as long as somebody iterates over `news`."""

    def __init__(
        self,
        transport: Transport,
        wanted: Json,
        *,
        detail: bool = False,
        patience: float = PATIENCE,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport
        self._wanted = wanted
        self._detail = detail
        self._patience = patience
        self._chance = chance
        self._epoch = ""  # of this connection, or of the one before
        self._mark: tuple[str, int] | None = None  # the epoch and number up to where everything has been heard
        self._parts: list[Instance] = []
        self._why = "new"

    async def news(self) -> AsyncGenerator[News, None]:
        """What there is, what happens, and whether it can be heard, until the caller has enough.

        Raises ClientError when the daemon cannot be reached at first, refuses the filter, or stays away for longer than
        `patience`.
        """
        clock = asyncio.get_running_loop().time
        away_since: float | None = None
        pauses = chain(PAUSES, repeat(PAUSES[-1]))
        while True:
            try:
                async with aclosing(self._connection()) as connection:
                    async for one in connection:
                        if not isinstance(one, Back):
                            yield one
                        elif away_since is not None:
                            away_since, pauses = None, chain(PAUSES, repeat(PAUSES[-1]))
                            yield one
            except ClientError as error:
                if not self._epoch or error.code == "bad_request":
                    raise
                if away_since is None:
                    away_since = clock()
                    yield Away(str(error))
                elif clock() - away_since > self._patience:
                    text = f"{error}; it has been away for {clock() - away_since:.0f} s"
                    raise ClientError("unreachable", text) from error
            await asyncio.sleep(next(pauses) * (0.5 + self._chance() / 2))

    async def _connection(self) -> AsyncGenerator[News, None]:
        """One connection until it ends, which it does with a ClientError."""
        transport = self._transport
        address = f"{transport.url}/api/v1/feed"
        try:
            socket = await transport.session.ws_connect(
                address, heartbeat=HEARTBEAT, max_msg_size=0, timeout=ClientWSTimeout(ws_close=CLOSING)
            )
        except (TimeoutError, ValueError, aiohttp.ClientError) as error:
            raise transport.broken(error) from error
        async with socket:
            while True:
                for one in await self._obey(socket, await self._frame(socket)):
                    yield one

    async def _frame(self, socket: aiohttp.ClientWebSocketResponse) -> _Frame:
        try:
            message = await socket.receive()
        except (ConnectionError, aiohttp.ClientError) as error:
            raise self._lost(str(error)) from error
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise self._lost(str(message.extra or ""))
        try:
            return _frames.decode(message.data)
        except msgspec.DecodeError as error:
            raise self._transport.not_ours(101) from error

    async def _obey(self, socket: aiohttp.ClientWebSocketResponse, frame: _Frame) -> tuple[News, ...]:
        match frame:
            case _Hello(epoch=epoch):
                await self._subscribe(socket, epoch)
                return (Back(),)
            case _Resync(reason=reason):
                self._why = reason
            case _Part():
                self._parts += frame.instances
                if frame.last:
                    shown, self._parts = tuple(self._parts), []
                    self._mark = self._epoch, frame.seq
                    return (Snapshot(shown, frame.seq, self._why),)
            case _Happened(seq=seq, event=event):
                self._mark = self._epoch, seq
                return (_event(seq, event),)
            case _Refused(code="bad_request", message=message):
                raise ClientError("bad_request", message)
            case _Refused():
                pass  # "too_many": stages of some come at their usual pace, which is no fault
        return ()

    async def _subscribe(self, socket: aiohttp.ClientWebSocketResponse, epoch: str) -> None:
        asked: Json = {"type": "subscribe", "id": WORD, "filter": self._wanted, "detail": self._detail}
        if self._mark is not None:
            asked["after"] = dict(zip(("epoch", "seq"), self._mark, strict=True))
        self._epoch, self._parts = epoch, []
        try:
            await socket.send_str(msgspec.json.encode(asked).decode())
        except (ConnectionError, aiohttp.ClientError) as error:
            raise self._lost(str(error)) from error

    def _lost(self, said: str) -> ClientError:
        name = self._transport.name
        return ClientError("unreachable", f"the connection to {name} has ended{f': {said}' if said else ''}")


def _event(seq: int, event: Json) -> Event:
    details = dict(event)
    shown = details.pop("instance", None)
    return Event(
        kind=details.pop("kind"),
        at=msgspec.convert(details.pop("at"), datetime),
        seq=seq,
        key=details.pop("key", None),
        instance=None if shown is None else msgspec.convert(shown, Instance),
        details=details,
    )
