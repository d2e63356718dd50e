"""Asks one source: sweeps its projects, looks at what vanished, reconciles what ended, and reads stages by attention.

A fixed number of workers serves each kind of poll, so that neither a slow inspection nor a long reconcile delays a
sweep. Whatever is learned, also that nothing was, goes into the stream as observations.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

import anyio
import structlog
from anyio.streams.memory import MemoryObjectSendStream

from monitor.core.attempts import has_ended_again
from monitor.core.events import Failed, Seen, Swept
from monitor.core.model import InstanceKey, Phase
from monitor.core.schedule import Pace, vanished
from monitor.engine.attention import Attention
from monitor.engine.backlog import Backlog
from monitor.engine.board import Board
from monitor.engine.inspector import TELL_AFTER, Inspector
from monitor.engine.ledger import Observations
from monitor.engine.rota import Rota, Setback
from monitor.engine.trouble import Tries, Trouble
from monitor.sources.base import Priority, Source

SWEEPERS = 4
RECONCILERS = 2
LONGEST_REST = timedelta(minutes=1)  # between tries at a listing: so late may an outage's end be noticed

log = structlog.get_logger()


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
        self._stream = stream
        self._now = now
        self._chance = chance
        self._tries = Tries(source.name)
        self._sweeps: Rota[str] = Rota(first=pace.sweep_every, chance=chance, longest=LONGEST_REST)  # by project
        self._reconciles: Rota[str] = Rota(first=pace.reconcile_every, chance=chance, longest=LONGEST_REST)
        self._swept: dict[str, datetime] = {}  # when the last complete sweep of a project began
        began = now() - pace.look_back
        self._backlogs = {
            project: Backlog(checkpoints.get((source.name, project), began)) for project in source.projects
        }
        self._inspector = Inspector(
            source=source,
            pace=pace,
            board=board,
            attention=attention,
            backlogs=self._backlogs,
            stream=stream,
            tries=self._tries,
            now=now,
            chance=chance,
        )

    async def run(self) -> None:
        """Poll until cancelled."""
        projects = self._source.projects
        for number, project in enumerate(projects):
            # spread over the first second, so that many projects do not knock at once
            after = number / len(projects)
            self._sweeps.ask(project, Priority.SWEEP, after=after)
            self._reconciles.ask(project, Priority.OUTCOME, after=after)
        async with anyio.create_task_group() as workers:
            for _ in range(min(SWEEPERS, len(projects))):
                workers.start_soon(self._serve_sweeps)
            for _ in range(min(RECONCILERS, len(projects))):
                workers.start_soon(self._serve_reconciles)
            # the source answers so many requests at once: one place stays free for listings
            for _ in range(max(1, self._pace.concurrency - 1)):
                workers.start_soon(self._inspector.serve)
            workers.start_soon(self._inspector.plan)

    # --- sweeps ---

    async def _serve_sweeps(self) -> None:
        while True:
            project, _ = await self._sweeps.next()
            got = await self._tries.make(self._sweep(project))
            if isinstance(got, Trouble):
                failed = Failed(self._source.name, project, self._now(), got.reason, got.detail)
                await self._stream.send((failed,))
                self._sweeps.failed(project, retry_after=got.retry_after)
                self._sweeps.ask(project, Priority.SWEEP)
                continue
            await self._stream.send((Swept(self._source.name, project, self._now(), got),))
            for instance in vanished(self._board.live(self._source.name, project), got):
                self._inspector.ask_outcome(InstanceKey(self._source.name, project, instance))
            if self._sweeps.succeeded(project):
                # it is back: what ended meanwhile is not in any sweep
                self._reconciles.ask(project, Priority.OUTCOME, rested=False)
                self._inspector.source_is_back(project)
            self._sweeps.ask(project, Priority.SWEEP, after=self._about(self._pace.sweep_every))

    async def _sweep(self, project: str) -> frozenset[str]:
        """List to the last page; the ids of all that are live."""
        began = self._now()
        ids: set[str] = set()
        async for page in self._source.sweep(project):
            ids.update(page.ids)
            if seen := tuple(got for got in page.seen if self._is_ours(got)):
                await self._stream.send(seen)
        self._swept[project] = began
        return frozenset(ids)

    def _is_ours(self, got: Seen) -> bool:
        return self._board.get(got.key) is not None or self._source.discovers(got)

    # --- reconciles ---

    async def _serve_reconciles(self) -> None:
        while True:
            project, _ = await self._reconciles.next()
            got = await self._tries.make(self._reconcile(project))
            if isinstance(got, Trouble):
                self._tell_failing(project, got, self._reconciles.failed(project, retry_after=got.retry_after))
                self._reconciles.ask(project, Priority.OUTCOME)
                continue
            for lead in got:
                self._inspector.ask_outcome(lead.key, lead)
            await self._inspector.move_checkpoint(project)
            self._tell_answering(project, self._reconciles.succeeded(project))
            self._reconciles.ask(project, Priority.OUTCOME, after=self._about(self._pace.reconcile_every))

    async def _reconcile(self, project: str) -> Collection[Seen]:
        """List what has ended; what is listed of those of which somebody must ask how."""
        backlog = self._backlogs[project]
        # What was submitted after the last complete sweep, nobody may have seen live: it must be listed again.
        upto = min(self._now(), self._swept.get(project, backlog.listed_upto))
        since = backlog.listed_upto - self._pace.overlap
        leads: dict[InstanceKey, Seen] = {}
        async for page in self._source.ended(project, since):
            known: list[Seen] = []
            for got in page.seen:
                if not self._is_news(got, since):
                    continue
                if self._board.get(got.key) is None and got.phase in {Phase.SUCCEEDED, Phase.CANCELLED}:
                    known.append(got)  # nobody has seen it live: there is nothing more to learn
                else:
                    leads[got.key] = got
            if known:
                await self._stream.send(tuple(known))
        backlog.add(upto, leads)
        return leads.values()

    def _is_news(self, got: Seen, since: datetime) -> bool:
        track = self._board.get(got.key)
        if track is None:
            is_history = got.ended_at is not None and got.ended_at < since
            return not is_history and self._source.discovers(got)
        return not track.phase.is_terminal or got.attempt > track.attempt or has_ended_again(track, got)

    def _tell_failing(self, project: str, trouble: Trouble, setback: Setback) -> None:
        if setback.failures == TELL_AFTER:
            log.warning(
                "reconcile_failing",
                source=self._source.name,
                project=project,
                reason=trouble.reason,
                detail=trouble.detail,
                means="what begins and ends between two sweeps is not seen until this listing answers",
            )

    def _tell_answering(self, project: str, setback: Setback | None) -> None:
        if setback is not None and setback.failures >= TELL_AFTER:
            lasted = round(anyio.current_time() - setback.since, 1)
            log.info("reconcile_recovered", source=self._source.name, project=project, lasted=lasted)

    def _about(self, every: timedelta) -> float:
        return every.total_seconds() * (0.95 + 0.1 * self._chance())
