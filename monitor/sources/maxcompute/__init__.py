"""MaxCompute over its REST API: sweeps, inspections, and the section of the config file."""

from monitor.sources.maxcompute.driver import MaxComputeSource
from monitor.sources.maxcompute.section import MaxComputeSection

__all__ = ["MaxComputeSection", "MaxComputeSource"]
