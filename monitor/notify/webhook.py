"""The `webhook` channel: Alertmanager's webhook format, version 4, so that receivers written for it work."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp
import msgspec
from pydantic import Field, HttpUrl, field_validator
from yarl import URL

from monitor.core.alerting import Alert
from monitor.notify.base import NotifyError, Reason, Receipt
from monitor.section import Secret, Section

_DETAIL = 200  # characters of an answer that are kept for people
_FIRING = "0001-01-01T00:00:00Z"  # what Alertmanager sends as the end of an alert that has none


class WebhookSection(Section):
    """One receiver. Values of `headers` may be secrets."""

    type: Literal["webhook"]
    name: str = Field(min_length=1, max_length=100)
    url: str
    headers: dict[str, Secret] = {}

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        HttpUrl(value)
        return value


class Webhook:
    """Posts one alert per request, with its fingerprint as `Idempotency-Key`."""

    def __init__(self, section: WebhookSection, *, external_url: str, version: str) -> None:
        self.name = section.name
        self._url = URL(section.url)
        self._external_url = external_url
        self._headers = {name: value.reveal() for name, value in section.headers.items()}
        self._user_agent = f"stagewatch/{version}"
        self._session: aiohttp.ClientSession | None = None

    async def send(self, alerts: Sequence[Alert]) -> Receipt:
        """Post them one after the other; the receipt is that of the last. Raises NotifyError at the first refusal."""
        receipt = Receipt()
        for alert in alerts:
            receipt = await self._post(alert)
        return receipt

    async def _post(self, alert: Alert) -> Receipt:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            **self._headers,
            "Idempotency-Key": alert.id,
        }
        body = msgspec.json.encode(payload(alert, receiver=self.name, external_url=self._external_url))
        try:
            async with self._open().post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                detail = (await answer.content.read(_DETAIL * 4)).decode("utf-8", "replace")[:_DETAIL].strip()
                status, retry_after = answer.status, answer.headers.get("Retry-After")
        except TimeoutError as error:
            raise NotifyError(Reason.TIMEOUT, "the receiver did not answer in time", permanent=False) from error
        except aiohttp.ClientError as error:
            text = f"cannot reach the receiver: {str(error) or type(error).__name__}"
            raise NotifyError(Reason.UNREACHABLE, text, permanent=False) from error
        if 200 <= status < 300:
            return Receipt(status=status, detail=detail)
        raise refusal(status, detail, retry_after)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def aclose(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()


def refusal(status: int, detail: str, retry_after: str | None) -> NotifyError:
    """What a status other than 2xx means. A 408, 425, 429 or 5xx may pass; every other refusal stays one."""
    seconds = _seconds(retry_after)
    text = f"the receiver answered {status}" + (f": {detail}" if detail else "")
    if status in (408, 425, 429):
        return NotifyError(Reason.THROTTLED, text, permanent=False, status=status, retry_after=seconds)
    if status >= 500:
        return NotifyError(Reason.UNAVAILABLE, text, permanent=False, status=status, retry_after=seconds)
    return NotifyError(Reason.REFUSED, text, permanent=True, status=status)


def _seconds(retry_after: str | None) -> float | None:
    """Read a `Retry-After` given in seconds. One given as a date needs our clock: the courier's own back-off serves."""
    if retry_after is None or not retry_after.strip().isdigit():
        return None
    return float(min(int(retry_after.strip()[:9]), 86_400))


def payload(alert: Alert, *, receiver: str, external_url: str) -> Mapping[str, Any]:  # Any: JSON
    """The body: one firing alert. A one-shot failure has no end, so `endsAt` is Alertmanager's zero time."""
    group = {"alertname": alert.labels["alertname"]}
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{alert.labels["alertname"]}", instance="{alert.labels["instance"]}"}}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": receiver,
        "groupLabels": group,
        "commonLabels": alert.labels,
        "commonAnnotations": alert.annotations,
        "externalURL": external_url,
        "alerts": [
            {
                "status": "firing",
                "labels": alert.labels,
                "annotations": alert.annotations,
                "startsAt": _rfc3339(alert.started_at),
                "endsAt": _FIRING,
                "generatorURL": alert.annotations["logview"],
                "fingerprint": alert.id,
            }
        ],
    }


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
