"""Stagewatch: watches many long-running batch instances at once and tells when one fails."""

__version__ = "0.1.0"
