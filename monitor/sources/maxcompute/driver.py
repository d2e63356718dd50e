"""The MaxCompute driver: builds its parts from the section, and hands each question to the part that knows."""

import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any

from monitor import __version__
from monitor.core.events import Gone, Seen
from monitor.core.model import InstanceKey
from monitor.sources.base import Check, Detail, NotOfferedError, Page, Priority, RequestReport
from monitor.sources.budget import Budget
from monitor.sources.credentials import Credentials
from monitor.sources.dates import ServiceClock
from monitor.sources.http import Transport
from monitor.sources.maxcompute.acceleration import Routes
from monitor.sources.maxcompute.api import Api
from monitor.sources.maxcompute.calls import Calls
from monitor.sources.maxcompute.documents import read_results, split_id
from monitor.sources.maxcompute.examination import Examination
from monitor.sources.maxcompute.inspections import Inspections
from monitor.sources.maxcompute.listings import Listings
from monitor.sources.maxcompute.names import Names
from monitor.sources.maxcompute.pages import Pages
from monitor.sources.maxcompute.queries import Queries
from monitor.sources.maxcompute.section import MaxComputeSection
from monitor.sources.maxcompute.signing import Account, Signer
from monitor.sources.maxcompute.words import Vocabulary
from monitor.sources.maxcompute.workflows import Workflows
from monitor.sources.section import EVERY_JOB

_AGENT = f"stagewatch/{__version__}"
_COMMON = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": _AGENT, "x-odps-user-agent": _AGENT}


class MaxComputeSource:
    """One account on one endpoint. Connections are opened by the first request, inside the running loop.

    `now` gives aware times; `clock` seconds that never go back; `jitter` numbers in 0..1 that spread retries.
    """

    kind = "maxcompute"

    def __init__(
        self,
        section: MaxComputeSection,
        *,
        now: Callable[[], datetime],
        report: Callable[[RequestReport], None],
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        # Longer than others, and best in one piece: each part is built of earlier ones, and nothing is decided here.
        self.name = section.name
        self.projects = section.projects
        timeout = section.timeout.total_seconds()
        discover = section.discover
        self._jobs = None if discover is None else discover.pattern()
        account = Account(
            access_id=section.access_id,
            access_key=section.access_key,
            region=section.region,
            sts_token=section.sts_token,
            bearer_token=section.bearer_token,
            app_access_id=section.app_access_id,
            app_access_key=section.app_access_key,
        )
        credentials = Credentials(
            section.name,
            account,
            make=lambda account: Signer(account, _COMMON),
            secrets=Account.secrets,
            clock=clock,
        )
        self._transport = Transport(
            section.name,
            headers=_COMMON,
            budget=Budget(
                rate=section.requests_per_second, concurrency=section.concurrency, patience=timeout, clock=clock
            ),
            concurrency=section.concurrency,
            timeout=timeout,
            now=now,
            clock=clock,
            jitter=jitter,
            report=report,
        )
        service_clock = ServiceClock(now)
        self._api = api = Api(
            section.name,
            section.endpoint,
            transport=self._transport,
            credentials=credentials,
            clock=service_clock,
        )
        only_own = discover is not None and discover.owner == "mine"
        self._calls = calls = Calls(section.name, section.projects, only_own=only_own)
        words = Vocabulary(section.name)
        narrowed = discover is not None and discover.jobs != EVERY_JOB
        self._names = Names(api=api, calls=calls) if narrowed else None
        self._listings = Listings(
            section.name, api=api, calls=calls, words=words, names=self._names, now=now, clock=service_clock
        )
        self._workflows = Workflows()
        self._routes = Routes(api=api, calls=calls, quota=section.mcqa_quota)
        self._queries = Queries(api=api, calls=calls, now=now)
        self._inspections = Inspections(
            section.name,
            api=self._routes,
            queries=self._queries,
            calls=calls,
            words=words,
            workflows=self._workflows,
            now=now,
            clock=service_clock,
        )
        self._pages = Pages(
            section,
            api=api,
            calls=calls,
            token=lambda: credentials.account.bearer_token,
        )
        self._examination = Examination(
            section.name,
            section.endpoint,
            account=f"access id {section.access_id.reveal()}" if section.access_id else "the bearer token",
            api=api,
            calls=calls,
            page=self._pages.address,
            now=now,
        )

    async def sweep(self, project: str) -> AsyncIterator[Page]:
        """List the live instances, a page at a time; ending without an error means that the listing was complete."""
        async for page in self._listings.sweep(project):
            yield self._workflows.read(page)

    async def ended(self, project: str, since: datetime) -> AsyncIterator[Page]:
        """List what has ended, at least everything submitted after `since`."""
        async for page in self._listings.ended(project, since):
            yield self._workflows.read(page)

    def discovers(self, seen: Seen) -> bool:
        """Whether its job name is one that the section's `discover` asks for, or cannot be had."""
        if self._jobs is None:
            return False
        name = seen.name if seen.name or self._names is None else self._names.of(seen.key)
        return name is None or self._jobs.fullmatch(name) is not None

    async def inspect(self, key: InstanceKey, want: Detail, priority: Priority) -> Seen | Gone:
        """Ask about one instance."""
        return await self._inspections.inspect(key, want, priority)

    async def stop(self, key: InstanceKey) -> None:
        """Ask the service to end it; CONFLICT if it had already ended."""
        call = self._calls.stop(key)
        if split_id(key.id)[1]:
            text = f"{self.name}: a query of a session cannot be stopped alone: stop the session, with all its queries"
            raise NotOfferedError(text)
        await self._routes.ask(call, Priority.WATCHED, lambda _reply: None)

    async def restart(self, key: InstanceKey) -> None:
        """NotOfferedError: this service has no such request."""
        self._calls.status(key)  # refuses what is no instance of ours
        text = f"{self.name}: MaxCompute cannot run an instance again: submit its job again, which makes a new instance"
        raise NotOfferedError(text)

    async def submit(self, project: str, job: Mapping[str, Any], token: str) -> InstanceKey:  # noqa: ARG002 - it takes none
        """NotOfferedError: a job description says nothing to this service."""
        text = f"{self.name}: jobs can be submitted to sources of type batchcompute only: this one only watches"
        raise NotOfferedError(text)

    async def results(self, key: InstanceKey) -> dict[str, str]:
        """The result text of each task, by task name; of a failed one it is the failure text."""
        call = self._calls.results(key)
        if split_id(key.id)[1]:
            return await self._queries.results(key)
        return await self._routes.ask(call, Priority.WATCHED, lambda reply: read_results(reply.body))

    async def logview(self, key: InstanceKey, hours: int | None) -> str:
        """A fresh address of the service's own page about it; may hold a token."""
        return await self._pages.address(key, hours)

    def examine(self, project: str) -> AsyncIterator[Check]:
        """Look whether everything is there that watching a project takes."""
        return self._examination.examine(project)

    async def aclose(self) -> None:
        """Close connections."""
        await self._transport.aclose()
