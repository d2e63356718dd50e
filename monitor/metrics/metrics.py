"""The metrics of one daemon: hooks that count what happens, and `render` for whoever scrapes."""

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import anyio
import anyio.to_thread
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from monitor.core.alerting import Rule
from monitor.core.events import (
    AlertFired,
    Contradicted,
    InstanceEvent,
    Lost,
    PartiallyFailed,
    PhaseChanged,
    Removed,
    VerdictChanged,
)
from monitor.core.model import InstanceKey, Phase, Track
from monitor.engine.board import Board
from monitor.engine.lag import LOOK_EVERY
from monitor.engine.reports import DeliveryReport, FeedStats
from monitor.metrics.instruments import Instruments
from monitor.metrics.labels import fit, fit_id
from monitor.metrics.negotiation import choose
from monitor.metrics.picture import Picture
from monitor.sources.base import RequestReport
from monitor.storage.base import Batch, OutboxDepth, StorageError

PROGRESS_SERIES = 500
STORAGE_MAY_TAKE = 2.0  # seconds: a scrape is given ten, and the rest of it is worth having
LOOKS_REMEMBERED = int(60 / LOOK_EVERY)


class Metrics:
    """Built by the app, once per daemon. Every hook is called on the loop and returns at once.

    sources          the configured projects of each source
    heard            of these, the ones that nobody asks: they are neither up nor listed
    channels         the configured channels
    depths           what waits in the outbox: `Storage.depths`
    progress_series  how many running instances get a series of their own
    """

    def __init__(
        self,
        *,
        board: Board,
        stats: FeedStats,
        sources: Mapping[str, Sequence[str]],
        heard: Collection[str] = (),
        depths: Callable[[], Awaitable[Sequence[OutboxDepth]]],
        now: Callable[[], datetime],
        version: str,
        channels: Iterable[str] = (),
        progress_series: int = PROGRESS_SERIES,
    ) -> None:
        self._board = board
        self._stats = stats
        self._depths = depths
        self._now = now
        self._version = version
        self._progress_series = progress_series
        self._instruments = Instruments()
        self._since = self._reloaded_at = now()
        self._reload_ok = True
        self._lags: deque[float] = deque(maxlen=LOOKS_REMEMBERED)
        self._exposition_bytes = 0
        self._one_at_a_time = anyio.Lock()
        self._sources = tuple(sources)
        self._heard = frozenset(heard)
        self._configured = tuple((source, project) for source, projects in sources.items() for project in projects)
        self._channels = tuple(channels)
        self._instruments.meet(self._sources, self._places(), self._channels)
        # The attempt that each instance was last seen to work on: its wait has been counted.
        self._began: dict[InstanceKey, int] = {
            track.key: track.attempt
            for place in self._configured
            for track in board.live(*place).values()
            if track.phase is Phase.RUNNING
        }

    # --- hooks ---

    def on_request(self, report: RequestReport) -> None:
        """A source has asked its service something."""
        source, operation = fit(report.source), fit(report.operation)
        self._instruments.meet_operation(source, operation)
        self._instruments.requests.labels(source, operation, report.result).inc()
        self._instruments.request_seconds.labels(source, operation).observe(report.seconds)
        self._instruments.skipped.labels(source, operation).inc(report.skipped)
        self._instruments.throttled.labels(source).inc(report.throttled_seconds)

    def on_delivery(self, report: DeliveryReport) -> None:
        """The courier has tried to deliver."""
        channel = fit(report.channel)
        self._instruments.deliveries.labels(channel, report.result).inc()
        self._instruments.delivery_seconds.labels(channel).observe(report.seconds)
        self._instruments.given_up.labels(channel).inc(report.given_up)

    def on_batch(self, batch: Batch) -> None:
        """The follower has read a commit."""
        for record in batch.records:
            event = record.event
            if isinstance(event, InstanceEvent):
                place = self._instruments.meet_place(event.key.source, event.key.project)
                self._count(event, record.track, place)
            elif isinstance(event, AlertFired):
                self._instruments.alerts.labels(fit(event.rule), fit(event.severity)).inc()

    def _count(self, event: InstanceEvent, track: Track | None, place: tuple[str, str]) -> None:
        match event:
            case PhaseChanged():
                self._on_phase(event, track, place)
            case PartiallyFailed():
                self._instruments.partial_failures.labels(*place).inc(exemplar={"instance": fit_id(event.key.id)})
            case Lost():
                self._instruments.lost.labels(*place).inc()
            case Contradicted():
                self._instruments.contradictions.labels(*place).inc()
            case VerdictChanged(verdict=verdict, raised=True):
                self._instruments.verdicts.labels(*place, verdict.value).inc()
            case Removed():
                self._began.pop(event.key, None)

    def expect(self, rules: Iterable[Rule]) -> None:
        """These rules are in force: their series exist before they fire."""
        for rule in rules:
            self._instruments.alerts.labels(fit(rule.name), fit(rule.severity))

    def loop_lag(self, seconds: float) -> None:
        """The loop was so late at one look."""
        self._lags.append(seconds)

    def reloaded(self, ok: bool, at: datetime) -> None:
        """The configuration was read again; `ok` says whether it is in force."""
        self._reload_ok = ok
        if ok:
            self._reloaded_at = at

    def _on_phase(self, event: PhaseChanged, track: Track | None, place: tuple[str, str]) -> None:
        ended = event.after.is_terminal
        if not ended and event.after is not Phase.RUNNING:
            return
        key = event.key
        exemplar = {"instance": fit_id(key.id)}
        if track is not None and track.attempt != event.attempt:
            track = None  # the commit holds a later attempt already, whose times are not this one's
        # Some instances are queued again after work began, and some end before anybody saw them work.
        if track is not None and self._began.get(key) != event.attempt:
            waited = _waited(event, track)
            if waited is not None:
                self._instruments.waits.labels(*place).observe(waited, exemplar)
        if not ended:
            self._began[key] = event.attempt
            return
        self._began.pop(key, None)
        outcome = event.after.value
        self._instruments.terminations.labels(*place, outcome).inc(exemplar=exemplar)
        if track is not None and track.began_at is not None and track.ended_at is not None:
            lasted = max(0.0, (track.ended_at - track.began_at).total_seconds())
            self._instruments.durations.labels(*place, outcome).observe(lasted, exemplar)

    # --- the scrape ---

    async def render(self, accept: str) -> tuple[bytes, str]:
        """The body and its content type for this Accept header: text 0.0.4 or OpenMetrics 1.0.

        The loop only copies references; adding up and writing happens in a thread. Scrapers take turns.
        """
        encode, content_type = choose(accept)
        async with self._one_at_a_time:
            picture = self._picture(await self._outbox())
            body = await anyio.to_thread.run_sync(encode, _Families(self._instruments, picture))
            self._exposition_bytes = len(body)
        return body, content_type

    async def _outbox(self) -> Sequence[OutboxDepth] | None:
        """None if the storage does not answer (in time): whoever scrapes gets the rest."""
        with anyio.move_on_after(STORAGE_MAY_TAKE):
            try:
                return await self._depths()
            except StorageError:
                return None
        return None

    def _places(self) -> tuple[tuple[str, str], ...]:
        """The configured projects, and others that hold instances: left from before, or registered by hand."""
        found = {(source, project) for (source, project, _), count in self._board.counts().items() if count}
        return (*self._configured, *sorted(found.difference(self._configured)))

    def _picture(self, depths: Sequence[OutboxDepth] | None) -> Picture:
        places = self._places()
        return Picture(
            at=self._now(),
            since=self._since,
            version=self._version,
            sources=self._sources,
            heard=self._heard,
            configured=self._configured,
            places=places,
            counts=dict(self._board.counts()),
            live={place: tuple(self._board.live(*place).values()) for place in places},
            health=dict(self._board.health),
            progress_series=self._progress_series,
            channels=self._channels,
            depths=depths,
            feed_clients=self._stats.clients,
            feed_messages=self._stats.messages,
            feed_closed=dict(self._stats.closed),
            loop_lag=max(self._lags, default=0.0),
            reload_ok=self._reload_ok,
            reloaded_at=self._reloaded_at,
            exposition_bytes=self._exposition_bytes,
        )


class _Families(Collector):
    """Everything of one scrape, as the library's encoders want it."""

    def __init__(self, instruments: Instruments, picture: Picture) -> None:
        self._instruments = instruments
        self._picture = picture

    def collect(self) -> Iterator[Metric]:
        yield from self._picture.collect()
        for family in self._instruments.registry.collect():
            # When each series was created, again for each series: nobody asks for it, and it would add a third.
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def _waited(event: PhaseChanged, track: Track) -> float | None:
    """Seconds from submission to the first worker; None if the service does not tell and we did not see it happen."""
    began = track.started_at
    if began is None and event.after is Phase.RUNNING and event.before in (Phase.WAITING, Phase.SUSPENDED):
        began = event.at
    if began is None or track.created_at is None:
        return None
    return max(0.0, (began - track.created_at).total_seconds())
