"""The single writer: observations in, one commit out.

Only this file changes tracks. It decides with the core, keeps with the storage, and calls nobody else: whoever wants to
know follows the storage.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream
from msgspec import Struct
from msgspec.structs import replace

from monitor.core.alerting import Alert, Rules, decide
from monitor.core.events import (
    AlertFired,
    AnyEvent,
    Failed,
    Gone,
    Missed,
    Observation,
    Reconciled,
    Removed,
    Seen,
    Silent,
    SourceChanged,
    SourceObservation,
    Swept,
    Tick,
)
from monitor.core.health import Health
from monitor.core.model import LIVE, InstanceKey, Track
from monitor.core.retention import Retention, forget, spent
from monitor.core.tracker import Policy, step
from monitor.engine.outages import Outages
from monitor.storage.base import Batch, Record, Storage, StorageError

Observations = Sequence[Observation | SourceObservation]

COMMIT_WITHIN = 60.0  # seconds; longer means that the disk hangs: better to stop and restart than to guess
OBSERVATIONS_A_COMMIT = 2000
TRACKS_A_TICK_SLICE = 1000
TRACKS_A_LOOK = 5000  # at how old they are: a few milliseconds
REMOVALS_A_COMMIT = 100  # each deletes a history, too: five milliseconds
SAVE_PROGRESS_EVERY = timedelta(seconds=30)
PROGRESS_A_COMMIT = 5000  # tracks saved along with a commit for their progress alone
FORGET_EVERY = timedelta(minutes=1)

_ABOUT_ONE = (Seen, Gone, Missed, Silent)  # ready made: `|` would make a union anew for every observation


class Decisions(Struct, frozen=True, gc=False):
    """Everything the operator decided that the ledger needs."""

    policy: Policy
    rules: Rules
    retention: Retention


class _Draft:
    """What the observations of one commit add up to."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.changed: dict[InstanceKey, Track] = {}
        self.lasting: set[InstanceKey] = set()
        self.alerts: list[Alert] = []
        self.checkpoints: dict[tuple[str, str], datetime] = {}
        self.swept: list[Swept] = []
        self.health: dict[tuple[str, str], Health] = {}
        self.remove: list[InstanceKey] = []


