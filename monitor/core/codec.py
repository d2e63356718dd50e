"""How records are stored: msgpack of the core's own types. The public JSON is another form: see `web/wire.py`."""

import msgspec

from monitor.core.alerting import Alert
from monitor.core.events import AnyEvent
from monitor.core.model import Track

_encoder = msgspec.msgpack.Encoder()
_track = msgspec.msgpack.Decoder(Track)
_event: msgspec.msgpack.Decoder[AnyEvent] = msgspec.msgpack.Decoder(AnyEvent)
_alert = msgspec.msgpack.Decoder(Alert)


def encode(record: Track | AnyEvent | Alert) -> bytes:
    """The stored form of one record."""
    return _encoder.encode(record)


def decode_track(data: bytes) -> Track:
    """The inverse of `encode`; raises msgspec.DecodeError or ValidationError on anything else."""
    return _track.decode(data)


def decode_event(data: bytes) -> AnyEvent:
    """The inverse of `encode`; raises msgspec.DecodeError or ValidationError on anything else."""
    return _event.decode(data)


def decode_alert(data: bytes) -> Alert:
    """The inverse of `encode`; raises msgspec.DecodeError or ValidationError on anything else."""
    return _alert.decode(data)
