"""Sends the lines of a job's own tool to the daemon as they come, and again until it has them."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import Protocol

from msgspec import Struct

from monitor.client.errors import ClientError
from monitor.client.feed import PATIENCE, PAUSES, Away, Back, News
from monitor.client.inbox import Inbox
from monitor.client.model import Instance

_MAY_PASS = frozenset({"unreachable", "not_recorded", "stopping", "storage_failed"})


class Ingested(Struct, frozen=True, gc=False, kw_only=True):
    """What lines told. `key` names the instance that those behind them are about, None where nobody knows; `instances`
    are all that they told of, `ended_before` the keys of those that had ended before. `unclaimed` of the `telling`
    lines came before any instance was named; `malformed` counts words that look like progress and are not."""

    key: str | None
    instances: tuple[Instance, ...]
    telling: int
    unclaimed: int
    malformed: int
    ended_before: tuple[str, ...] = ()


class Daemon(Protocol):
    """What is asked of a daemon here."""

    async def ingest(self, lines: Sequence[str], *, source: str, project: str, key: str) -> Ingested:
        """Take lines."""
        ...


class Sender:
    """One text on its way. `instances` are those it told of by key, as they stood when it told; `stale` are the keys of
    those that had ended before it came: what it tells of these changes nothing.

    The daemon may be away for `patience` seconds, also at first: the lines are kept and sent when it is back. `status`
    hears when it goes and comes; `heard` hears each answer.
    """

    def __init__(
        self,
        daemon: Daemon,
        *,
        source: str = "",
        project: str = "",
        key: str = "",
        patience: float = PATIENCE,
        status: Callable[[News], None],
        heard: Callable[[Ingested], None],
    ) -> None:
        self.instances: dict[str, Instance] = {}
        self.stale: set[str] = set()
        self.unclaimed = 0
        self.malformed = 0
        self._daemon = daemon
        self._place = {"source": source, "project": project, "key": key}
        self._patience = patience
        self._status = status
        self._heard = heard
        self._answered = False

    async def send(self, inbox: Inbox) -> None:
        """Send all that comes, until the last line is taken. Raises ClientError when the daemon refuses them, or stays
        away."""
        while (lines := await inbox.batch()) is not None:
            told, tries = await self._deliver(lines)
            self._answered = True
            if tries == 1:  # else it may have been this text that told the end, and only the answer was lost
                self.stale.update(set(told.ended_before) - self.instances.keys())
            if told.key is not None:
                self._place = {"source": "", "project": "", "key": told.key}
            self.instances |= {one.key: one for one in told.instances}
            self.unclaimed += told.unclaimed
            self.malformed += told.malformed
            self._heard(told)

    async def _deliver(self, lines: Sequence[str]) -> tuple[Ingested, int]:
        """What they told, and how many tries it took."""
        clock = asyncio.get_running_loop().time
        away_since: float | None = None
        pauses = chain(PAUSES, repeat(PAUSES[-1]))
        tries = 0
        while True:
            tries += 1
            try:
                told = await self._daemon.ingest(lines, **self._place)
            except ClientError as error:
                if not self._may_pass(error):
                    raise
                if away_since is None:
                    away_since = clock()
                    self._status(Away(str(error)))
                elif clock() - away_since > self._patience:
                    text = f"{error}; it has been away for {clock() - away_since:.0f} s"
                    raise ClientError(error.code, text) from error
            else:
                if away_since is not None:
                    self._status(Back())
                return told, tries
            await asyncio.sleep(min(next(pauses), self._patience))
        raise AssertionError("pauses do not end")

    def _may_pass(self, error: ClientError) -> bool:
        """What answers in a daemon's place may be the proxy in front of it, if there was one behind it before."""
        return error.code in _MAY_PASS or (error.code == "not_stagewatch" and self._answered)
