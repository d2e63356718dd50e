"""The log for people at night: what changed, once, in words that can be searched for."""

import structlog

from monitor.core.events import AlertFired, Contradicted, Lost, SourceChanged
from monitor.storage.base import Batch, Record

log = structlog.get_logger()


class Journal:
    """A hook of the follower: it tells what was kept, in the order in which it happened. Phases of single instances are
    not told: there are thousands, and whoever cares has a rule for them."""

    def on_batch(self, batch: Batch) -> None:
        """Tell what of this commit somebody may have to act on."""
        for record in batch.records:
            _tell(record)


def _tell(record: Record) -> None:
    match record.event:
        case SourceChanged(up=False) as event:
            log.error(
                "source_down",
                source=event.source,
                project=event.project,
                reason=event.reason,
                detail=event.detail,
                since=event.outage.isoformat() if event.outage else "",
            )
        case SourceChanged() as event:
            log.info("source_up", source=event.source, project=event.project, lasted=event.lasted)
        case AlertFired() as event:
            log.warning(
                "alert_fired",
                rule=event.rule,
                severity=event.severity,
                instance=str(event.key or ""),
                alert=event.alert,
            )
        case Lost() as event:
            log.warning("instance_lost", instance=str(event.key), before=event.before.value, why=event.why)
        case Contradicted() as event:
            log.warning("service_contradicts_itself", instance=str(event.key), phase=event.phase.value, said=event.said)
