"""The newest state of everything, for all who only read. Fed by the follower, so it never shows what is not kept."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import anyio.lowlevel
from msgspec import Struct

from monitor.core.events import Swept
from monitor.core.filter import Filter
from monitor.core.health import Health
from monitor.core.model import InstanceKey, Phase, Track
from monitor.storage.base import Batch

ROWS_A_SLICE = 2000  # a few milliseconds of filtering, then the loop may breathe


class BadCursorError(Exception):
    """The cursor of a page is not one that this board gave out."""


class Selected(Struct, frozen=True, gc=False):
    """One page of an answer: `next` is the cursor of the page behind it, `total` counts all pages."""

    tracks: tuple[Track, ...]
    next: str | None
    total: int


class Board:
    """Tracks by key, newest discovered last; counts per source, project and phase; the health of every project."""

    def __init__(self, tracks: Iterable[Track] = ()) -> None:
        self._tracks: dict[InstanceKey, Track] = {}
        self._ordinal: dict[InstanceKey, int] = {}
        self._discovered = 0
        self._live: dict[tuple[str, str], dict[str, Track]] = {}
        self._counts: Counter[tuple[str, str, Phase]] = Counter()
        self._by_id: dict[str, tuple[InstanceKey, ...]] = {}
        self._children: dict[InstanceKey, dict[InstanceKey, None]] = {}  # in the order in which they became known
        self._listed: dict[tuple[str, str], Swept] = {}
        self.health: dict[tuple[str, str], Health] = {}
        for track in tracks:
            self._put(track)

    # --- written by the follower only ---

    def apply(self, batch: Batch) -> None:
        """Show what was committed."""
        for track in batch.tracks:
            self._put(track)
        for swept in batch.swept:
            self._listed[swept.source, swept.project] = swept
        self.health.update(batch.health)
        for key in batch.remove:
            self._remove(key)

    def _put(self, track: Track) -> None:
        key = track.key
        old = self._tracks.get(key)
        place = (key.source, key.project)
        self._tracks[key] = track
        if old is None:
            self._discovered += 1
            self._ordinal[key] = self._discovered
            self._by_id[key.id] = (*self._by_id.get(key.id, ()), key)
            self._counts[*place, track.phase] += 1
        elif old.phase is not track.phase:
            self._counts[*place, old.phase] -= 1
            self._counts[*place, track.phase] += 1
        if track.phase.is_live:
            self._live.setdefault(place, {})[key.id] = track
        elif old is not None and old.phase.is_live:
            self._live[place].pop(key.id, None)
        if parent := track.parent_key:
            self._children.setdefault(parent, {})[key] = None

    def _remove(self, key: InstanceKey) -> None:
        old = self._tracks.pop(key, None)
        if old is None:
            return
        del self._ordinal[key]
        self._counts[key.source, key.project, old.phase] -= 1
        self._live.get((key.source, key.project), {}).pop(key.id, None)
        if (parent := old.parent_key) and (siblings := self._children.get(parent)):
            siblings.pop(key, None)
            if not siblings:
                del self._children[parent]
        others = tuple(other for other in self._by_id[key.id] if other != key)
        if others:
            self._by_id[key.id] = others
        else:
            del self._by_id[key.id]

    # --- read by everybody ---

    def __len__(self) -> int:
        return len(self._tracks)

    def get(self, key: InstanceKey) -> Track | None:
        """The track of this key."""
        return self._tracks.get(key)

    def with_id(self, instance_id: str) -> tuple[InstanceKey, ...]:
        """Every key whose id is this: a bare id is good enough where there is one."""
        return self._by_id.get(instance_id, ())

    def children(self, key: InstanceKey) -> tuple[Track, ...]:
        """The tracks of the instances that it started, in the order of its tasks, as far as those are known."""
        children = self._children.get(key)
        if children is None:  # as nearly always, and every instance that is shown asks
            return ()
        tracks = [self._tracks[child] for child in children]
        started_by = self._tracks.get(key)
        places = {task.name: place for place, task in enumerate(started_by.tasks)} if started_by else {}
        return tuple(sorted(tracks, key=lambda track: places.get(track.step, len(places))))

    def live(self, source: str, project: str) -> Mapping[str, Track]:
        """The live tracks of a project by id. A view: do not keep it across an await."""
        return self._live.get((source, project), {})

    def counts(self) -> Mapping[tuple[str, str, Phase], int]:
        """How many instances of each source and project are in each phase; zero where the key is absent."""
        return self._counts

    def observed_at(self, track: Track) -> datetime | None:
        """When the service last vouched for this state: by an observation, or by listing it unchanged in a sweep."""
        listed = self._listed.get((track.key.source, track.key.project))
        if listed is None or not track.phase.is_live or track.key.id not in listed.ids:
            return track.observed_at
        return max(listed.at, track.observed_at) if track.observed_at else listed.at

    async def select(self, wanted: Filter, *, limit: int, cursor: str | None = None) -> Selected:
        """One page of matching tracks, newest discovered first; raise BadCursorError on a cursor that is not ours."""
        below = _ordinal_of(cursor)
        page: list[tuple[int, Track]] = []
        total = 0
        newest = self._discovered  # what is forgotten and discovered again meanwhile has a later place
        rows: Sequence[tuple[InstanceKey, Track]] = tuple(self._tracks.items())
        for done, (key, track) in enumerate(reversed(rows), start=1):
            if done % ROWS_A_SLICE == 0:
                await anyio.lowlevel.checkpoint()
            if not wanted.matches(track):
                continue
            total += 1
            ordinal = self._ordinal.get(key)
            if ordinal is not None and ordinal < below and ordinal <= newest and len(page) <= limit:
                page.append((ordinal, track))
        more = len(page) > limit
        page = page[:limit]
        return Selected(
            tracks=tuple(track for _, track in page), next=str(page[-1][0]) if more and page else None, total=total
        )


def _ordinal_of(cursor: str | None) -> float:
    if cursor is None:
        return float("inf")
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise BadCursorError(f"{cursor[:40]!r} is not a cursor: pass the `next` of the page before, unchanged")
    return int(cursor)
