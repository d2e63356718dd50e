"""Takes in what is heard of instances that nobody can be asked about, and notices when no more is heard of one.

Whoever sends lines keeps them until they were taken: `take` returns once what they told is committed, and telling it
again changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectSendStream
from msgspec.structs import replace

from monitor.core.events import Seen, Silent
from monitor.core.model import TERMINAL, InstanceKey, Track
from monitor.engine.board import Board
from monitor.engine.control import StoppingError, UnclearTargetError, UnknownSourceError
from monitor.engine.ledger import Observations
from monitor.sources.base import Heard, Intake
from monitor.storage.base import Batch

KEPT_WITHIN = 10.0  # seconds from what was told to what the board shows
LOOK_EVERY = 10.0  # seconds, or a quarter of the shortest span of silence, at how long ago each was heard of
LOOK_AT_MOST_EVERY = 0.1
READ_ASIDE = 64 << 10  # characters: more than that are read in a thread, so that the loop goes on


class AskedSourceError(Exception):
    """Lines were sent to a source that the daemon asks itself; the message names those that take lines."""


class NotKeptError(Exception):
    """What was told could not be kept in time: tell it again."""


class _Awaited:
    """Instances whose news of one moment are not shown yet."""

    def __init__(self, keys: set[InstanceKey], at: datetime) -> None:
        self.keys = keys
        self.at = at
        self.shown = anyio.Event()


class Hearing:
    """All sources that are only heard of. `asked` are the names of the others, for messages."""

    def __init__(
        self,
        *,
        intakes: Mapping[str, Intake],
        asked: Sequence[str],
        board: Board,
        stream: MemoryObjectSendStream[Observations],
        now: Callable[[], datetime],
    ) -> None:
        self._intakes = intakes
        self._asked = frozenset(asked)
        self._board = board
        self._stream = stream
        self._now = now
        self._began = self._latest = now()  # nobody could be heard while there was no daemon
        self._awaited: list[_Awaited] = []

    @property
    def places(self) -> list[tuple[str, str]]:
        """Every source and project that is only heard of."""
        return [(intake.name, project) for intake in self._intakes.values() for project in intake.projects]

    async def take(
        self,
        lines: Sequence[str],
        *,
        source: str | None = None,
        project: str | None = None,
        instance: str | None = None,
    ) -> Heard:
        """Observe what these lines tell. They are about `instance` until one of them names another one.

        `source` and `project` may be left out where there is one choice. Raises UnknownSourceError, AskedSourceError,
        UnclearTargetError, NotKeptError, and StoppingError once the stream is closed.
        """
        intake = self._intake(source)
        project = _project(intake, project)
        # A moment of its own for each batch, also where the clock stands: by it the news are known on the board.
        at = self._latest = max(self._now(), self._latest + timedelta.resolution)

        def read() -> Heard:
            return intake.read(lines, project=project, instance=instance, at=at)

        heard = await anyio.to_thread.run_sync(read) if sum(map(len, lines)) > READ_ASIDE else read()
        news = tuple(got for got in heard.seen if self._is_news(got))
        ended = frozenset(got.key for got in heard.seen if self._has_ended(got.key))
        if news:
            await self._keep(news, at)
        return replace(heard, ended=ended)

    def on_batch(self, batch: Batch) -> None:
        """A hook of the follower: this was committed, and the board shows it."""
        if not self._awaited:
            return
        tracks = {track.key: track for track in batch.tracks}
        for awaited in self._awaited:
            awaited.keys -= {key for key in awaited.keys if key in tracks and _shows(tracks[key], awaited.at)}
            if not awaited.keys:
                awaited.shown.set()

    async def run(self) -> None:
        """Give up those of which nothing was heard for too long, until cancelled."""
        spans = (intake.silent_after.total_seconds() / 4 for intake in self._intakes.values())
        every = max(LOOK_AT_MOST_EVERY, min([LOOK_EVERY, *spans]))
        while True:
            await anyio.sleep(every)
            at = self._now()
            for intake in self._intakes.values():
                if silent := tuple(self._silent(intake, at)):
                    await self._stream.send(silent)

    def _silent(self, intake: Intake, at: datetime) -> list[Silent]:
        return [
            Silent(track.key, at, f"nothing was heard of it since {heard:%Y-%m-%d %H:%M:%S} UTC")
            for project in intake.projects
            for track in self._board.live(intake.name, project).values()
            if at - max(heard := track.observed_at or self._began, self._began) >= intake.silent_after
        ]

    async def _keep(self, news: Sequence[Seen], at: datetime) -> None:
        awaited = _Awaited({got.key for got in news}, at)
        self._awaited.append(awaited)
        try:
            with anyio.fail_after(KEPT_WITHIN):
                await self._stream.send(news)
                await awaited.shown.wait()
        except anyio.ClosedResourceError:
            raise StoppingError("the daemon is stopping: send the lines again when it is back") from None
        except TimeoutError:
            text = f"what the lines tell could not be recorded within {KEPT_WITHIN:g} s: send them again"
            raise NotKeptError(text) from None
        finally:
            self._awaited.remove(awaited)

    def _is_news(self, got: Seen) -> bool:
        """After its end only another end says something, and that once."""
        track = self._board.get(got.key)
        if track is None or not track.phase.is_terminal:
            return True
        return got.phase in TERMINAL and got.phase is not track.phase and not track.contradiction

    def _has_ended(self, key: InstanceKey) -> bool:
        track = self._board.get(key)
        return track is not None and track.phase.is_terminal

    def _intake(self, name: str | None) -> Intake:
        there = ", ".join(sorted(self._intakes)) or "none; define one: {type: ingest, name: .., projects: [..]}"
        if name is None:
            if len(self._intakes) == 1:
                return next(iter(self._intakes.values()))
            raise UnclearTargetError(f"name the source that the lines are for; those that take lines: {there}")
        intake = self._intakes.get(name)
        if intake is not None:
            return intake
        if name in self._asked:
            text = f"the daemon asks the service of {name!r} itself and takes no lines for it"
            raise AskedSourceError(f"{text}; those that take lines: {there}")
        raise UnknownSourceError(f"no source is named {name!r}; those that take lines: {there}")


def _project(intake: Intake, name: str | None) -> str:
    known = ", ".join(intake.projects)
    if name is None:
        if len(intake.projects) == 1:
            return intake.projects[0]
        raise UnclearTargetError(f"{intake.name!r} has several projects: name one of {known}")
    if name not in intake.projects:
        raise UnknownSourceError(f"{intake.name!r} has no project {name!r}; configured: {known}")
    return name


def _shows(track: Track, at: datetime) -> bool:
    """Whether it holds what was told at that moment. What contradicts an end changes nothing else."""
    return track.contradiction != "" or (track.observed_at is not None and track.observed_at >= at)
