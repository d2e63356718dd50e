"""The config file: what may stand in it, and how it is read."""

from monitor.config.model import ChannelSection, Config, PolledSection, StorageSection, read_address
from monitor.config.reading import ConfigError, Fault, load, parse

__all__ = [
    "ChannelSection",
    "Config",
    "ConfigError",
    "Fault",
    "PolledSection",
    "StorageSection",
    "load",
    "parse",
    "read_address",
]
