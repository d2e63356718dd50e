"""Batch Compute over its REST API of 2015-11-11: sweeps, inspections, and the section of the config file."""

from monitor.sources.batchcompute.driver import BatchComputeSource
from monitor.sources.batchcompute.section import BatchComputeSection

__all__ = ["BatchComputeSection", "BatchComputeSource"]
