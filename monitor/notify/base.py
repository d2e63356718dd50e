"""What a channel promises, and the one error it raises."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from monitor.core.alerting import Alert


class Reason(StrEnum):
    """Why a delivery failed: the log field, the metric label and the word on the page."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"  # 5xx
    REFUSED = "refused"  # 4xx: sending it again will not help
    CRASHED = "crashed"  # the channel's own code raised something else


class NotifyError(Exception):
    """A channel did not take it. `permanent` says that the same words will be refused again; `status` is the
    receiver's own code; `retry_after` is in seconds where it named a time."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        permanent: bool,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.permanent = permanent
        self.status = status
        self.retry_after = retry_after


class Receipt(Struct, frozen=True, gc=False):
    """What the receiver said: `status` is its own code (an HTTP status), `detail` one line for people. `again_at` is
    when the channel wants to tell it again, because its receiver forgets."""

    status: int | None = None
    detail: str = ""
    again_at: datetime | None = None


class Notifier(Protocol):
    """One configured channel. `send` raises NotifyError and nothing else."""

    name: str

    async def send(self, alerts: Sequence[Alert], told: datetime | None = None) -> Receipt:
        """Deliver; returning means that the receiver took responsibility. `told` is when it took them first; None if
        they are new to it."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...
