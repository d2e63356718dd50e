"""Which instances somebody asked for: the same words on the API, in the feed and on the command line."""

from msgspec import Struct

from monitor.core.model import Phase, Track


class Filter(Struct, frozen=True, gc=False):
    """An empty field asks for all. `q` is a part of an id, a name or an owner, in any case."""

    source: frozenset[str] = frozenset()
    project: frozenset[str] = frozenset()
    phase: frozenset[Phase] = frozenset()
    owner: frozenset[str] = frozenset()
    key: frozenset[str] = frozenset()
    q: str = ""

    def matches(self, track: Track) -> bool:
        """Whether all fields that are set agree."""
        key = track.key
        return (
            (not self.phase or track.phase in self.phase)
            and (not self.source or key.source in self.source)
            and (not self.project or key.project in self.project)
            and (not self.owner or track.owner in self.owner)
            and (not self.key or str(key) in self.key)
            and (not self.q or self._mentions(track))
        )

    def _mentions(self, track: Track) -> bool:
        wanted = self.q.casefold()
        return any(wanted in text.casefold() for text in (track.key.id, track.name, track.owner) if text)
