"""Signed requests to one endpoint: when the service says our clock, our signature or our token is old, mend it and ask
again."""

from collections.abc import Callable
from typing import TypeVar

from monitor.sources.base import Priority, Reason
from monitor.sources.credentials import Credentials
from monitor.sources.dates import ServiceClock
from monitor.sources.http import RefusedError, Reply, Request, Transport
from monitor.sources.maxcompute.calls import Call
from monitor.sources.maxcompute.refusals import refusal, speaks_against_v4
from monitor.sources.maxcompute.signing import Account, Signer
from monitor.sources.refusing import answer_reader

T = TypeVar("T")


class Api:
    """One account on one endpoint."""

    def __init__(
        self,
        source: str,
        endpoint: str,
        *,
        transport: Transport,
        credentials: Credentials[Account, Signer],
        clock: ServiceClock,
    ) -> None:
        self._source = source
        self._endpoint = endpoint
        self._transport = transport
        self._credentials = credentials
        self._clock = clock
        self._v4 = credentials.signer.prefers_v4

    async def ask(self, call: Call, priority: Priority, read: Callable[[Reply], T]) -> T:
        """Send it and return what `read` makes of a good answer. Raises SourceError and nothing else."""
        resource = call.path + call.words.signed
        url = self._endpoint + call.quoted + call.words.sent
        v4, signer = self._v4, self._credentials.signer

        def request() -> Request:
            stamp = self._clock.stamp()
            headers = signer.headers(
                call.method, resource, stamp, content_type=call.content_type, more=call.headers, v4=v4
            )
            return Request(call.method, url, headers, call.body)

        def refused(reply: Reply) -> RefusedError:
            return refusal(self._source, call.operation, reply, hide=self._credentials.hidden)

        answer = answer_reader(self._source, call.operation, refusal=refused, read=read)
        corrected = renewed = False
        while True:
            try:
                value = await self._transport.send(
                    call.operation, priority, request, answer, repeatable=call.method == "GET"
                )
            except RefusedError as error:
                if error.reason is Reason.SKEWED and error.answered_at is not None and not corrected:
                    self._clock.correct(error.answered_at)
                    corrected = True
                elif v4 and speaks_against_v4(error):
                    v4 = False
                elif error.reason is Reason.UNAUTHORIZED and not renewed and await self._credentials.renew(signer):
                    v4, signer = self._v4, self._credentials.signer
                    renewed = True
                else:
                    raise
            else:
                # Once only the legacy signature was good enough, it is the one to use: the key is not what was wrong.
                self._v4 = v4
                return value
