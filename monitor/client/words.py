"""How instances are told to people: the few words that every screen shares."""

from collections.abc import Iterable
from datetime import datetime

from monitor.client.model import Instance, Outcome, Stage
from monitor.core.model import Failure, Phase

ORDERS = ("newest", "phase", "progress", "duration", "owner", "name", "key")
_FIRST = list(map(Phase, ["failed", "lost", "cancelled", "suspended", "running", "waiting", "succeeded"]))


def in_order(instances: Iterable[Instance], order: str, now: datetime) -> list[Instance]:
    """By one of ORDERS, each beginning with what people look for under that name; what is not known comes last."""

    def place(it: Instance) -> tuple[bool, float | str]:
        match order:
            case "newest":
                return it.created_at is None, -it.created_at.timestamp() if it.created_at else 0.0
            case "phase":
                return False, float(_FIRST.index(it.phase))
            case "progress":
                return it.progress is None, -(it.progress or 0.0)
            case "duration":
                return it.duration(now) is None, -(it.duration(now) or 0.0)
            case "owner" | "name":
                text: str = getattr(it, order)
                return not text, text.casefold()
            case _:
                return False, it.key

    return sorted(instances, key=place)


def percent(ratio: float | None) -> str:
    """In whole percent, rounded down: only what is done is 100%. Empty where nothing is known."""
    return "" if ratio is None else f"{int(ratio * 100 + 1e-9)}%"


def span(seconds: float | None) -> str:
    """`35s`, `1:35`, `1:02:03`, `2d 01:02`. Empty where nothing is known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}:{minutes:02}"
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest}s"


def reason(failure: Failure | None) -> str:
    """`ODPS-0130131: Table not found`; the code once, though many texts begin with it."""
    if failure is None:
        return ""
    if not failure.code or failure.message.startswith(failure.code):
        return failure.message
    return f"{failure.code}: {failure.message}" if failure.message else failure.code


def ending(outcome: Outcome) -> str:
    """`succeeded in 35s`, `failed after 1:35: ODPS-0130131: Table not found`: one line if the service's text is one."""
    took = span(outcome.duration)
    said = reason(outcome.failure)
    match outcome.phase:
        case Phase.SUCCEEDED:
            minded = f", but {outcome.failed_workers} of its workers failed" if outcome.failed_workers else ""
            return (f"succeeded in {took}" if took else "succeeded") + minded
        case Phase.CANCELLED:
            told = f"was cancelled after {took}" if took else "was cancelled"
        case Phase.LOST:
            told = "is lost: the service forgot it and never said how it ended"
        case _:
            told = f"failed after {took}" if took else "failed"
    return f"{told}: {said}" if said else told


def workers(stage: Stage) -> str:
    """`4/10, 3 running, 2 failed, 1 retried, 1 backup`: who ended of all; then others, where there are any."""
    counts = (
        (stage.running, "running"),
        (stage.failed, "failed"),
        (stage.retries, "retried"),
        (stage.backups, "backup" if stage.backups == 1 else "backups"),
    )
    return ", ".join([f"{stage.terminated}/{stage.total}", *(f"{count} {what}" for count, what in counts if count)])
