"""Words of a service that its driver does not know: each is said once in the log, and then only kept as text."""

import structlog

from monitor.core.text import clip

LONGEST_WORD = 64
_MOST_NOTED = 100

log = structlog.get_logger()


class UnknownWords:
    """Those of one source. However many there are, so many are noted and no more."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._noted: set[str] = set()

    def note(self, of: str, word: str) -> None:
        """Something, such as a task, has this status."""
        word = clip(word, LONGEST_WORD)
        if word not in self._noted and len(self._noted) < _MOST_NOTED:
            self._noted.add(word)
            log.warning("unknown status word", source=self._source, of=of, word=word)
