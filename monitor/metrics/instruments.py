"""What is counted as it happens: the names, the words of help, the buckets.

Rules of this file: a series exists at 0 before its first event wherever its labels can be known, because
`increase()` does not see a counter that is born at 1.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

from monitor.core.model import Phase, Verdict
from monitor.metrics.labels import fit
from monitor.notify.base import Reason as NotifyReason
from monitor.sources.base import Reason as SourceReason

OUTCOMES = (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED)
REQUEST_RESULTS = ("ok", *(reason.value for reason in SourceReason))
DELIVERY_RESULTS = ("delivered", *(reason.value for reason in NotifyReason))

MINUTE, HOUR, DAY = 60, 3600, 86400
# fmt: off
DURATIONS = (
    1, 5, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 12 * HOUR, DAY,
)
WAITS = (1, 5, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, DAY)
ANSWERS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# fmt: on

OUR_CLOCK = "Stagewatch asks the service on its own clock, not at the scrape."


class Instruments:
    """Counters and histograms in a registry of their own; each is touched on the loop and read by a scrape's thread."""

    def __init__(self) -> None:
        # A list, whatever its length: one entry for each family, in the words that a scrape shows.
        self.registry = CollectorRegistry()
        place = ("source", "project")
        self.terminations = self._counter(
            "stagewatch_terminations",
            f"Instances that ended, by how; one whose end was found later counts when it was found. {OUR_CLOCK}",
            *place,
            "outcome",
        )
        self.durations = self._histogram(
            "stagewatch_duration",
            f"From the first work (or else the submission) of instances that ended to their end. {OUR_CLOCK}",
            DURATIONS,
            *place,
            "outcome",
        )
        self.partial_failures = self._counter(
            "stagewatch_partial_failures",
            "Instances that succeeded although some of their workers failed; these count as succeeded in terminations.",
            *place,
        )
        self.waits = self._histogram(
            "stagewatch_wait",
            "From submission to the first worker, once per attempt; as exact as the service's times, or else as our "
            "own clock that looks from time to time.",
            WAITS,
            *place,
        )
        self.lost = self._counter(
            "stagewatch_lost",
            "Instances that had not ended and that the service no longer knows.",
            *place,
        )
        self.contradictions = self._counter(
            "stagewatch_contradictions",
            "Instances of which the service said something else after it had called them ended.",
            *place,
        )
        self.verdicts = self._counter(
            "stagewatch_verdicts",
            "Judgements raised over live instances: stalled, straggling, queued too long, late.",
            *place,
            "verdict",
        )
        self.requests = self._counter(
            "stagewatch_source_requests",
            'Requests to the service; result is "ok" or why there was no answer. Retries and pages count.',
            "source",
            "operation",
            "result",
        )
        self.request_seconds = self._histogram(
            "stagewatch_source_request",
            "How long requests to the service took, without waiting for the budget.",
            ANSWERS,
            "source",
            "operation",
        )
        self.skipped = self._counter(
            "stagewatch_source_entries_skipped",
            "Entries of listings that could not be read and were left out.",
            "source",
            "operation",
        )
        self.throttled = self._counter(
            "stagewatch_source_throttled_seconds",
            "For how long the service told us to pause.",
            "source",
            unit="seconds",
        )
        self.alerts = self._counter("stagewatch_alerts", "Alerts that fired, each once.", "rule", "severity")
        self.deliveries = self._counter(
            "stagewatch_deliveries",
            'Attempts to deliver; result is "delivered" or why it was not taken.',
            "channel",
            "result",
        )
        self.given_up = self._counter(
            "stagewatch_deliveries_given_up", "Deliveries that will not be tried again: nobody was told.", "channel"
        )
        self.delivery_seconds = self._histogram(
            "stagewatch_delivery", "How long a channel took to answer an attempt.", ANSWERS, "channel"
        )
        # With our prefix: everything we export answers to one name.
        ProcessCollector(namespace="stagewatch", registry=self.registry)
        self._places: dict[tuple[str, str], tuple[str, str]] = {}
        self._operations: set[tuple[str, str]] = set()

    def _counter(self, name: str, says: str, *labels: str, unit: str = "") -> Counter:
        return Counter(name, says, labels, unit=unit, registry=self.registry)

    def _histogram(self, name: str, says: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, says, labels, unit="seconds", buckets=buckets, registry=self.registry)

    def meet(self, sources: Iterable[str], places: Iterable[tuple[str, str]], channels: Iterable[str]) -> None:
        """What is configured."""
        for source in sources:
            self.throttled.labels(fit(source))
        for place in places:
            self.meet_place(*place)
        for channel in map(fit, channels):
            for result in DELIVERY_RESULTS:
                self.deliveries.labels(channel, result)
            self.given_up.labels(channel)
            self.delivery_seconds.labels(channel)

    def meet_place(self, source: str, project: str) -> tuple[str, str]:
        """The labels of a project; its series exist from the first time on."""
        known = self._places.get((source, project))
        if known is not None:
            return known
        place = fit(source), fit(project)
        self._places[source, project] = place
        for outcome in OUTCOMES:
            self.terminations.labels(*place, outcome.value)
            self.durations.labels(*place, outcome.value)
        for verdict in Verdict:
            self.verdicts.labels(*place, verdict.value)
        for family in (self.partial_failures, self.waits, self.lost, self.contradictions):
            family.labels(*place)
        return place

    def meet_operation(self, source: str, operation: str) -> None:
        """A driver reports an operation, perhaps for the first time."""
        if (source, operation) in self._operations:
            return
        self._operations.add((source, operation))
        for result in REQUEST_RESULTS:
            self.requests.labels(source, operation, result)
        self.skipped.labels(source, operation)
