"""Asks one source: sweeps its projects, looks at what vanished, reconciles what ended, and reads stages by attention.

A fixed number of workers serves two agendas, listings and inspections, so that a slow inspection never delays a sweep.
Whatever is learned, also that nothing was, goes into the stream as observations.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import TypeVar

import anyio
import structlog
from anyio.streams.memory import MemoryObjectSendStream
from msgspec import Struct

from monitor.core.events import Failed, Missed, Reconciled, Seen, Swept
from monitor.core.model import InstanceKey, Phase
from monitor.core.schedule import Agenda, Pace, attend, backoff, vanished
from monitor.engine.attention import Attention
from monitor.engine.board import Board
from monitor.engine.ledger import Observations
from monitor.sources.base import Detail, Priority, Source, SourceError

LISTING_WORKERS = 4
DEGRADE_AFTER = 3  # inspections that failed in a row: then ask only whether it failed, and alert without its text
LONGEST_WAIT = timedelta(minutes=5)  # between tries of what keeps failing
CRASHED = "crashed"  # the driver raised something that is not a SourceError: a bug of ours, told as a failure

log = structlog.get_logger()


class Sweep(Struct, frozen=True, gc=False):
    """List the live instances of a project."""

    project: str


class Reconcile(Struct, frozen=True, gc=False):
    """List what has ended in a project since its checkpoint."""

    project: str


Poll = TypeVar("Poll", Sweep | Reconcile, InstanceKey)


@dataclass(slots=True)
class _Pass:
    """One reconcile: the checkpoint moves to `upto` when everything it found has been asked about."""

    upto: datetime
    pending: set[InstanceKey]


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a poll failed; `retry_after` in seconds where the service named a time."""

    reason: str
    detail: str
    retry_after: float = 0.0


