"""The section of a source that is only heard of."""

from datetime import timedelta
from typing import Literal

from monitor.section import Section, Span
from monitor.sources.section import Name, Names


class IngestSection(Section):
    """Projects whose service the daemon cannot ask: `stagewatch ingest` sends what its tools print. An instance without
    an end, of which nothing is heard for `silent_after`, is lost."""

    type: Literal["ingest"]
    name: Name
    projects: Names
    silent_after: Span = timedelta(hours=1)
