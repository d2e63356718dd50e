"""The `webhook` channel: Alertmanager's webhook format, version 4, so that receivers written for it work."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Self

import msgspec
from pydantic import Field, model_validator
from yarl import URL

from monitor.core.alerting import Alert
from monitor.notify.base import Receipt
from monitor.notify.body import clean, rfc3339
from monitor.notify.http import Address, Headers, Place, refuse_two_users
from monitor.section import Section

_FIRING = "0001-01-01T00:00:00Z"  # what Alertmanager sends as the end of an alert that has none


class WebhookSection(Section):
    """One receiver. Values of `headers` may be secrets."""

    type: Literal["webhook"]
    name: str = Field(min_length=1, max_length=100)
    url: Address
    headers: Headers = {}

    @model_validator(mode="after")
    def _has_one_authorization(self) -> Self:
        refuse_two_users(self.url, self.headers, "url")
        return self


class Webhook:
    """Posts one alert per request, with its fingerprint as `Idempotency-Key`. It tells an alert once."""

    def __init__(self, section: WebhookSection, *, external_url: str, version: str) -> None:
        self.name = section.name
        self._external_url = external_url
        self._place = Place(URL(section.url), section.headers, version=version)

    async def send(self, alerts: Sequence[Alert], told: datetime | None = None) -> Receipt:
        """Post them one after the other; the receipt is that of the last. Raises NotifyError at the first refusal."""
        receipt = Receipt()
        if told is not None:
            return receipt  # by another kind of channel, that had this name and would have told it again
        for alert in alerts:
            body = msgspec.json.encode(payload(alert, receiver=self.name, external_url=self._external_url))
            receipt = await self._place.post(body, {"Idempotency-Key": alert.id})
        return receipt

    async def aclose(self) -> None:
        """Close connections."""
        await self._place.aclose()


def payload(alert: Alert, *, receiver: str, external_url: str) -> Mapping[str, Any]:  # Any: JSON
    """The body: one firing alert, alone in its group. A one-shot failure has no end, so `endsAt` is Alertmanager's
    zero time."""
    labels, annotations = clean(alert.labels), clean(alert.annotations)
    group = {name: labels[name] for name in ("alertname", "instance", "project", "source")}
    return {
        "version": "4",
        "groupKey": "{}:{" + ", ".join(f"{name}={_quoted(value)}" for name, value in group.items()) + "}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": receiver,
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": external_url,
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": annotations,
                "startsAt": rfc3339(alert.started_at),
                "endsAt": _FIRING,
                "generatorURL": annotations["logview"],
                "fingerprint": alert.id,
            }
        ],
    }


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
