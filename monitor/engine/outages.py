"""Which projects answer, and what people were told about those that do not.

Rules of this file: one alert per rule and outage of a source, however many of its projects join, and also when the
daemon starts again while the outage lasts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from monitor.core.alerting import Alert, Rules, Trigger, decide
from monitor.core.events import Failed, SourceChanged, Swept
from monitor.core.health import ALONE, DOWN_AFTER, Health, outage_of, step_health
from monitor.core.model import InstanceKey
from monitor.storage.base import AlertQuery, AlertRecord, Checkpoints, Storage

ALERTS_RECALLED = 200  # newest ones of each rule: far more than there are sources

Place = tuple[str, str]  # source, project


@dataclass(frozen=True, slots=True)
class _Before:
    """An outage that an earlier run told about and did not see the end of."""

    began: datetime
    rules: frozenset[str]


class Outages:
    """Part of the ledger: nobody else may call `observe`."""

    def __init__(self) -> None:
        self._health: dict[Place, Health] = {}
        # The rules that fired in the outages that are going on: of a source, or of a project that is down alone.
        self._told: dict[str | Place, set[str]] = {}
        self._before: dict[Place, _Before] = {}

    async def recall(self, storage: Storage, rules: Rules) -> None:
        """Read what the alerts and checkpoints of earlier runs tell. Raises StorageError."""
        checkpoints = await storage.checkpoints()
        for rule in rules.rules:
            if rule.when is Trigger.SOURCE_DOWN:
                query = AlertQuery(rule=rule.name, limit=ALERTS_RECALLED)
                for place, began in _unended(await storage.alerts(query), checkpoints).items():
                    known = self._before.get(place, _Before(began, frozenset()))
                    self._before[place] = _Before(min(began, known.began), known.rules | {rule.name})

    def observe(self, got: Swept | Failed, rules: Rules) -> tuple[Health, tuple[SourceChanged, ...], tuple[Alert, ...]]:
        """How its project stands now, what changed by that, and what people must be told."""
        place = (got.source, got.project)
        alone = isinstance(got, Failed) and got.reason in ALONE
        told = self._told.setdefault(place if alone else got.source, set())
        before = self._before.pop(place, None)
        if before is not None and isinstance(got, Failed):
            # The first failure goes on with the old outage: same beginning, hence the same alert.
            self._health[place] = Health(failing_since=before.began, failures=DOWN_AFTER - 1)
            told |= before.rules
        self._health[place], changes = step_health(self._health, got)
        alerts = tuple(alert for alert in decide(changes, {}, rules) if alert.rule not in told)
        told |= {alert.rule for alert in alerts}
        if isinstance(got, Swept):
            self._told.pop(place, None)
        if outage_of(self._health, got.source) is None:
            self._told.pop(got.source, None)
        return self._health[place], changes, alerts

    def is_blind(self, key: InstanceKey) -> bool:
        """Whether its project does not answer, or has not answered yet: then nothing can be judged, and "no such
        instance" may be said of anything."""
        health = self._health.get((key.source, key.project))
        return health is None or health.failures > 0


def _unended(newest_first: Iterable[AlertRecord], checkpoints: Checkpoints) -> dict[Place, datetime]:
    """When the outages began whose project was not reconciled since."""
    newest: dict[Place, Alert] = {}
    for record in newest_first:
        alert = record.alert
        if alert.key is None:
            newest.setdefault((alert.labels["source"], alert.labels["project"]), alert)
    return {
        place: alert.started_at
        for place, alert in newest.items()
        if (upto := checkpoints.get(place)) is None or upto <= alert.at
    }
