"""One listener of the feed: its subscriptions, what it is told, and when it is cut off.

Rules of this file: nothing here knows how frames travel (see `websocket.py` and `sse.py`); there is no await between
reading the board and listening, so that a snapshot and the events behind it leave no gap.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from monitor.core.events import InstanceEvent, ProgressMoved
from monitor.core.model import Track
from monitor.storage.base import Record
from monitor.web import frames, wire
from monitor.web.frames import Error, Frame, Hello, News, Resync, Snapshot, Subscribe, Unsubscribe
from monitor.web.mailbox import FullError, Mailbox
from monitor.web.parts import Parts
from monitor.web.subscription import Subscription

GOING_AWAY = 1001
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013


class Line(Protocol):
    """How frames reach one client."""

    async def write(self, batch: Sequence[Frame]) -> None:
        """Write them joined; raise ConnectionError or TimeoutError when the client is gone or takes nothing."""
        ...

    def hang_up(self, code: int, reason: str, grace: float) -> None:
        """Tell the client to go, without waiting for it; what it has not taken in `grace` seconds is dropped."""
        ...


class Session:
    """One listener: its subscriptions, and what waits to be written to it."""

    def __init__(self, parts: Parts, line: Line) -> None:
        self._parts = parts
        self._line = line
        self._limits = parts.limits
        self._mailbox = Mailbox(parts.limits)
        self._known: dict[str, Subscription] = {}
        self._active: list[Subscription] = []
        self._mark = 0  # the highest number written
        self.cut = ""  # why we ended it, if it was us

    # --- what the client says ---

    def hear(self, text: str) -> None:
        """Obey one frame, or answer what is wrong with it."""
        try:
            asked = frames.read(text)
        except frames.BadFrameError as error:
            self.refuse(Error("bad_request", str(error)))
            return
        if isinstance(asked, Subscribe):
            self.subscribe(asked)
        else:
            self._unsubscribe(asked)

    def subscribe(self, asked: Subscribe) -> None:
        """Take on a subscription; one of the same id ends."""
        old = self._known.pop(asked.id, None)
        if old is not None:
            self._drop(old)
        elif len(self._known) >= self._limits.subscriptions:
            most = self._limits.subscriptions
            self.refuse(Error("too_many", f"a connection may hold {most} subscriptions: end one first", asked.id))
            return
        self._known[asked.id] = subscription = Subscription(asked)
        try:
            self._mailbox.ask(subscription)
        except FullError:
            self.cut_slow()

    def _unsubscribe(self, asked: Unsubscribe) -> None:
        old = self._known.pop(asked.id, None)
        if old is None:
            self.refuse(Error("not_found", f"there is no subscription {asked.id!r}", asked.id))
        else:
            self._drop(old)

    def _drop(self, subscription: Subscription) -> None:
        if subscription in self._active:
            self._active.remove(subscription)
        for key in subscription.watched:
            self._parts.attention.discard(key)
        subscription.watched.clear()

    def refuse(self, error: Error) -> None:
        """Queue an error frame."""
        try:
            self._mailbox.put(frames.say(error))
        except FullError:
            self.cut_slow()

    # --- what happens meanwhile ---

    def offer(self, news: Iterable[News]) -> None:
        """Queue what the active subscriptions want, once each. Called by the feed, returns at once."""
        if self.cut or not self._active:
            return
        try:
            for it in news:
                record = it.record
                concerned = [one for one in self._active if one.concerns(record)]
                if concerned:
                    progress_of = record.event.key if isinstance(record.event, ProgressMoved) else None
                    self._mailbox.put(it.frame, progress_of)
                    self._follow(record, concerned)
        except FullError:
            self.cut_slow()

    def _follow(self, record: Record, concerned: Iterable[Subscription]) -> None:
        """Let attention go with instances that enter or leave a subscription with detail."""
        if not isinstance(record.event, InstanceEvent):
            return
        key, track = record.event.key, record.track
        for one in concerned:
            if not one.detail:
                continue
            if track is not None and track.phase.is_live and one.wanted.matches(track):
                self._watch(one, (track,))
            elif key in one.watched:
                one.watched.discard(key)
                self._parts.attention.discard(key)

    def _watch(self, subscription: Subscription, tracks: Iterable[Track]) -> int:
        """Have the stages of live ones read, as far as there is room; return how many did not fit."""
        left_out = 0
        room = self._limits.watched - sum(len(one.watched) for one in self._active)
        for track in tracks:
            if not track.phase.is_live or track.key in subscription.watched:
                continue
            if room > 0:
                room -= 1
                subscription.watched.add(track.key)
                self._parts.attention.add(track.key)
            else:
                left_out += 1
        return left_out

    # --- writing, in one task ---

    async def run(self) -> None:
        """Write until cancelled; raise ConnectionError or TimeoutError when the client is gone or takes nothing."""
        parts = self._parts
        await self._write([frames.say(Hello(parts.bus.epoch, parts.bus.seq, parts.version))])
        while not self.cut:
            taken = await self._mailbox.take()
            asked = [one for one in taken if isinstance(one, Subscription) and self._is_known(one)]
            if asked:
                await self._answer(asked)
            else:
                await self._write([one for one in taken if isinstance(one, Frame)])

    async def _answer(self, asked: Sequence[Subscription]) -> None:
        """Resume those that can be, in one go so that numbers do not fall; show the others what there is."""
        before = self._mailbox.drain()
        mark = max([self._mark, *(frame.mark for frame in before if frame.mark is not None)])
        why_not = {one: self._why_not(one, mark) for one in asked}
        resumed = [(one, one.after.seq) for one in asked if one.after and why_not[one] is None]
        missed: tuple[Record, ...] = ()
        if resumed:
            missed = self._parts.bus.since(self._parts.bus.epoch, min(seq for _, seq in resumed)) or ()
            self._active += [one for one, _ in resumed]
        await self._write(before)
        await self._replay(missed, resumed)
        for one in asked:
            reason = why_not[one]
            if reason is not None and self._is_known(one):
                if one.after:
                    await self._write([frames.say(Resync(one.id, reason))])
                await self._show(one)

    def _why_not(self, subscription: Subscription, mark: int) -> str | None:
        """Why it cannot be resumed; None if it can."""
        after, bus = subscription.after, self._parts.bus
        if after is None:
            return "new"
        if after.epoch != bus.epoch:
            return "epoch"
        if bus.since(after.epoch, after.seq) is None:
            return "history"
        return "order" if after.seq < mark else None

    async def _replay(self, missed: Sequence[Record], resumed: Sequence[tuple[Subscription, int]]) -> None:
        size = self._limits.part
        for start in range(0, len(missed), size):
            await self._write(
                [
                    frames.event(record, self._parts.board)
                    for record in missed[start : start + size]
                    if any(record.seq > seq and one.concerns(record) for one, seq in resumed if self._is_known(one))
                ]
            )
        for one, _ in resumed:
            if one.detail:
                selected = await self._parts.board.select(one.wanted, limit=self._limits.watched + 1)
                self._watch_all(one, selected.tracks, selected.total)

    async def _show(self, subscription: Subscription) -> None:
        """Everything that matches, in parts. What waits to be written is older, so it goes first."""
        board, seq = self._parts.board, self._parts.bus.seq
        self._active.append(subscription)
        before = self._mailbox.drain()
        limit = subscription.limit or len(board) + 1
        selected = await board.select(subscription.wanted, limit=limit)  # reads the board before its first await
        await self._write(before)
        if subscription.detail:
            self._watch_all(subscription, selected.tracks, selected.total)
        tracks, size = selected.tracks, self._limits.part
        for start in range(0, max(1, len(tracks)), size):
            if not self._is_known(subscription):
                return
            instances = await wire.instances(tracks[start : start + size], board)
            last = start + size >= len(tracks)
            part = Snapshot(subscription.id, seq, instances, last, selected.total)
            await self._write([frames.snapshot(part)])

    def _watch_all(self, subscription: Subscription, tracks: Iterable[Track], total: int) -> None:
        if not self._is_known(subscription):
            return
        newest = (self._parts.board.get(track.key) for track in tracks)
        if self._watch(subscription, (track for track in newest if track and subscription.wanted.matches(track))):
            most = self._limits.watched
            message = (
                f"{total} instances match; the stages of {most} are read with priority for a connection, and those of "
                "the others at their usual pace: narrow the filter"
            )
            self.refuse(Error("too_many", message, subscription.id))

    def _is_known(self, subscription: Subscription) -> bool:
        return self._known.get(subscription.id) is subscription

    async def _write(self, batch: Sequence[Frame]) -> None:
        """Write in chunks, and remember how far the client has come."""
        chunk: list[Frame] = []
        room = self._limits.chunk
        for frame in batch:
            chunk.append(frame)
            room -= len(frame.body)
            if room <= 0:
                await self._send(chunk)
                chunk, room = [], self._limits.chunk
        if chunk:
            await self._send(chunk)

    async def _send(self, chunk: Sequence[Frame]) -> None:
        if self.cut:
            return
        await self._line.write(chunk)
        self._parts.stats.messages += len(chunk)
        self._mark = max([self._mark, *(frame.mark for frame in chunk if frame.mark is not None)])

    # --- the end ---

    def cut_slow(self) -> None:
        """End it: what waits for it has grown over its bound, or a write has taken too long."""
        self._cut("slow", TRY_AGAIN_LATER, "you read too slowly: come back and resume", self._limits.grace)

    def cut_for_shutdown(self) -> None:
        """End it: the daemon stops and waits for nobody."""
        self._cut("shutdown", GOING_AWAY, "the daemon stops: come back soon", min(1.0, self._limits.grace))

    def cut_for_fault(self) -> None:
        """End it: it cannot be told what happened, by a bug of ours, and what it was told must have no gap."""
        self._cut(
            "crashed",
            INTERNAL_ERROR,
            "the daemon could not tell you of an event; its log has the details",
            self._limits.grace,
        )

    def _cut(self, why: str, code: int, reason: str, grace: float) -> None:
        if not self.cut:
            self.cut = why
            self._line.hang_up(code, reason, grace)

    def forget(self) -> None:
        """Give back all attention."""
        for subscription in tuple(self._active):
            self._drop(subscription)
