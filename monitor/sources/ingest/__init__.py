"""Sources that nobody asks: what they know comes as lines of text from where jobs run."""

from monitor.sources.ingest.intake import LineIntake
from monitor.sources.ingest.section import IngestSection

__all__ = ["IngestSection", "LineIntake"]
