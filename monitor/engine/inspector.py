"""Asks one source about single instances: what became of them, and how far their stages are.

Three kinds of question wait in one queue: outcomes, which must be known and are asked until they are; what somebody
watches, again and again; and what attention has planned, which may as well not be asked. An instance that starts others
is looked at with every plan, and so is each that it names and nobody has met: no listing tells what belongs together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nsmallest
from itertools import islice
from typing import NoReturn

import anyio
import anyio.lowlevel
import structlog
from anyio.streams.memory import MemoryObjectSendStream
from msgspec.structs import replace

from monitor.core.events import Gone, Missed, Reconciled, Seen
from monitor.core.model import InstanceKey, Track
from monitor.core.schedule import Pace, attend
from monitor.engine.attention import Attention
from monitor.engine.backlog import Backlog
from monitor.engine.board import ROWS_A_SLICE, Board
from monitor.engine.ledger import Observations
from monitor.engine.rota import Rota
from monitor.engine.trouble import Tries, Trouble
from monitor.sources.base import Detail, Priority, Source

DEGRADE_AFTER = 3  # failures in a row: then ask only whether it failed, and alert without its text
FIRST_PLAN_AFTER = 2.0  # seconds, in which the first sweeps fill the board
TELL_AFTER = 5  # failures in a row: a minute or two of trying
UNDECIDED = Trouble("undecided", "the service says that it ended, but not how")

log = structlog.get_logger()


@dataclass(slots=True)
class _Question:
    """An outcome that is asked for: how often that failed in a row, and what a listing said of its instance."""

    failures: int = 0
    lead: Seen | None = None


class Inspector:
    """All inspections of one source, by any number of workers that run `serve`. `backlogs` are by project."""

    def __init__(
        self,
        *,
        source: Source,
        pace: Pace,
        board: Board,
        attention: Attention,
        backlogs: Mapping[str, Backlog],
        stream: MemoryObjectSendStream[Observations],
        tries: Tries,
        now: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self._source = source
        self._pace = pace
        self._board = board
        self._attention = attention
        self._backlogs = backlogs
        self._stream = stream
        self._tries = tries
        self._now = now
        self._rota: Rota[InstanceKey] = Rota(first=pace.watch_every, chance=chance)
        self._under_way: set[InstanceKey] = set()
        self._unanswered: dict[InstanceKey, _Question] = {}
        self._unmet: dict[InstanceKey, tuple[str, str]] = {}  # named by the one that started them: its id, and the step
        attention.when_watched(self._watch)

    def ask_outcome(self, key: InstanceKey, lead: Seen | None = None) -> None:
        """It is not listed as live, or listed as over, as `lead` says: ask until it is known what became of it."""
        question = self._unanswered.get(key)
        if question is None:
            question = self._unanswered[key] = _Question()
            self._rota.succeeded(key)  # trouble with its stages was another matter
        question.lead = lead or question.lead
        self._ask(key, Priority.OUTCOME)

    def source_is_back(self, project: str) -> None:
        """Its listing answers again: what failed with it need not rest any longer."""
        self._rota.wake(lambda key: key.project == project)

    async def move_checkpoint(self, project: str) -> None:
        """Tell how far everything that ended in this project is known, if that is farther than before."""
        upto = self._backlogs[project].checkpoint()
        if upto is not None:
            await self._stream.send((Reconciled(self._source.name, project, upto),))

    async def serve(self) -> None:
        """Inspect what is due until cancelled."""
        while True:
            key, priority = await self._rota.next()
            if self._is_moot(key, priority):
                self._answered(key, None)
                continue
            self._under_way.add(key)
            try:
                got = await self._inspect(key, priority)
            finally:
                self._under_way.discard(key)
            if isinstance(got, Trouble):
                self._ask_again(key, got)
                continue
            self._rota.succeeded(key)
            self._answered(key, got)
            if backlog := self._backlogs.get(key.project):
                backlog.answer(key)
                await self.move_checkpoint(key.project)
            over = isinstance(got, Seen) and got.phase is not None and not got.phase.is_live
            if key in self._attention and not over:
                self._ask(key, Priority.WATCHED, after=self._pace.watch_every.total_seconds())

    async def _inspect(self, key: InstanceKey, priority: Priority) -> Seen | Gone | Trouble:
        """What the source says of it. Whatever that is, the stream has it when this returns."""
        got = await self._tries.make(self._source.inspect(key, self._detail(key, priority), priority))
        question = self._unanswered.get(key)
        if question is not None and question.lead is not None:
            got = _hearsay(got, question) if isinstance(got, Trouble) else _completed(got, question.lead)
        if not isinstance(got, Trouble):
            if isinstance(got, Seen) and not got.parent and (started := self._unmet.get(key)):
                got = replace(got, parent=started[0], step=started[1])
            await self._stream.send((got,))
            self._meet(got)
            if isinstance(got, Gone) or not got.ended or got.phase is not None:
                return got
            got = UNDECIDED
        await self._stream.send((Missed(key, self._now(), got.reason),))
        return got

    def _answered(self, key: InstanceKey, got: Seen | Gone | None) -> None:
        self._unanswered.pop(key, None)
        if key in self._unmet and isinstance(got, Seen) and not got.parent:
            self.ask_outcome(key)  # it was named as a step while this answer was under way
        else:
            self._unmet.pop(key, None)

    def _meet(self, got: Seen | Gone) -> None:
        """Ask about those that it started and that are not known as such, also where nothing else is discovered: who
        watches a workflow watches its steps. One that ended unseen must be known to have been a step, too."""
        if isinstance(got, Gone) or got.children is None:
            return
        for step, id_ in got.children:
            key = replace(got.key, id=id_)
            track = self._board.get(key)
            if (track is None or not track.parent) and key not in self._unmet:
                self._unmet[key] = (got.key.id, step)
                self.ask_outcome(key)

    def _ask(self, key: InstanceKey, priority: Priority, *, after: float = 0.0, rested: bool = True) -> None:
        if key not in self._under_way:
            self._rota.ask(key, priority, after=after, rested=rested)

    def _ask_again(self, key: InstanceKey, trouble: Trouble) -> None:
        """Let it rest, then ask for what must be known; stages that nobody watches wait for a later plan."""
        self._rota.failed(key, retry_after=trouble.retry_after)
        question = self._unanswered.get(key)
        if question is not None:
            question.failures += 1
            if question.failures == TELL_AFTER:
                log.warning("outcome_unknown", instance=str(key), reason=trouble.reason, detail=trouble.detail)
            self._ask(key, Priority.OUTCOME)
        elif key in self._attention:
            self._ask(key, Priority.WATCHED)

    def _is_moot(self, key: InstanceKey, priority: Priority) -> bool:
        """Whether the answer is known, or nobody wants it any more, since it was asked for."""
        backlog = self._backlogs.get(key.project)
        if key in self._unmet or (backlog is not None and key in backlog):
            return False
        track = self._board.get(key)
        if track is not None and track.phase.is_terminal:
            return True
        return priority is Priority.WATCHED and key not in self._attention

    def _detail(self, key: InstanceKey, priority: Priority) -> Detail:
        if priority > Priority.OUTCOME:
            return Detail.STAGES
        question = self._unanswered.get(key)
        failures = question.failures if question is not None else 0
        if failures >= DEGRADE_AFTER:
            return Detail.PHASE
        track = self._board.get(key)
        had_stages = track is not None and any(task.stages for task in track.tasks)
        # An instance whose stages were shown must not end with them half-way on the screen; its end is worth more.
        return Detail.STAGES if not failures and (key in self._attention or had_stages) else Detail.OUTCOME

    # --- attention ---

    def _watch(self, key: InstanceKey) -> None:
        """Somebody looks: read it now, unless that was done a moment ago. Trouble of before is worth another try."""
        if key.source != self._source.name:
            return
        track = self._board.get(key)
        looked = track.stages_at if track else None
        ago = self._now() - looked if looked else self._pace.watch_every
        after = max(0.0, (self._pace.watch_every - ago).total_seconds())
        self._ask(key, Priority.WATCHED, after=after, rested=False)

    async def plan(self) -> NoReturn:
        """Once per round of sweeps, however many projects there are, choose whose stages to read; until cancelled."""
        every = self._pace.sweep_every.total_seconds()
        await anyio.sleep(min(every, FIRST_PLAN_AFTER))
        while True:
            await self._choose()
            await anyio.sleep(every)

    async def _choose(self) -> None:
        """Replace what is left of the last plan: what was interesting then may be over by now.

        A slice at a time: the best of all so far against the next slice.
        """
        now = self._now()
        self._rota.drop(Priority.ATTENTION)
        self._rota.forgive(lambda key: key in self._under_way or self._is_live(key))
        live = [
            track
            for project in self._source.projects
            for track in self._board.live(self._source.name, project).values()
        ]
        limit = self._pace.attention_per_sweep()
        workflows: list[Track] = []
        chosen: list[InstanceKey] = []
        for start in range(0, len(live), ROWS_A_SLICE):
            best = [track for key in chosen if (track := self._board.get(key))]
            free = [track for track in live[start : start + ROWS_A_SLICE] if self._may_be_planned(track.key)]
            workflows += (track for track in free if track.is_workflow)
            chosen = attend(
                map(self._as_looked_at, best + free),
                at=now,
                coarse=self._pace.coarse,
                limit=limit,
            )
            await anyio.lowlevel.checkpoint()
        # What a workflow has started is told by nothing but a look at it: those go first, for half of all looks.
        workflows = nsmallest((limit + 1) // 2, workflows, key=lambda one: one.stages_at or one.phase_since or now)
        for key in islice(dict.fromkeys((*(track.key for track in workflows), *chosen)), limit):
            self._ask(key, Priority.ATTENTION)

    def _may_be_planned(self, key: InstanceKey) -> bool:
        return key not in self._rota and not self._rota.rests(key)

    def _as_looked_at(self, track: Track) -> Track:
        """A look that failed was a look, too: others come first now."""
        ago = self._rota.failed_ago(track.key)
        return track if ago is None else replace(track, stages_at=self._now() - timedelta(seconds=ago))

    def _is_live(self, key: InstanceKey) -> bool:
        track = self._board.get(key)
        return track is not None and track.phase.is_live


def _hearsay(trouble: Trouble, question: _Question) -> Seen | Trouble:
    """What a listing says of how it ended, once asking about it has failed often: told without its text rather than
    never."""
    lead = question.lead
    return lead if lead is not None and lead.phase is not None and question.failures >= TELL_AFTER else trouble


def _completed(got: Seen | Gone, lead: Seen) -> Seen | Gone:
    """An answer about one instance may leave out what a listing tells, and what was over before it was ever listed as
    live, or was deleted since, has no other witness."""
    if isinstance(got, Gone):
        return got if lead.phase is None else replace(lead, at=got.at)
    return replace(
        got,
        name=got.name or lead.name,
        owner=got.owner or lead.owner,
        created_at=got.created_at or lead.created_at,
        started_at=got.started_at or lead.started_at,
        ended_at=got.ended_at or lead.ended_at,
    )
