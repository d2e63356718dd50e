"""The live feed: everybody who listens, over a websocket or as server-sent events.

Hears of every batch once and passes it on; an event is encoded once, however many listen.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import structlog

from monitor.storage.base import Record
from monitor.web.frames import News
from monitor.web.parts import Parts
from monitor.web.session import Session

log = structlog.get_logger(__name__)


class Feed:
    """Everybody who listens. Hears of every batch once and passes it on."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._sessions: dict[Session, None] = {}

    def listening(self) -> AbstractContextManager[None]:
        """Hear the bus while the block runs."""
        return self.parts.bus.listening(self._publish)

    def _publish(self, records: Sequence[Record]) -> None:
        news = [News(record, self.parts.board) for record in records]
        for session in tuple(self._sessions):
            try:
                session.offer(news)
            except Exception:  # a bug that one client's wishes bring out must not end the others, nor the daemon
                log.exception("feed_client_crashed")
                session.cut_for_fault()

    def join(self, session: Session) -> None:
        """Begin to pass events on to it."""
        self._sessions[session] = None
        self.parts.stats.clients = len(self._sessions)

    def leave(self, session: Session, why: str) -> None:
        """End that, and note why; `why` is one of a few words: it becomes a metric label."""
        del self._sessions[session]
        session.forget()
        self.parts.stats.clients = len(self._sessions)
        self.parts.stats.closed[session.cut or why] += 1

    def close(self) -> None:
        """Tell everybody to go and to come back: the daemon stops."""
        for session in tuple(self._sessions):
            session.cut_for_shutdown()
