"""The `alertmanager` channel: version 2 of Alertmanager's own API, all peers at once.

A failure happens once and has no end, but Alertmanager wants one, and forgets when it restarts. So an alert is said to
end `hold` after it was told first, and is told again until then; what was told resolves at that time and not before.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Self

import msgspec
from pydantic import Field, field_validator, model_validator
from yarl import URL

from monitor.core.alerting import Alert
from monitor.notify.base import NotifyError, Receipt
from monitor.notify.body import clean, rfc3339
from monitor.notify.http import Address, Headers, Place, refuse_two_users
from monitor.section import Section, Span

_PEERS_WITHIN = 1.0  # seconds for the other peers once one has taken it


class AlertmanagerSection(Section):
    """All peers of one cluster. Values of `headers` may be secrets, and go to every peer."""

    type: Literal["alertmanager"]
    name: str = Field(min_length=1, max_length=100)
    urls: list[Address] = Field(min_length=1)
    headers: Headers = {}
    hold: Span = timedelta(hours=1)
    resend_every: Span = timedelta(minutes=1)

    @field_validator("urls")
    @classmethod
    def _are_places(cls, urls: list[str]) -> list[str]:
        for url in map(URL, urls):
            if url.query_string or url.fragment or url.path.rstrip("/").endswith("/api/v2/alerts"):
                raise ValueError("write where Alertmanager is, like http://alertmanager.example:9093, and no more")
        if len(set(urls)) < len(urls):
            raise ValueError("name each peer once")
        return urls

    @model_validator(mode="after")
    def _has_one_authorization(self) -> Self:
        for url in self.urls:
            refuse_two_users(url, self.headers, "urls")
        return self


class Alertmanager:
    """Posts to every peer; an alert is delivered when one of them took it."""

    def __init__(self, section: AlertmanagerSection, *, now: Callable[[], datetime], version: str) -> None:
        self.name = section.name
        self._now = now
        self._hold = section.hold
        self._resend_every = section.resend_every
        self._peers = [
            Place(URL(url).joinpath("api", "v2", "alerts"), section.headers, version=version) for url in section.urls
        ]

    async def send(self, alerts: Sequence[Alert], told: datetime | None = None) -> Receipt:
        """Post them in one request to each peer. Raises NotifyError if none took it; a peer that did not is named in
        the receipt, and gets it when it is told again."""
        now = self._now()
        ends = (told or now) + self._hold
        if now >= ends:
            return Receipt(detail="its time is over: not told again")
        receipt = await self._post(msgspec.json.encode([posted(alert, ends) for alert in alerts]))
        again_at = now + self._resend_every
        return Receipt(receipt.status, receipt.detail, again_at if again_at < ends else None)

    async def _post(self, body: bytes) -> Receipt:
        receipts: list[Receipt] = []
        errors: dict[Place, NotifyError] = {}
        try:
            async with asyncio.timeout(None) as patience, asyncio.TaskGroup() as group:

                async def tell(peer: Place) -> None:
                    try:
                        receipts.append(await peer.post(body, {}))
                    except NotifyError as error:
                        errors[peer] = error
                    else:
                        if len(receipts) == 1:
                            patience.reschedule(asyncio.get_running_loop().time() + _PEERS_WITHIN)

                for peer in self._peers:
                    group.create_task(tell(peer))
        except TimeoutError:
            pass  # one has taken it; a peer that hangs must not hold up the next alert
        if not receipts:
            raise _worst(errors)
        missed = [peer for peer in self._peers if peer in errors]
        silent = len(self._peers) - len(receipts) - len(missed)
        if not missed and not silent:
            return receipts[0]
        why = [f"{peer}: {errors[peer]}" for peer in missed] + [f"{silent} did not answer"] * bool(silent)
        return Receipt(receipts[0].status, f"{len(receipts)} of {len(self._peers)} peers took it; {'; '.join(why)}")

    async def aclose(self) -> None:
        """Close connections."""
        for peer in self._peers:
            await peer.aclose()


def _worst(errors: Mapping[Place, NotifyError]) -> NotifyError:
    """One error for all peers: it may pass if it may pass at one of them."""
    if len(errors) == 1:
        return next(iter(errors.values()))
    chosen = min(errors.values(), key=lambda error: error.permanent)
    wishes = [error.retry_after for error in errors.values() if error.retry_after is not None]
    return NotifyError(
        chosen.reason,
        "no peer took it; " + "; ".join(f"{peer}: {error}" for peer, error in errors.items()),
        permanent=chosen.permanent,
        status=chosen.status,
        retry_after=min(wishes, default=None),
    )


def posted(alert: Alert, ends: datetime) -> Mapping[str, Any]:  # Any: JSON
    """One alert of the body. Alertmanager has no empty labels, and refuses an alert that begins after its end."""
    labels, annotations = clean(alert.labels), clean(alert.annotations)
    return {
        "labels": {name: text for name, text in labels.items() if text},
        "annotations": annotations,
        "startsAt": rfc3339(min(alert.started_at, alert.at)),
        "endsAt": rfc3339(ends),
        "generatorURL": annotations["logview"],
    }
