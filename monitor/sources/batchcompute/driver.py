"""The Batch Compute driver: builds its parts from the section, and hands each question to the part that knows."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from monitor import __version__
from monitor.core.events import Gone, Seen
from monitor.core.model import InstanceKey
from monitor.sources.base import Check, Detail, Page, Priority, Reason, RequestReport, SourceError
from monitor.sources.batchcompute.api import Api
from monitor.sources.batchcompute.calls import Calls, is_job_id
from monitor.sources.batchcompute.description import check
from monitor.sources.batchcompute.documents import malformed, read_id
from monitor.sources.batchcompute.examination import Examination
from monitor.sources.batchcompute.failures import Failures
from monitor.sources.batchcompute.inspections import Inspections
from monitor.sources.batchcompute.instances import Instances
from monitor.sources.batchcompute.listings import Listings
from monitor.sources.batchcompute.objects import Objects
from monitor.sources.batchcompute.observations import KIND, Observer
from monitor.sources.batchcompute.plans import Plans
from monitor.sources.batchcompute.results import Results
from monitor.sources.batchcompute.section import BatchComputeSection
from monitor.sources.batchcompute.signing import Account, Signer
from monitor.sources.batchcompute.tasks import Tasks
from monitor.sources.batchcompute.words import Vocabulary
from monitor.sources.budget import Budget
from monitor.sources.credentials import Credentials
from monitor.sources.dates import ServiceClock
from monitor.sources.http import Reply, Transport

_COMMON = {"Accept-Encoding": "identity", "User-Agent": f"stagewatch/{__version__}"}
_OSS_COMMON = {"Accept": "*/*", **_COMMON}
_LOG_WITHIN = 5.0  # seconds: the alert of a failure waits for the end of its log
_LEARNING = 0.1  # of the requests between two sweeps: for the plans of jobs that are new
_LOOKING_BACK = 0.05  # of the requests between two reconciles: for jobs of long ago that were started again


class BatchComputeSource:
    """One account in one region. Connections are opened by the first request, inside the running loop.

    `now` gives aware times; `clock` seconds that never go back; `jitter` numbers in 0..1 that spread retries.
    """

    kind = KIND

    def __init__(
        self,
        section: BatchComputeSection,
        *,
        now: Callable[[], datetime],
        report: Callable[[RequestReport], None],
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        # Longer than others, and best in one piece: each part is built of earlier ones, and nothing is decided here.
        self.name = section.name
        self.projects = section.projects
        self._takes_jobs = section.submit
        discover = section.discover
        self._jobs = None if discover is None else discover.pattern()
        account = Account(
            access_id=section.access_id,
            access_key=section.access_key,
            region=section.region,
            sts_token=section.sts_token,
        )
        credentials = Credentials(
            section.name,
            account,
            make=lambda account: Signer(account, _COMMON),
            secrets=Account.secrets,
            clock=clock,
        )
        timeout = section.timeout.total_seconds()
        budget = Budget(
            rate=section.requests_per_second, concurrency=section.concurrency, patience=timeout, clock=clock
        )

        def transport(headers: Mapping[str, str], patience: float) -> Transport:
            return Transport(
                section.name,
                headers=headers,
                budget=budget,
                concurrency=section.concurrency,
                timeout=patience,
                now=now,
                clock=clock,
                jitter=jitter,
                report=report,
            )

        self._transport = transport(credentials.signer.common, timeout)
        self._oss_transport = transport(_OSS_COMMON, min(timeout, _LOG_WITHIN))
        service_clock = ServiceClock(now)
        objects = None
        if section.oss_endpoint is not None:
            objects = Objects(
                section.oss_endpoint, credentials=credentials, transport=self._oss_transport, clock=service_clock
            )
        self._api = api = Api(
            section.name,
            section.endpoint,
            transport=self._transport,
            credentials=credentials,
            clock=service_clock,
            nonce=lambda: str(uuid4()),
        )
        self._calls = calls = Calls(section.name, section.region)
        words = Vocabulary(section.name)
        observer = Observer(words=words, clock=service_clock)
        plans = Plans(api=api, calls=calls)
        tasks = Tasks(api=api, calls=calls)
        instances = Instances(api=api, calls=calls, words=words)
        sweep_every, reconcile_every = section.sweep_every.total_seconds(), section.reconcile_every.total_seconds()
        self._listings = Listings(
            section.name,
            api=api,
            calls=calls,
            observer=observer,
            plans=plans,
            instances=instances,
            matters=self.discovers,
            learn_a_sweep=max(1, int(section.requests_per_second * sweep_every * _LEARNING)),
            older_pages=int(section.requests_per_second * reconcile_every * _LOOKING_BACK),
            fresh_for=2 * section.sweep_every,
            now=now,
            clock=service_clock,
        )
        self._inspections = Inspections(
            api=api,
            calls=calls,
            observer=observer,
            plans=plans,
            tasks=tasks,
            instances=instances,
            failures=Failures(instances=instances, objects=objects, words=words),
            listings=self._listings,
            now=now,
            clock=service_clock,
        )
        self._results = Results(section.name, tasks=tasks, instances=instances)
        self._examination = Examination(
            section.name,
            section.endpoint,
            account=f"access id {section.access_id.reveal()}",
            api=api,
            calls=calls,
            now=now,
        )

    def sweep(self, project: str) -> AsyncIterator[Page]:
        """List the live jobs, a page at a time; ending without an error means that the listing was complete."""
        return self._listings.sweep(project)

    def ended(self, project: str, since: datetime) -> AsyncIterator[Page]:
        """List what has ended, at least everything submitted after `since`, and a few pages of what is older; once an
        hour everything that there is."""
        return self._listings.ended(project, since)

    def discovers(self, seen: Seen) -> bool:
        """Whether its name is one that the section's `discover` asks for, or could not be read: every job has one."""
        return self._jobs is not None and (not seen.name or self._jobs.fullmatch(seen.name) is not None)

    async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
        """Ask about one job."""
        return await self._inspections.inspect(key, want, priority)

    async def stop(self, key: InstanceKey) -> None:
        """Ask the service to end it; CONFLICT if it had already ended."""
        await self._api.ask(self._calls.stop(key), Priority.WATCHED, lambda _reply: None)

    async def restart(self, key: InstanceKey) -> None:
        """Run again what did not finish; CONFLICT unless it failed or was stopped."""
        await self._api.ask(self._calls.restart(key), Priority.WATCHED, lambda _reply: None)

    async def submit(self, project: str, job: Mapping[str, Any], token: str) -> InstanceKey:  # Any: JSON
        """Submit a job description; BadJobError if it has faults, REJECTED where the section's `submit` is false."""
        if not self._takes_jobs:
            text = f"{self.name}: no job may be submitted through this source: set `submit: true` in its section"
            raise SourceError(Reason.REJECTED, text)
        checked = await asyncio.to_thread(check, job)  # a thousand tasks take a good part of a second
        call = self._calls.submit(project, checked.document(), token)
        made = await self._api.ask(call, Priority.WATCHED, _read_made)
        return InstanceKey(self.name, project, made)

    async def results(self, key: InstanceKey) -> dict[str, str]:
        """How each instance ended and where its output is, by task name."""
        return await self._results.texts(key)

    async def logview(self, key: InstanceKey, hours: int | None) -> str:  # noqa: ARG002 - this service has no such page
        """NotOfferedError: the service has no page about a job. The message says where the output is."""
        raise await self._results.refuse_page(key)

    def examine(self, project: str) -> AsyncIterator[Check]:
        """Look whether everything is there that watching a region takes."""
        return self._examination.examine(project)

    async def aclose(self) -> None:
        """Close connections."""
        await self._transport.aclose()
        await self._oss_transport.aclose()


def _read_made(reply: Reply) -> str:
    made = read_id(reply.body)
    if not is_job_id(made):
        raise malformed(
            "the answer holds no usable Id of the job: look whether it was taken before submitting it again"
        )
    return made
