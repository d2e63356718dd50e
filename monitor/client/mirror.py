"""What a screen knows of the daemon's instances, kept up to date by the feed's news."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import datetime

from monitor.client.errors import ClientError
from monitor.client.feed import Away, Back, Event, News, Snapshot
from monitor.client.model import Instance, Projects
from monitor.client.wanted import Wanted


class Mirror:
    """The instances that match, by key, and whether they are fresh.

    `away` says why the daemon cannot be heard since `away_since`, and is empty while it is. `silent` holds the projects
    that do not answer the daemon, with the reason: what is shown of them is old.
    """

    def __init__(self, wanted: Wanted | None = None, instances: Iterable[Instance] = ()) -> None:
        self._wanted = wanted or Wanted()
        self.instances = {one.key: one for one in instances}
        self.away = ""
        self.away_since: datetime | None = None
        self.silent: dict[tuple[str, str], str] = {}

    def take(self, news: News, now: datetime) -> frozenset[str]:
        """Take one in, heard now; return the keys of those that have changed, came, or went."""
        match news:
            case Away(reason=reason):
                self.away, self.away_since = reason, now
            case Back():
                self.away, self.away_since = "", None
            case Snapshot(instances=shown):
                before, self.instances = self.instances, {one.key: one for one in shown}
                return frozenset(key for key in before | self.instances if before.get(key) != self.instances.get(key))
            case Event(kind="source"):
                self._hear_of_source(news)
            case Event(kind="alert"):
                pass  # it changes nothing, and may be about a source
            case Event(key=str() as key, instance=one):
                known = self.instances.get(key)
                if one is not None and self._wanted.matches(one):
                    self.instances[key] = one
                else:
                    self.instances.pop(key, None)
                return frozenset({key} if known != self.instances.get(key) else ())
        return frozenset()

    def _hear_of_source(self, event: Event) -> None:
        place = event.details["source"], event.details["project"]
        if event.details["up"]:
            self.silent.pop(place, None)
        elif self._wanted.covers(*place):
            self.silent[place] = event.details["detail"] or event.details["reason"]

    async def ask_sources(self, ask: Callable[[], Awaitable[Projects]]) -> None:
        """Take over how the projects stand, behind a snapshot or a return: news tell only of changes."""
        with suppress(ClientError):  # it has gone away again: the next news say so
            projects = await ask()
            self.silent = {
                (it.source, it.project): it.detail or it.reason or ""
                for it in projects.sources
                if not it.up and self._wanted.covers(it.source, it.project)
            }
