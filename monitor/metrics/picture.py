"""How things stand at one moment, and the gauges that say so.

Rules of this file: a picture is taken on the loop and copies references only; everything that adds up or sorts works on
the picture, in a worker thread, and needs no lock because what it reads never changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nsmallest
from time import sleep

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from monitor.core.health import Health, source_is_up
from monitor.core.model import InstanceKey, Phase, Track
from monitor.metrics.instruments import OUR_CLOCK
from monitor.metrics.labels import fit, fit_id
from monitor.storage.base import OutboxDepth

TRACKS_A_BREATH = 200  # under a millisecond of work

Place = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What one scrape shows.

    since       when this daemon started
    heard       the sources that nobody asks: they are neither up nor listed
    configured  the configured projects; `places` are these and any others that hold instances
    depths      what waits in the outbox; None while the storage does not answer
    loop_lag    seconds, the worst of the last minute
    """

    at: datetime
    since: datetime
    version: str
    sources: Sequence[str]
    heard: frozenset[str]
    configured: Sequence[Place]
    places: Sequence[Place]
    counts: Mapping[tuple[str, str, Phase], int]
    live: Mapping[Place, Sequence[Track]]
    health: Mapping[Place, Health]
    progress_series: int
    channels: Sequence[str]
    depths: Sequence[OutboxDepth] | None
    feed_clients: int
    feed_messages: int
    feed_closed: Mapping[str, int]
    loop_lag: float
    reload_ok: bool
    reloaded_at: datetime
    exposition_bytes: int

    def collect(self) -> Iterator[Metric]:
        """Every gauge, and the counters that others keep."""
        yield self._instances()
        yield self._workers()
        yield from self._progress()
        yield from self._sources()
        yield from self._outbox()
        yield from self._feed()
        yield from self._daemon()

    def _instances(self) -> Metric:
        family = GaugeMetricFamily(
            "stagewatch_instances",
            f"Instances by phase, every phase of every project. {OUR_CLOCK}",
            labels=("source", "project", "phase"),
        )
        for source, project in self.places:
            for phase in Phase:
                count = self.counts.get((source, project, phase), 0)
                family.add_metric((fit(source), fit(project), phase.value), count)
        return family

    def _workers(self) -> Metric:
        family = GaugeMetricFamily(
            "stagewatch_workers",
            "Workers of live instances as of when their stages were last read; instances nobody has read do not count. "
            + OUR_CLOCK,
            labels=("source", "project", "state"),
        )
        for source, project in self.places:
            running = pending = backup = 0
            for track in _breathing(self.live.get((source, project), ())):
                for task in track.tasks:
                    for stage in task.stages:
                        running += stage.running
                        backup += stage.backups
                        waiting = stage.total - stage.terminated - stage.running
                        if waiting > 0:  # backups run beside those they may replace: more can run than were planned
                            pending += waiting
            for state, count in (("running", running), ("pending", pending), ("backup", backup)):
                family.add_metric((fit(source), fit(project), state), count)
        return family

    def _progress(self) -> Iterator[Metric]:
        omitted = dict.fromkeys(self.sources, 0)
        running: list[Track] = []
        for (source, _), tracks in self.live.items():
            telling = [t for t in _breathing(tracks) if t.phase is Phase.RUNNING and t.progress is not None]
            omitted[source] = omitted.get(source, 0) + len(telling)
            running += telling
        longest = nsmallest(self.progress_series, _breathing(running), key=self._longest_first)
        ratio = GaugeMetricFamily(
            "stagewatch_instance_progress_ratio",
            f"Progress of running instances, 0 to 1, those that run longest; the rest is left out. {OUR_CLOCK}",
            labels=("source", "project", "instance"),
            unit="ratio",
        )
        for track in longest:
            key = track.key
            done = track.progress or 0.0  # None was left out above
            ratio.add_metric((fit(key.source), fit(key.project), fit_id(key.id)), done)
            omitted[key.source] -= 1
        yield ratio

        family = GaugeMetricFamily(
            "stagewatch_instance_series_omitted",
            "Running instances without a progress series, because others run longer and the number is capped.",
            labels=("source",),
        )
        for source, count in omitted.items():
            family.add_metric((fit(source),), count)
        yield family

    def _longest_first(self, track: Track) -> tuple[datetime, InstanceKey]:
        return track.began_at or track.discovered_at or self.at, track.key

    def _sources(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            "stagewatch_source_up",
            f"1 while any project of the source answers, 0 when all have failed several times in a row. {OUR_CLOCK}",
            labels=("source",),
        )
        asked = [place for place in self.configured if place[0] not in self.heard]
        by_source: dict[str, dict[Place, Health]] = {source: {} for source in self.sources if source not in self.heard}
        for place in asked:
            if place in self.health:
                by_source[place[0]][place] = self.health[place]
        for source, projects in by_source.items():
            up.add_metric((fit(source),), float(source_is_up(projects, source)))
        yield up

        age = GaugeMetricFamily(
            "stagewatch_source_data_age_seconds",
            "Since the project was last listed to the last page, or since the start where it never was. " + OUR_CLOCK,
            labels=("source", "project"),
            unit="seconds",
        )
        for place in asked:
            swept_at = self.health[place].swept_at if place in self.health else None
            age.add_metric((fit(place[0]), fit(place[1])), _seconds(self.at, swept_at or self.since))
        yield age

    def _outbox(self) -> Iterator[Metric]:
        if self.depths is None:
            return
        pending = GaugeMetricFamily(
            "stagewatch_outbox_pending",
            "Deliveries that wait to be made. Absent while the storage does not answer.",
            labels=("channel",),
        )
        counts = dict.fromkeys(self.channels, 0) | {depth.channel: depth.pending for depth in self.depths}
        for channel, count in counts.items():
            pending.add_metric((fit(channel),), count)
        yield pending
        oldest = min((depth.oldest for depth in self.depths if depth.oldest), default=self.at)
        yield GaugeMetricFamily(
            "stagewatch_outbox_oldest_age_seconds",
            "Age of the oldest delivery that waits, 0 if none does. Absent while the storage does not answer.",
            value=_seconds(self.at, oldest),
            unit="seconds",
        )

    def _feed(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("stagewatch_feed_clients", "Connections to the feed.", value=self.feed_clients)
        yield CounterMetricFamily(
            "stagewatch_feed_messages", "Messages sent to clients of the feed.", value=self.feed_messages
        )
        closed = CounterMetricFamily(
            "stagewatch_feed_closed", "Connections to the feed that ended, by why.", labels=("reason",)
        )
        for reason, count in self.feed_closed.items():
            closed.add_metric((fit(reason),), count)
        yield closed

    def _daemon(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "stagewatch_loop_lag_seconds",
            "How late the event loop was at worst within the last minute.",
            value=self.loop_lag,
            unit="seconds",
        )
        yield GaugeMetricFamily(
            "stagewatch_config_last_reload_successful",
            "1 if the configuration in the file is the one in force, 0 if its last reload was refused.",
            value=float(self.reload_ok),
        )
        yield GaugeMetricFamily(
            "stagewatch_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read, in Unix time.",
            value=self.reloaded_at.timestamp(),
            unit="seconds",
        )
        yield GaugeMetricFamily(
            "stagewatch_exposition_size_bytes",
            "Size of the answer to the scrape before this one, not compressed.",
            value=self.exposition_bytes,
            unit="bytes",
        )
        yield InfoMetricFamily("stagewatch_build", "The running version.", value={"version": self.version})


def _breathing(tracks: Sequence[Track]) -> Iterator[Track]:
    """The tracks, with a moment between slices in which the loop may take the interpreter from this thread."""
    for start in range(0, len(tracks), TRACKS_A_BREATH):
        yield from tracks[start : start + TRACKS_A_BREATH]
        sleep(0)


def _seconds(later: datetime, earlier: datetime) -> float:
    return max(0.0, (later - earlier).total_seconds())
