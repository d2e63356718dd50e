"""Signed requests to one endpoint: when the service says our clock or our signature is old, mend it and ask again."""

from collections.abc import Callable
from typing import TypeVar

from monitor.sources.base import Priority, Reason, SourceError
from monitor.sources.dates import ServiceClock
from monitor.sources.http import RefusedError, Reply, Request, Transport
from monitor.sources.maxcompute.calls import Call
from monitor.sources.maxcompute.refusals import refusal, speaks_against_v4
from monitor.sources.maxcompute.signing import Signer, query

T = TypeVar("T")


class Api:
    """One account on one endpoint. `hide` are the secrets that no message may repeat."""

    def __init__(
        self,
        source: str,
        endpoint: str,
        *,
        transport: Transport,
        signer: Signer,
        clock: ServiceClock,
        hide: tuple[str, ...],
    ) -> None:
        self._source = source
        self._endpoint = endpoint
        self._transport = transport
        self._signer = signer
        self._clock = clock
        self._hide = hide
        self._v4 = signer.prefers_v4

    async def ask(self, call: Call, priority: Priority, read: Callable[[Reply], T]) -> T:
        """Send it and return what `read` makes of a good answer. Raises SourceError and nothing else."""
        corrected = False
        while True:
            v4 = self._v4
            try:
                return await self._send(call, priority, read, v4=v4)
            except RefusedError as error:
                if error.reason is Reason.SKEWED and error.answered_at is not None and not corrected:
                    self._clock.correct(error.answered_at)
                    corrected = True
                elif v4 and speaks_against_v4(error):
                    return await self._ask_legacy(call, priority, read)
                else:
                    raise

    async def _ask_legacy(self, call: Call, priority: Priority, read: Callable[[Reply], T]) -> T:
        """Leave the derived signature for good, unless the legacy one is no better: then the key is wrong."""
        self._v4 = False
        try:
            return await self._send(call, priority, read, v4=False)
        except RefusedError as error:
            self._v4 = error.reason is Reason.UNAUTHORIZED
            raise

    async def _send(self, call: Call, priority: Priority, read: Callable[[Reply], T], *, v4: bool) -> T:
        words = query(call.params)

        def request() -> Request:
            headers = self._signer.headers(
                call.method, call.path + words.signed, self._clock.stamp(), content_type=call.content_type, v4=v4
            )
            return Request(call.method, self._endpoint + call.quoted + words.sent, headers, call.body)

        def answer(reply: Reply) -> T:
            if not 200 <= reply.status < 300:
                raise refusal(self._source, call.operation, reply, hide=self._hide)
            try:
                return read(reply)
            except SourceError as error:
                raise SourceError(error.reason, f"{self._source}: {call.operation}: {error}") from None

        return await self._transport.send(call.operation, priority, request, answer, repeatable=call.method == "GET")