class Poller:
    """All polling of one source. `chance` gives numbers in 0..1 for jitter."""

    def __init__(
        self,
        *,
        source: Source,
        pace: Pace,
        board: Board,
        attention: Attention,
        stream: MemoryObjectSendStream[Observations],
        checkpoints: Mapping[tuple[str, str], datetime],
        now: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self._source = source
        self._pace = pace
        self._board = board
        self._attention = attention
        self._stream = stream
        self._now = now
        self._chance = chance
        self._listings: Agenda[Sweep | Reconcile] = Agenda()
        self._inspections: Agenda[InstanceKey] = Agenda()
        self._under_way: set[InstanceKey] = set()
        self._failures: dict[Sweep | Reconcile | InstanceKey, int] = {}
        self._passes: dict[str, _Pass] = {}
        began = now() - pace.look_back
        self._checkpoints = {project: checkpoints.get((source.name, project), began) for project in source.projects}
        self._wake = anyio.Event()
        attention.when_watched(self._watch)

    async def run(self) -> None:
        """Poll until cancelled."""
        for number, project in enumerate(self._source.projects):
            # spread over the first second, so that many projects do not knock at once
            after = number / len(self._source.projects)
            self._push(self._listings, Sweep(project), Priority.SWEEP, after=after)
            self._push(self._listings, Reconcile(project), Priority.OUTCOME, after=after)
        async with anyio.create_task_group() as workers:
            for _ in range(min(LISTING_WORKERS, 2 * len(self._source.projects))):
                workers.start_soon(self._list)
            for _ in range(self._pace.concurrency):
                workers.start_soon(self._inspect)

    # --- the agendas ---

    def _push(self, agenda: Agenda[Poll], poll: Poll, priority: Priority, *, after: float = 0.0) -> None:
        agenda.push(poll, due=anyio.current_time() + after, priority=priority)
        self._wake.set()
        self._wake = anyio.Event()

    async def _next(self, agenda: Agenda[Poll]) -> tuple[Poll, Priority]:
        while True:
            now = anyio.current_time()
            if due := agenda.pop(now):
                return due[0], Priority(due[1])
            later = agenda.next_due()
            with anyio.move_on_after(inf if later is None else later - now):
                await self._wake.wait()

    def _again(self, poll: Sweep | Reconcile, every: timedelta) -> None:
        after = every.total_seconds() * (0.95 + 0.1 * self._chance())
        priority = Priority.SWEEP if isinstance(poll, Sweep) else Priority.OUTCOME
        self._push(self._listings, poll, priority, after=after)

    def _wait_after(self, poll: Sweep | Reconcile | InstanceKey, trouble: _Trouble, first: timedelta) -> float:
        """Count a failure; how many seconds to leave this poll alone."""
        failures = self._failures[poll] = self._failures.get(poll, 0) + 1
        longest = max(first, LONGEST_WAIT).total_seconds()
        return max(
            trouble.retry_after,
            backoff(failures, first=first.total_seconds(), longest=longest, chance=self._chance()),
        )

    # --- listings ---

    async def _list(self) -> None:
        while True:
            poll, priority = await self._next(self._listings)
            every = self._pace.sweep_every if isinstance(poll, Sweep) else self._pace.reconcile_every
            try:
                if isinstance(poll, Sweep):
                    await self._sweep(poll.project)
                else:
                    await self._reconcile(poll.project)
            except SourceError as error:
                trouble = _Trouble(str(error.reason), str(error), error.retry_after or 0.0)
            except Exception as error:  # noqa: BLE001 - a bug in one driver must not stop its neighbours; it is told
                trouble = self._crashed(error)
            else:
                if self._failures.pop(poll, None) and isinstance(poll, Sweep):
                    # it is back: what ended meanwhile is not in any sweep
                    self._push(self._listings, Reconcile(poll.project), Priority.OUTCOME)
                self._again(poll, every)
                continue
            if isinstance(poll, Sweep):
                await self._stream.send(
                    (Failed(self._source.name, poll.project, self._now(), trouble.reason, trouble.detail),)
                )
            after = self._wait_after(poll, trouble, every)
            self._push(self._listings, poll, priority, after=after)

    async def _sweep(self, project: str) -> None:
        ids: set[str] = set()
        async for page in self._source.sweep(project):
            ids.update(page.ids)
            seen = tuple(got for got in page.seen if self._is_ours(got))
            if seen:
                await self._stream.send(seen)
        await self._stream.send((Swept(self._source.name, project, self._now(), frozenset(ids)),))
        live = self._board.live(self._source.name, project)
        for instance in vanished(live, ids):
            self._ask(InstanceKey(self._source.name, project, instance), Priority.OUTCOME)
        self._plan_attention()

    async def _reconcile(self, project: str) -> None:
        upto = self._now()
        leads: set[InstanceKey] = set()
        async for page in self._source.ended(project, self._checkpoints[project] - self._pace.overlap):
            known: list[Seen] = []
            for got in page.seen:
                if not self._is_news(got):
                    continue
                if got.phase is Phase.SUCCEEDED or got.phase is Phase.CANCELLED:
                    known.append(got)  # nothing more to learn
                else:
                    leads.add(got.key)
            if known:
                await self._stream.send(tuple(known))
        self._passes[project] = _Pass(upto, leads)
        for key in leads:
            self._ask(key, Priority.OUTCOME)
        await self._close_pass(project)

    async def _close_pass(self, project: str) -> None:
        """Move the checkpoint once nothing of the pass is open."""
        current = self._passes.get(project)
        if current is None or current.pending:
            return
        del self._passes[project]
        self._checkpoints[project] = current.upto
        await self._stream.send((Reconciled(self._source.name, project, current.upto),))

    def _is_ours(self, got: Seen) -> bool:
        return self._board.get(got.key) is not None or self._source.discovers(got)

    def _is_news(self, got: Seen) -> bool:
        track = self._board.get(got.key)
        if track is None:
            return self._source.discovers(got)
        return not track.phase.is_terminal or got.attempt > track.attempt

    # --- inspections ---

    def _ask(self, key: InstanceKey, priority: Priority, *, after: float = 0.0) -> None:
        if key not in self._under_way:
            self._push(self._inspections, key, priority, after=after)

    def _watch(self, key: InstanceKey) -> None:
        if key.source == self._source.name:
            self._ask(key, Priority.WATCHED)

    def _plan_attention(self) -> None:
        """Replace what is left of the last plan: what was interesting then may be over by now."""
        self._inspections.drop(Priority.ATTENTION)
        tracks = (
            track
            for project in self._source.projects
            for track in self._board.live(self._source.name, project).values()
        )
        chosen: Iterable[InstanceKey] = attend(
            tracks,
            at=self._now(),
            coarse=self._pace.coarse,
            limit=self._pace.attention_per_sweep(),
            skip=self._inspections,
        )
        for key in chosen:
            self._ask(key, Priority.ATTENTION)

    async def _inspect(self) -> None:
        while True:
            key, priority = await self._next(self._inspections)
            self._under_way.add(key)
            try:
                got = await self._source.inspect(key, self._detail(key, priority), priority)
            except SourceError as error:
                trouble = _Trouble(str(error.reason), str(error), error.retry_after or 0.0)
            except Exception as error:  # noqa: BLE001 - as above: told, counted, tried again
                trouble = self._crashed(error)
            else:
                trouble = _undecided(got) if isinstance(got, Seen) else None
                await self._stream.send((got,))
            finally:
                self._under_way.discard(key)
            if trouble is not None:
                await self._stream.send((Missed(key, self._now(), trouble.reason),))
                self._ask(key, priority, after=self._wait_after(key, trouble, self._pace.watch_every))
                continue
            self._failures.pop(key, None)
            if current := self._passes.get(key.project):
                current.pending.discard(key)
                await self._close_pass(key.project)
            if key in self._attention and isinstance(got, Seen) and (got.phase is None or got.phase.is_live):
                self._ask(key, Priority.WATCHED, after=self._pace.watch_every.total_seconds())

    def _detail(self, key: InstanceKey, priority: Priority) -> Detail:
        if self._failures.get(key, 0) >= DEGRADE_AFTER:
            return Detail.PHASE
        track = self._board.get(key)
        had_stages = track is not None and any(task.stages for task in track.tasks)
        # an instance whose stages were shown must not end with them half-way on the screen
        return Detail.STAGES if priority > Priority.OUTCOME or key in self._attention or had_stages else Detail.OUTCOME

    def _crashed(self, error: Exception) -> _Trouble:
        log.error("source_crashed", source=self._source.name, error=repr(error), exc_info=error)
        return _Trouble(CRASHED, f"{type(error).__name__} in the driver: see the log")


def _undecided(got: Seen) -> _Trouble | None:
    """The service calls it over but does not say how it ended: ask again."""
    return _Trouble("undecided", "the service says that it ended, but not how") if got.ended and not got.phase else None
