"""Job descriptions: JSON text in, a typed job out, or every fault of it at once."""

from monitor.sources.batchcompute.description.model import AppJob, DagJob, Job, Step
from monitor.sources.batchcompute.description.reading import check, read

__all__ = ["AppJob", "DagJob", "Job", "Step", "check", "read"]