class Ledger:
    """Owns every track. Crashes rather than go on with something that it could not keep. `heard` are the names of the
    sources that nobody asks: what was last heard of theirs counts until it is lost."""

    def __init__(
        self,
        *,
        storage: Storage,
        tracks: Iterable[Track],
        seq: int,
        decisions: Decisions,
        now: Callable[[], datetime],
        heard: Collection[str] = (),
    ) -> None:
        self._storage = storage
        self._tracks = {track.key: track for track in tracks}
        self._live = {key for key, track in self._tracks.items() if track.phase.is_live}
        self._seq = seq
        self._decisions = decisions
        self._now = now
        self._heard = frozenset(heard)
        self._outages = Outages()
        self._listed: dict[tuple[str, str], Swept] = {}
        self._unsaved: set[InstanceKey] = set()
        self._chores: dict[str, Iterator[_Draft]] = {}
        self._saved_at = self._forgot_at = now()

    async def run(self, receive: MemoryObjectReceiveStream[Observations]) -> None:
        """Take observations until the stream ends, then keep what was not kept yet. Raises StorageError."""
        await self._outages.recall(self._storage, self._decisions.rules)
        while (taken := await self._take(receive)) is not None:
            await self._keep(self._absorb(taken))
            ticks = [got for got in taken if isinstance(got, Tick)]
            if ticks:
                await self._begin_chores(ticks[-1])  # whoever is late need not judge the same twice
            await self._go_on()
        while self._unsaved:
            await self._keep(_Draft(), flush=True)

    def decide_by(self, decisions: Decisions) -> None:
        """Use these from the next observation on."""
        self._decisions = decisions

    async def _take(
        self, receive: MemoryObjectReceiveStream[Observations]
    ) -> list[Observation | SourceObservation] | None:
        """What waits in the stream, which may be nothing while there are chores; None at its end."""
        taken: list[Observation | SourceObservation] = []
        while len(taken) < OBSERVATIONS_A_COMMIT:
            try:
                taken += receive.receive_nowait() if taken or self._chores else await receive.receive()
            except anyio.WouldBlock:
                break
            except anyio.EndOfStream:
                return taken or None
        return taken

    # --- absorbing: no await from here to the commit ---

    def _absorb(self, observations: Observations) -> _Draft:
        draft = _Draft()
        for got in observations:
            if isinstance(got, _ABOUT_ONE):
                self._observe(got.key, got, draft)
            elif isinstance(got, Swept | Failed):
                self._ask_health(got, draft)
            elif isinstance(got, Reconciled):
                draft.checkpoints[got.source, got.project] = got.upto
        return draft

    def _observe(self, key: InstanceKey, got: Observation, draft: _Draft) -> None:
        if isinstance(got, Gone) and self._outages.is_blind(key):
            return
        track = self._tracks.get(key)
        new, events = step(track, got, self._decisions.policy)
        if new is None or new is track:
            return
        draft.events += events
        if _last(events):
            draft.lasting.add(key)
            new = self._alert(new, events, draft)
        elif events or track is None or not _says_the_same(track, new):
            self._unsaved.add(key)
        self._tracks[key] = draft.changed[key] = new
        if track is not None and new.phase is track.phase:
            return
        if new.phase in LIVE:
            self._live.add(key)
        else:
            self._live.discard(key)

    def _alert(self, track: Track, events: Sequence[AnyEvent], draft: _Draft) -> Track:
        alerts = decide(events, {track.key: track}, self._decisions.rules)
        if not alerts:
            return track
        draft.alerts += alerts
        draft.events += (_fired(alert) for alert in alerts)
        return replace(track, fired=track.fired | {alert.rule for alert in alerts})

    def _ask_health(self, got: Swept | Failed, draft: _Draft) -> None:
        health, changes, alerts = self._outages.observe(got, self._decisions.rules)
        draft.health[got.source, got.project] = health
        if isinstance(got, Swept):
            draft.swept.append(got)
            self._listed[got.source, got.project] = got
        draft.events += changes
        draft.alerts += alerts
        draft.events += (_fired(alert) for alert in alerts)

    # --- chores: what goes over all tracks is done a slice at a time, and observations go first ---

    async def _begin_chores(self, tick: Tick) -> None:
        """Those that are due and not under way."""
        self._chores.setdefault("judge", self._judge(tick))
        if tick.at - self._forgot_at >= FORGET_EVERY:
            self._forgot_at = tick.at
            surplus = self._decisions.retention.surplus(len(self._tracks), await self._storage.size())
            self._chores.setdefault("forget", self._forget(tick.at, surplus))

    async def _go_on(self) -> None:
        """One slice of every chore. Each is kept before anything else is observed."""
        for name, chore in tuple(self._chores.items()):
            draft = next(chore, None)
            if draft is None:
                del self._chores[name]
            else:
                await self._keep(draft)
                await anyio.lowlevel.checkpoint()

    def _judge(self, tick: Tick) -> Iterator[_Draft]:
        """Whether time alone has made a difference to a live track."""
        live = tuple(self._live)
        for start in range(0, len(live), TRACKS_A_TICK_SLICE):
            draft = _Draft()
            for key in live[start : start + TRACKS_A_TICK_SLICE]:
                if key in self._live:
                    self._observe(key, self._as_known(key, tick), draft)
            yield draft

    def _forget(self, at: datetime, surplus: int) -> Iterator[_Draft]:
        """What has ended long ago, and `surplus` more than that if need be."""
        tracks, found = tuple(self._tracks.values()), []
        for start in range(0, len(tracks), TRACKS_A_LOOK):
            look = tracks[start : start + TRACKS_A_LOOK]
            found.append(spent(look, at, self._decisions.retention, surplus=surplus))
            yield _Draft()
        going = forget(found, surplus)
        while keys := tuple(islice(going, REMOVALS_A_COMMIT)):
            draft = _Draft()
            for key in keys:
                if key not in self._live:  # it may have been restarted since
                    del self._tracks[key]
                    self._unsaved.discard(key)
                    draft.remove.append(key)
                    draft.events.append(Removed(at=at, key=key))
            yield draft

    def _as_known(self, key: InstanceKey, tick: Tick) -> Tick:
        """With when it was last listed. Blind where nobody vouches for its state: its project does not answer, or the
        last listing left it out and no answer about it came since."""
        if key.source in self._heard:
            return tick
        listed = self._listed.get((key.source, key.project))
        if listed is None or self._outages.is_blind(key):
            return Tick(tick.at, blind=True)
        seen = self._tracks[key].observed_at
        is_out_of_sight = key.id not in listed.ids and (seen is None or seen < listed.at)
        return Tick(tick.at, blind=is_out_of_sight, listed_at=listed.at)

    # --- keeping ---

    async def _keep(self, draft: _Draft, *, flush: bool = False) -> None:
        save = draft.lasting
        now = self._now()
        if flush or now - self._saved_at >= SAVE_PROGRESS_EVERY:
            if len(self._unsaved) <= PROGRESS_A_COMMIT:
                self._saved_at = now  # else the next commit goes on with it
            save = save.union(islice(self._unsaved, PROGRESS_A_COMMIT))
        self._unsaved -= save
        batch = Batch(
            records=self._numbered(draft.events, draft.changed),
            save=tuple(self._tracks[key] for key in save),
            alerts=tuple(draft.alerts),
            checkpoints=draft.checkpoints,
            remove=tuple(draft.remove),
            tracks=tuple(draft.changed.values()),
            swept=tuple(draft.swept),
            health=draft.health,
        )
        if not (batch.records or batch.tracks or batch.swept or batch.health or batch.writes):
            return
        try:
            with anyio.fail_after(COMMIT_WITHIN, shield=True):
                await self._storage.commit(batch)
        except TimeoutError as error:
            text = f"the storage did not keep a commit within {COMMIT_WITHIN:g} s: look at its disk, then start again"
            raise StorageError(text) from error

    def _numbered(self, events: Sequence[AnyEvent], changed: Mapping[InstanceKey, Track]) -> tuple[Record, ...]:
        first = self._seq + 1
        self._seq += len(events)
        return tuple(
            Record(seq=seq, event=event, track=_of(event, changed)) for seq, event in enumerate(events, start=first)
        )


def _last(events: Sequence[AnyEvent]) -> bool:
    for event in events:  # noqa: SIM110 - most often one that passes: a generator would cost more than all of it
        if event.lasting:
            return True
    return False


def _of(event: AnyEvent, tracks: Mapping[InstanceKey, Track]) -> Track | None:
    return None if isinstance(event, SourceChanged) or event.key is None else tracks.get(event.key)


def _says_the_same(old: Track, new: Track) -> bool:
    """Whether nothing is lost by not saving `new`: when somebody last looked is found out by looking again."""
    looked = replace(
        old,
        observed_at=new.observed_at,
        stages_at=new.stages_at,
        absences=new.absences,
        absent_since=new.absent_since,
    )
    return looked == new


def _fired(alert: Alert) -> AlertFired:
    return AlertFired(at=alert.at, key=alert.key, alert=alert.id, rule=alert.rule, severity=alert.severity)
