"""The words that options choose from; apart, because every command's help needs them and few need what they name."""

from enum import StrEnum


class Order(StrEnum):
    """What a list is sorted by: those that `monitor.client.words` knows."""

    NEWEST = "newest"
    PHASE = "phase"
    PROGRESS = "progress"
    DURATION = "duration"
    OWNER = "owner"
    NAME = "name"
    KEY = "key"


class Form(StrEnum):
    """How results are printed."""

    CSV = "csv"
    JSON = "json"
    TABLE = "table"
